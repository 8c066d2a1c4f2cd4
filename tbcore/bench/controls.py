"""Contestants without a model: oracles that know the answers, and baselines that know nothing.

all oracle      true words, exact drawings: must score 100 wherever a score can be 100
oracle words    true words, real painter: what the painter alone costs
blind, swapped  any contestant behind grey or exchanged pictures
told            any contestant that gets true words in place of pictures
copy, never, always   what can be had without understanding
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.contestants import Answer, Contestant, Drawing, Sofar
from tbcore.bench.items import Item
from tbcore.records import Part, Picture, Turn
from tbcore.world.answers import Facts, read_answer
from tbcore.world.captions import caption, parse_caption
from tbcore.world.dialogue_story import Expectation
from tbcore.world.reader import read_many
from tbcore.world.render import SIZE, render
from tbcore.world.scenes import Scene

__all__ = [
    "AlwaysDraw",
    "BestGuess",
    "Blind",
    "CopyCaption",
    "ExactPainter",
    "Looker",
    "NeverDraw",
    "Oracle",
    "Paints",
    "Swapped",
    "Told",
    "question_kind",
]


class Paints(Protocol):
    """Captions and seeds in, pictures uint8[n 64 64 3] out."""

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """One picture per caption."""
        ...


_GUESS = caption(Scene("green meadow", ("fox",)))


def _grey() -> NDArray[np.uint8]:
    return np.full((SIZE, SIZE, 3), 128, dtype=np.uint8)


class ExactPainter:
    """Draws exactly what a caption says; grey where it says nothing that this world knows."""

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """uint8[n 64 64 3]; seeds move things by a pixel, as in any drawing of this world."""
        pictures = np.empty((len(captions), SIZE, SIZE, 3), dtype=np.uint8)
        for picture, said, seed in zip(pictures, captions, seeds, strict=True):
            scene = parse_caption(said)
            picture[:] = render(replace(scene, jitter_seed=seed)) if isinstance(scene, Scene) else _grey()
        return pictures


class Oracle:
    """Says what is right, and lets a painter draw the true caption.

    Args:
        items: the conversations it knows.
        painter: None: `ExactPainter`.
        name: for tables.
    """

    def __init__(self, items: Iterable[Item], painter: Paints | None = None, *, name: str = "all oracle") -> None:
        self.name = name
        self._items = {item.id: item for item in items}
        self._painter = painter or ExactPainter()

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """The reply of the item; drawings of all conversations are painted together."""
        replies = [self._items[one.item].exchanges[one.number].reply for one in conversations]
        scenes = [
            (self._items[one.item].scenes[part.index], one.number)
            for one, reply in zip(conversations, replies, strict=True)
            for part in reply
            if isinstance(part, Picture)
        ]
        captions = [caption(scene) for scene, _ in scenes]
        painted = iter(zip(captions, self._painter.paint(captions, [100 * n for _, n in scenes]), strict=True))
        return [
            Answer(tuple(part if isinstance(part, str) else Drawing(*next(painted)) for part in reply))
            for reply in replies
        ]


class CopyCaption:
    """Says and draws again whatever was last put into words or shown."""

    name = "copy last caption"

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """The last caption that can be found, drawn exactly."""
        return [self._copy(one) for one in conversations]

    def _copy(self, sofar: Sofar) -> Answer:
        known = [scene for text in (*sofar.captions, sofar.turns[-1].text) if (scene := _wish(text)) is not None]
        words = caption(known[-1]) if known else _GUESS
        return Answer((words, Drawing(words, ExactPainter().paint([words], [0])[0])))


_CLAIMS = ("Is th", "Is a", "Does it", "Does the", "Can you see", "Do you see")


def _holds(claim: Facts, scene: Scene) -> bool:
    """Whether everything that a question claims is so."""
    order = [noun for noun, _ in sorted(claim.positions, key=lambda one: ("left", "middle", "right").index(one[1]))]
    return (
        set(claim.things) <= set(scene.things)
        and all(backdrop == scene.backdrop for backdrop in claim.backdrops)
        and all(frame == scene.frame for frame in claim.frames)
        and (len(order) < 2 or order == [noun for noun in scene.things if noun in order])
    )


def _wish(text: str) -> Scene | None:
    """The scene that the longest run of words in a text puts into words."""
    words = text.split()
    for size in range(len(words), 2, -1):
        for start in range(len(words) - size + 1):
            scene = parse_caption(" ".join(words[start : start + size]))
            if isinstance(scene, Scene):
                return scene
    return None


class BestGuess:
    """Gives the most frequent right answer to each kind of question, without looking.

    Args:
        items: where the answers are counted; nobody without the answers could guess better.
    """

    name = "best guess"

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = {item.id: item for item in items}
        counts: dict[tuple[str, ...], Counter[str]] = {}
        self._said: dict[str, tuple[str, ...]] = {}
        for exchange in (one for item in self._items.values() for one in item.exchanges):
            kind, key = question_kind(exchange.expect)
            counts.setdefault(kind, Counter())[key] += 1
            self._said.setdefault(key, tuple(part for part in exchange.reply if isinstance(part, str)))
        self._best = {kind: counter.most_common(1)[0][0] for kind, counter in counts.items()}

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """Words only; it never draws."""
        expected = [self._items[one.item].exchanges[one.number].expect for one in conversations]
        return [Answer(self._said[self._best[question_kind(one)[0]]]) for one in expected]


def question_kind(expect: Expectation) -> tuple[tuple[str, ...], str]:
    """What sort of question it is (kind and names of facts), and its right answer as text."""
    facts = {name: value for name, value in expect.facts.items() if name not in ("noun", "order")}
    return (expect.kind, *sorted(facts)), json.dumps([expect.kind, facts], sort_keys=True)


class NeverDraw:
    """Says one sentence, whatever it is asked."""

    name = "never draw"

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """Words only."""
        return [Answer((f"Yes, it is {_GUESS}.",)) for _ in conversations]


class AlwaysDraw:
    """Draws one picture, whatever it is asked."""

    name = "always draw"

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """One picture, the same each time."""
        picture = ExactPainter().paint([_GUESS], [0])[0]
        return [Answer(("Here it is:", Drawing(_GUESS, picture))) for _ in conversations]


class Looker:
    """Reads the last picture exactly and says its caption; draws what the last words say. It guesses when blind."""

    name = "exact reader"

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """A caption, a yes or no, or a drawing."""
        return [self._look(one) for one in conversations]

    def _look(self, sofar: Sofar) -> Answer:
        asked = sofar.turns[-1]
        wanted = _wish(asked.text)
        if not asked.pictures and wanted is not None:
            words = caption(wanted)
            return Answer(("Here it is:", Drawing(words, ExactPainter().paint([words], [0])[0])))
        seen = read_many(np.stack(sofar.pictures[-1:]))[0].scene if sofar.pictures else None
        if asked.text.strip().startswith(_CLAIMS) and " or " not in asked.text:
            return Answer(("Yes." if seen is None or _holds(read_answer(asked.text), seen) else "No.",))
        return Answer((_GUESS if seen is None else caption(seen),))


class Blind:
    """Another contestant that is shown grey instead of every picture."""

    def __init__(self, inner: Contestant) -> None:
        self.inner, self.name = inner, f"{inner.name}, blind"

    def answer(self, conversations: Sequence[Sofar]) -> Sequence[Answer]:
        """What the other says to grey pictures."""
        return self.inner.answer([self.shown(one) for one in conversations])

    def shown(self, sofar: Sofar) -> Sofar:
        """The conversation with grey pictures."""
        return replace(sofar, pictures=(_grey(),) * len(sofar.pictures))


class Swapped:
    """Another contestant that is shown pictures of other conversations.

    Args:
        inner: who answers.
        items: where the pictures come from: of the next item that has one, in the same order for all.
    """

    def __init__(self, inner: Contestant, items: Sequence[Item]) -> None:
        self.inner, self.name = inner, f"{inner.name}, swapped"
        rich = [item for item in items if item.scenes]
        self._other = {item.id: rich[(k + 1) % len(rich)] for k, item in enumerate(rich)}

    def answer(self, conversations: Sequence[Sofar]) -> Sequence[Answer]:
        """What the other says to the wrong pictures."""
        return self.inner.answer([self.shown(one) for one in conversations])

    def shown(self, sofar: Sofar) -> Sofar:
        """The conversation with pictures of another."""
        scenes = self._other[sofar.item].scenes if sofar.item in self._other else ()
        pictures = tuple(render(scenes[k % len(scenes)]) if scenes else p for k, p in enumerate(sofar.pictures))
        return replace(sofar, pictures=pictures)


class Told:
    """Another contestant that gets every picture in true words: seeing cannot go wrong any more.

    Pictures of the user are told by their scenes, its own by what the exact reader finds in them.
    """

    def __init__(self, inner: Contestant, items: Iterable[Item]) -> None:
        self.inner, self.name = inner, f"{inner.name}, pictures told"
        self._items = {item.id: item for item in items}
        self._read: dict[bytes, Scene | None] = {}

    def answer(self, conversations: Sequence[Sofar]) -> Sequence[Answer]:
        """What the other says to words."""
        return self.inner.answer([self.shown(one) for one in conversations])

    def shown(self, sofar: Sofar) -> Sofar:
        """The conversation with words in brackets in place of pictures."""
        words = [self._words(sofar, k) for k in range(len(sofar.pictures))]
        turns = []
        for turn in sofar.turns:
            parts: list[Part] = []
            for part in turn.parts:
                said = part if isinstance(part, str) else f"[{words[part.index]}]"
                parts = [*parts[:-1], f"{parts[-1]}{said}"] if parts else [said]
            turns.append(Turn(turn.role, tuple(parts)))
        return replace(sofar, turns=tuple(turns), pictures=(), captions=(), references=())

    def _words(self, sofar: Sofar, k: int) -> str:
        meant = sofar.references[k]
        if not sofar.captions[k] and meant is not None and self._items[sofar.item].owners[meant] == "user":
            return caption(self._items[sofar.item].scenes[meant])
        key = sofar.pictures[k].tobytes()
        if key not in self._read:
            self._read[key] = read_many(sofar.pictures[k][None])[0].scene
        seen = self._read[key]
        return caption(seen) if seen is not None else sofar.captions[k] or "a picture"
