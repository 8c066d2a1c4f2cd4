"""The moves of the world: what can be asked to change in a scene, how to do it, undo it and say it.

apply(scene, edit)    the scene afterwards, or ValueError when the scene does not allow the edit
invert(scene, edit)   the edit that leads back: apply(apply(s, e), invert(s, e)) == s
clause, phrase        the edit in words, many ways; the words determine the edit
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from tbcore.world.captions import BACKDROP_PHRASES, backdrop_phrase, thing_phrase
from tbcore.world.edit_words import CLAUSES, PLACES, REQUESTS, TARGETS
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene, slot_names
from tbcore.world.sprites import SPRITES, nouns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = [
    "EDIT_KINDS",
    "Add",
    "ChangeBackdrop",
    "ChangeFrame",
    "Edit",
    "Move",
    "Remove",
    "RemoveFrame",
    "Replace",
    "Swap",
    "apply",
    "clause",
    "invert",
    "phrase",
    "sample_edit",
]


@dataclass(frozen=True, slots=True)
class Add:
    """Put one more thing at a place of the layout that results; the others keep their order."""

    noun: str
    place: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a thing away; the others close up."""

    noun: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Put a new thing where an old one stood."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Move:
    """Take a thing out and put it at another place; the others keep their order."""

    noun: str
    place: str


@dataclass(frozen=True, slots=True)
class Swap:
    """Let two things change places."""

    one: str
    other: str


@dataclass(frozen=True, slots=True)
class ChangeBackdrop:
    """Put everything on another backdrop."""

    backdrop: str


@dataclass(frozen=True, slots=True)
class ChangeFrame:
    """Add a frame, or give the frame another colour."""

    frame: str


@dataclass(frozen=True, slots=True)
class RemoveFrame:
    """Take the frame away."""


Edit = Add | Remove | Replace | Move | Swap | ChangeBackdrop | ChangeFrame | RemoveFrame

EDIT_KINDS: tuple[type[Edit], ...] = (
    Add,
    Remove,
    Replace,
    Move,
    Swap,
    ChangeBackdrop,
    ChangeFrame,
    RemoveFrame,
)


def apply(scene: Scene, edit: Edit) -> Scene:
    """Return the scene after an edit; the jitter seed stays.

    Raises:
        ValueError: the scene does not allow it, such as a fourth thing, or changes nothing by it.
    """
    match edit:
        case Add() | Remove() | Replace() | Move() | Swap():
            return replace(scene, things=_things_after(scene, edit))
        case ChangeBackdrop(backdrop):
            if backdrop not in BACKDROPS or backdrop == scene.backdrop:
                raise _impossible(scene, edit, f"the backdrop must be another one of {BACKDROPS}")
            return replace(scene, backdrop=backdrop)
        case ChangeFrame(frame):
            if frame not in FRAMES or frame == scene.frame:
                raise _impossible(scene, edit, f"the frame must be another one of {FRAMES}")
            return replace(scene, frame=frame)
        case RemoveFrame():
            if scene.frame is None:
                raise _impossible(scene, edit, "there is no frame")
            return replace(scene, frame=None)


def _things_after(scene: Scene, edit: Add | Remove | Replace | Move | Swap) -> tuple[str, ...]:
    things = list(scene.things)
    match edit:
        case Add(noun, place):
            _new(scene, edit, noun)
            if len(things) == 3:
                raise _impossible(scene, edit, "three things are the most a scene has")
            things.insert(_slot(scene, edit, place, len(things) + 1), noun)
        case Remove(noun):
            things.pop(_old(scene, edit, noun))
            if not things:
                raise _impossible(scene, edit, "the last thing must stay")
        case Replace(old, new):
            _new(scene, edit, new)
            things[_old(scene, edit, old)] = new
        case Move(noun, place):
            things.pop(_old(scene, edit, noun))
            things.insert(_slot(scene, edit, place, len(scene.things)), noun)
            if tuple(things) == scene.things:
                raise _impossible(scene, edit, "it stands there already")
        case Swap(one, other):
            first, second = _old(scene, edit, one), _old(scene, edit, other)
            if first == second:
                raise _impossible(scene, edit, "two different things change places")
            things[first], things[second] = things[second], things[first]
    return tuple(things)


def _impossible(scene: Scene, edit: Edit, rule: str) -> ValueError:
    return ValueError(f"apply: {edit} does not fit {scene}: {rule}")


def _old(scene: Scene, edit: Edit, noun: str) -> int:
    if noun not in scene.things:
        raise _impossible(scene, edit, f"there is no {noun!r}")
    return scene.things.index(noun)


def _new(scene: Scene, edit: Edit, noun: str) -> None:
    if noun not in SPRITES:
        raise _impossible(scene, edit, f"this world has no {noun!r}")
    if noun in scene.things:
        raise _impossible(scene, edit, f"there is already a {noun!r}")


