"""How the frozen conversations were made: seeded walks through the world's splits that nothing may train on.

python -m tbcore.bench items      writes the same bytes again
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from tbcore.bench import moves
from tbcore.bench.items import ITEMS_FILE, Exchange, Form, Item, Origin, Reference
from tbcore.errors import InputError
from tbcore.records import Picture
from tbcore.seeds import stream
from tbcore.store import write_json, write_jsonl
from tbcore.world.dialogue_moves import MOVES, WEIGHTS
from tbcore.world.dialogue_story import Expectation, Story

__all__ = ["COUNTS", "LITE", "SEED", "compose", "save_items", "write_items"]

SEED = 1
"""Of `postcardbench-1`."""

COUNTS: dict[str, int] = {"iid": 150, "held-out": 90, "phrasing": 50, "long": 50, "reference": 100, "probe": 60}
"""Split -> conversations."""

LITE: dict[str, int] = {"iid": 20, "held-out": 10, "phrasing": 4, "long": 4, "reference": 16, "probe": 6}
"""Split -> conversations of the small suite, spread evenly over the split."""

_NAMED: tuple[Form, ...] = ("ordinal", "attribute", "owner", "quote")
_GRID: tuple[tuple[int, Form, Origin], ...] = tuple(
    (distance, form, origin)
    for distance, form, origin in product(
        range(1, 7), ("pronoun", "ordinal", "attribute", "owner", "quote"), ("user", "assistant", "text")
    )
    if origin != "text" or form in ("attribute", "owner")
)


@dataclass(slots=True)
class _Tape:
    """A story and what its user refers to in each exchange."""

    story: Story
    references: list[Reference | None]

    def note(self, reference: Reference | None) -> None:
        """Enter a reference for the exchange just made, None for those before it that have none yet."""
        self.references += [None] * (len(self.story.expects) - len(self.references))
        self.references[-1] = reference

    def play(self, kind: str) -> bool:
        """Make one of the simulator's moves and see what it refers to."""
        story, start, current = self.story, len(self.story.scenes), self.story.current
        undone = story.before
        ages = {k: moves.age(story, k) for k in range(start)}
        if kind == "edit earlier":
            candidates = [k for k in range(start) if k != current]
            if not candidates:
                return False
            reference = moves.edit_named(story, story.pick(candidates), story.pick(_NAMED))
            if reference is not None:
                self.note(reference)
            return reference is not None
        begun = len(story.expects)
        if not MOVES[kind](story):
            return False
        for expect in story.expects[begun:]:
            later = len(self.references) - begun
            known = {k: distance + later for k, distance in ages.items()}
            self.references.append(_meant(expect, story, start, current, undone, known))
        return True


def _meant(
    expect: Expectation, story: Story, start: int, current: int | None, undone: object, ages: dict[int, int]
) -> Reference | None:
    """What one of the simulator's own exchanges refers to: `start` is the first picture it shows."""
    if expect.kind in ("describe", "edit upload") or (expect.kind == "ask" and len(story.scenes) > start):
        return Reference("attached", start, 0, "user")
    target = current if expect.kind in ("ask", "edit") else None
    if expect.kind == "undo":
        target = max(k for k in range(start) if story.scenes[k] == undone)
    return None if target is None else Reference("pronoun", target, ages[target], story.owners[target])


def compose(seed: int = SEED) -> tuple[list[Item], Counter[str]]:
    """Make all conversations.

    Returns:
        The items in order of split and number, and how many drafts were dropped, by reason.
    """
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    for split, count in COUNTS.items():
        kept = 0
        attempt = 0
        chosen = {round(k * count / LITE[split]) for k in range(LITE[split])}
        if split == "probe":  # the two of a pair stay together
            chosen = {k + offset for k in range(0, LITE[split], 2) for offset in (0, 1)}
        while kept < count:
            drafts = _draft(split, seed, kept, attempt)
            attempt += 1
            if drafts is None:
                dropped[f"{split}: the draws allow no such reference"] += 1
                continue
            keys = [_key(tape) for tape in drafts]
            if any(key in seen for key in keys):
                dropped[f"{split}: said before"] += 1
                continue
            seen.update(keys)
            for tape in drafts:
                suffix = "" if len(drafts) == 1 else "ab"[kept % 2]
                number = kept if len(drafts) == 1 else kept // 2
                items.append(_item(tape, f"{split}-{number:04d}{suffix}", split, lite=kept in chosen))
                kept += 1
    return items, dropped


def _key(tape: _Tape) -> str:
    """What makes two conversations the same: the words and the pictures, jitter aside."""
    shown = [replace(scene, jitter_seed=0).to_json() for scene in tape.story.scenes]
    said = [turn.text for turn in tape.story.turns if turn.role == "user"]
    return hashlib.sha256(json.dumps([shown, said], sort_keys=True).encode()).hexdigest()


def _item(tape: _Tape, name: str, split: str, *, lite: bool) -> Item:
    story = tape.story
    exchanges = [
        Exchange(asked.parts, reply.parts, expect, reference)
        for asked, reply, expect, reference in zip(
            story.turns[::2], story.turns[1::2], story.expects, tape.references, strict=True
        )
    ]
    return Item(name, split, lite, tuple(exchanges), tuple(story.scenes), tuple(story.owners))