def _slot(scene: Scene, edit: Edit, place: str, n_things: int) -> int:
    slots = slot_names(n_things)
    if place not in slots:
        raise _impossible(scene, edit, f"with {n_things} things the places are {slots}")
    return slots.index(place)


def invert(scene: Scene, edit: Edit) -> Edit:
    """Return the edit that leads from `apply(scene, edit)` back to `scene`.

    Raises:
        ValueError: the edit does not fit the scene.
    """
    apply(scene, edit)
    match edit:
        case Add(noun, _):
            return Remove(noun)
        case Remove(noun):
            return Add(noun, slot_names(len(scene.things))[scene.things.index(noun)])
        case Replace(old, new):
            return Replace(new, old)
        case Move(noun, _):
            return Move(noun, slot_names(len(scene.things))[scene.things.index(noun)])
        case Swap():
            return edit
        case ChangeBackdrop():
            return ChangeBackdrop(scene.backdrop)
        case ChangeFrame() | RemoveFrame():
            return RemoveFrame() if scene.frame is None else ChangeFrame(scene.frame)


_T = TypeVar("_T")


def _pick(options: Sequence[_T], rng: np.random.Generator) -> _T:
    return options[int(rng.integers(len(options)))]


def clause(edit: Edit, rng: np.random.Generator) -> str:
    """Return the edit as a clause in the imperative, such as "put a fox on the left"."""
    words: dict[str, str] = {}
    match edit:
        case Add(noun, place):
            words = {"a": thing_phrase(noun), "place": _pick(PLACES[place], rng)}
        case Remove(noun):
            words = {"noun": noun}
        case Replace(old, new):
            words = {"old": old, "a": thing_phrase(new)}
        case Move(noun, place):
            words = {"noun": noun, "place": _pick(PLACES[place], rng), "target": _pick(TARGETS[place], rng)}
        case Swap(one, other):
            words = {"one": one, "other": other}
        case ChangeBackdrop(backdrop):
            words = {"where": BACKDROP_PHRASES[backdrop][1], "at": backdrop_phrase(backdrop)}
        case ChangeFrame(frame):
            words = {"colour": frame}
        case RemoveFrame():
            pass
    return _pick(CLAUSES[type(edit).__name__], rng).format_map(words)


def phrase(edit: Edit, rng: np.random.Generator) -> str:
    """Return the edit as a request, such as "Could you put a fox on the left?"."""
    said = clause(edit, rng)
    return _pick(REQUESTS, rng).format(c=said, C=said[0].upper() + said[1:])


def sample_edit(
    scene: Scene,
    rng: np.random.Generator,
    *,
    kinds: Sequence[type[Edit]] = EDIT_KINDS,
    allowed: Callable[[Scene], bool] | None = None,
) -> Edit | None:
    """Draw an edit that fits the scene, kinds being equally likely where they are possible.

    Args:
        scene: what is to change.
        rng: source of randomness.
        kinds: which kinds may be drawn.
        allowed: what the result must satisfy, such as `tbcore.world.splits.may_train`.

    Returns:
        None when 60 draws of every kind found no result that is allowed.
    """
    order = [kinds[k] for k in rng.permutation(len(kinds))]
    for kind in order:
        for _ in range(60):
            edit = _draw(kind, scene, rng)
            if edit is None:
                break
            if allowed is None or allowed(apply(scene, edit)):
                return edit
    return None


def _draw(kind: type[Edit], scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Draw one edit of a kind, or None where the scene has no such edit."""
    count = len(scene.things)
    if (kind is Add and count == 3) or (kind in (Remove, Move, Swap) and count == 1):
        return None
    if kind is RemoveFrame:
        return RemoveFrame() if scene.frame is not None else None
    if kind is Add:
        return Add(_other_noun(scene, rng), _pick(slot_names(count + 1), rng))
    if kind is Replace:
        return Replace(_pick(scene.things, rng), _other_noun(scene, rng))
    if kind is Remove:
        return Remove(_pick(scene.things, rng))
    if kind is Swap:
        first, second = rng.choice(count, size=2, replace=False)
        return Swap(scene.things[first], scene.things[second])
    if kind is Move:
        noun = _pick(scene.things, rng)
        here = scene.things.index(noun)
        return Move(noun, _pick([p for k, p in enumerate(slot_names(count)) if k != here], rng))
    if kind is ChangeBackdrop:
        return ChangeBackdrop(_pick([name for name in BACKDROPS if name != scene.backdrop], rng))
    return ChangeFrame(_pick([name for name in FRAMES if name != scene.frame], rng))


def _other_noun(scene: Scene, rng: np.random.Generator) -> str:
    """Draw a new thing, half of the time of the same topic as one that is there."""
    same = nouns_of(SPRITES[_pick(scene.things, rng)].topic)
    names = same if rng.random() < 0.5 else tuple(SPRITES)
    return _pick([noun for noun in names if noun not in scene.things], rng)