def _draft(split: str, seed: int, number: int, attempt: int) -> list[_Tape] | None:
    """Make one conversation, or the two of a pair; None where it cannot be made from these draws."""
    rng = stream(seed, f"bench {split} {number} {attempt}")
    if split == "probe":
        return _probes(rng)
    story = Story(rng, "held-out" if split == "held-out" else "test", 1, split == "phrasing")
    tape = _Tape(story, [])
    if split == "reference":
        return _referring(tape, number)
    story.left = int(rng.integers(6, 9)) if split == "long" else int(rng.integers(1, 5))
    weights = dict(WEIGHTS) if split != "phrasing" else {**WEIGHTS, "draw": 1.2}
    _tell(tape, weights)
    return [tape]


def _tell(tape: _Tape, weights: dict[str, float]) -> None:
    """Make moves until the planned number of exchanges is reached; a chat is always possible."""
    while tape.story.left > 0:
        kinds = list(weights)
        while kinds:
            shares = [weights[kind] for kind in kinds]
            total = sum(shares)
            kind = kinds[int(tape.story.rng.choice(len(kinds), p=[share / total for share in shares]))]
            if tape.play(kind):
                break
            kinds.remove(kind)


def _probes(rng: Any) -> list[_Tape]:
    first = Story(rng, "test", 1)
    scene = first.sample()
    pair = moves.probe_pair(first, scene)
    tapes: list[_Tape] = []
    for yes, question in zip((False, True), pair, strict=True):
        story = Story(rng, "test", 1)
        asked = [story.show(scene, "user"), f" {question}"]
        story.exchange(asked, ["Yes." if yes else "No."], Expectation("ask", facts={"yes": yes}))
        tapes.append(_Tape(story, [Reference("attached", 0, 0, "user")]))
    return tapes


def _referring(tape: _Tape, number: int) -> list[_Tape] | None:
    """A conversation about one picture: shown, then other things, then meant again."""
    if number >= len(_GRID):
        return _combining(tape)
    distance, form, origin = _GRID[number]
    story = tape.story
    story.left = 12
    if form not in ("pronoun",) and distance == 1:
        _show(tape, story.pick(("user", "assistant")) if form != "owner" else _other(origin))
    told = story.sample() if origin == "text" else None
    if told is None:
        _show(tape, origin)
    else:
        moves.tell(story, told)
        tape.note(None)
    target, shown = story.current, len(story.expects) - 1
    for step in range(distance - 1):
        if step == 0 and form != "pronoun":
            _show(tape, _other(origin) if form == "owner" else story.pick(("user", "assistant")))
        else:
            tape.play("chat")
    reference: Reference | None
    if told is not None:
        reference = moves.draw_told(story, told, form, len(story.expects) - shown)
    else:
        assert target is not None
        task: Callable[[Story, int, Form], Reference | None] = moves.ask_about if number % 2 else moves.edit_named
        reference = task(story, target, form)
    if reference is None:
        return None
    tape.note(reference)
    return [tape]


def _combining(tape: _Tape) -> list[_Tape] | None:
    story = tape.story
    story.left = 12
    _show(tape, story.pick(("user", "assistant")))
    _show(tape, story.pick(("user", "assistant")))
    if story.chance(0.4):
        tape.play("chat")
    first, second = (0, 1) if story.chance(0.5) else (1, 0)
    reference = moves.combine(story, first, second, story.pick(_NAMED))
    if reference is None:
        return None
    tape.note(reference)
    return [tape]


def _show(tape: _Tape, owner: Origin) -> None:
    """Let one side show a picture."""
    tape.play("describe" if owner == "user" else "draw")


def _other(owner: Origin) -> Origin:
    return "assistant" if owner == "user" else "user"


def write_items(path: Path = ITEMS_FILE, seed: int = SEED) -> dict[str, Any]:
    """Write the conversations and, beside them, their checksum and counts; what was written about them.

    Raises:
        InputError: the file would be larger than 3 MB.
    """
    items, dropped = compose(seed)
    return save_items(path, items, dropped, seed)


def save_items(path: Path, items: Sequence[Item], dropped: Counter[str], seed: int) -> dict[str, Any]:
    """Write conversations and, beside them, their checksum and counts; what was written about them.

    Args:
        path: of the conversations; what is known of them stands beside it, with the ending .json.
        items: in order.
        dropped: drafts that were dropped, by reason.
        seed: they were made with.

    Raises:
        InputError: the file would be larger than 3 MB.
    """
    write_jsonl(path, (item.to_json() for item in items))
    if path.stat().st_size > 3_000_000:
        raise InputError(f"{path}: it must not be larger than 3 MB; got {path.stat().st_size} bytes. Make fewer.")
    about = {
        "name": path.stem,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "seed": seed,
        "conversations": len(items),
        "lite": sum(item.lite for item in items),
        "replies": sum(len(item.exchanges) for item in items),
        "pictures": sum(len(item.scenes) for item in items),
        "drawings": sum(isinstance(part, Picture) for i in items for one in i.exchanges for part in one.reply),
        "dropped": dict(sorted(dropped.items())),
    }
    write_json(path.with_suffix(".json"), about)
    return about
