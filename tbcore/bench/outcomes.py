"""Replies read exactly: for every turn what was wanted, what was said, captioned and drawn. All metrics start here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tbcore.bench.contestants import Answer
from tbcore.bench.items import Exchange, Item, Owner
from tbcore.bench.runner import Replies
from tbcore.errors import InputError
from tbcore.world.answers import matches, read_answer
from tbcore.world.captions import parse_caption
from tbcore.world.reader import read_many
from tbcore.world.scenes import Scene

__all__ = ["EDITS", "Outcome", "fields", "read_outcomes"]

EDITS = ("edit", "edit upload", "edit earlier")
"""Kinds of exchanges in which one fact of one picture is to change."""

_MARKERS = ("<start>", "<end>", "<image>", "<|", "|>", "<img", "</img")


@dataclass(frozen=True, kw_only=True)  # no slots: what is read from the words is kept
class Outcome:
    """One reply, read.

    Attributes:
        item: id of the conversation; replies of one item are not independent of each other.
        split: of the item.
        turn: exchange number, from 0.
        exchange: what was asked and expected.
        text: what was said.
        captions: one per drawing, "" where the contestant does not tell.
        said: one per drawing: the scene that its caption means, or None.
        seen: one per drawing: the scene that the exact reader finds in it, or None where it rejects the picture.
        source: the scene that is to be edited or asked about, or None.
        others: scenes of the other pictures the user could have meant.
        source_right: whether the picture that the user refers to stands in the history as it should.
        failure: why there is no reply.
    """

    item: str
    split: str
    turn: int
    exchange: Exchange
    text: str
    captions: tuple[str, ...] = ()
    said: tuple[Scene | None, ...] = ()
    seen: tuple[Scene | None, ...] = ()
    source: Scene | None = None
    others: tuple[Scene, ...] = ()
    source_right: bool = True
    failure: str = ""

    @property
    def kind(self) -> str:
        """Kind of the exchange."""
        return self.exchange.expect.kind

    @property
    def draws(self) -> bool:
        """Whether it should show a picture."""
        return self.exchange.expect.draws

    @property
    def wanted(self) -> Scene | None:
        """The scene it should show."""
        return self.exchange.expect.scene

    @property
    def owner(self) -> Owner | None:
        """Who showed the picture that the user refers to."""
        reference = self.exchange.reference
        return None if reference is None or reference.origin == "text" else reference.origin

    @cached_property
    def text_right(self) -> bool:
        """Whether the words say what is expected, pictures aside."""
        return not self.failure and matches(self.exchange.expect, self.text)

    @property
    def caption_right(self) -> bool:
        """Whether exactly one picture is captioned, with the wanted scene."""
        return len(self.said) == 1 and self.said[0] is not None and self.said[0] == self.wanted

    @property
    def picture_right(self) -> bool:
        """Whether exactly one picture is drawn, and shows the wanted scene."""
        return len(self.seen) == 1 and self.seen[0] is not None and self.seen[0] == self.wanted

    @property
    def right(self) -> bool:
        """Whether the whole turn is right: the picture where one is wanted, else the words and no picture."""
        if self.draws:
            return self.picture_right and self.text_right
        return not self.seen and self.text_right

    @cached_property
    def well_formed(self) -> bool:
        """Whether something came back, with no control marker in its words and no drawing without a caption."""
        if self.failure or not (self.text.strip() or self.seen):
            return False
        marked = any(marker in text for marker in _MARKERS for text in (self.text, *self.captions))
        return not marked and all(caption.strip() for caption in self.captions)

    @cached_property
    def refuses(self) -> bool:
        """Whether it says that it cannot do what was asked."""
        return read_answer(self.text).refusal

    @cached_property
    def asks_back(self) -> bool:
        """Whether it asks for something that it must know first."""
        return read_answer(self.text).asks_back


def fields(scene: Scene) -> dict[str, object]:
    """The facts of a scene by name: backdrop, frame, count, and what stands in each place."""
    slots = {f"thing {k}": noun for k, noun in enumerate(scene.things)}
    return {"backdrop": scene.backdrop, "frame": scene.frame, "count": len(scene.things), **slots}


def read_outcomes(items: Iterable[Item], replies: Replies) -> list[Outcome]:
    """Read every reply; each different picture once.

    Raises:
        InputError: a reply is missing.
    """
    chosen = list(items)
    missing = [(i.id, n) for i in chosen for n in range(len(i.exchanges)) if (i.id, n) not in replies]
    if missing:
        raise InputError(
            f"read_outcomes: {len(missing)} replies are missing, the first is exchange {missing[0][1]} of "
            f"{missing[0][0]!r}. Let the run come to its end first."
        )
    readings = _readings([replies[i.id, n] for i in chosen for n in range(len(i.exchanges))])
    return [outcome for item in chosen for outcome in _of_item(item, replies, readings)]


def _readings(answers: Sequence[Answer]) -> dict[bytes, Scene | None]:
    distinct = {drawing.picture.tobytes(): drawing.picture for answer in answers for drawing in answer.drawings}
    if not distinct:
        return {}
    read = read_many(np.stack(list(distinct.values())))
    return {key: reading.scene for key, reading in zip(distinct, read, strict=True)}


def _of_item(item: Item, replies: Replies, readings: dict[bytes, Scene | None]) -> list[Outcome]:
    stands: dict[int, bool] = {}  # picture of the item -> whether it stands in the history as it should
    known: list[int] = []
    outcomes: list[Outcome] = []
    for turn, exchange in enumerate(item.exchanges):
        new = [part.index for part in exchange.asked if not isinstance(part, str)]
        known += new
        stands.update(dict.fromkeys(new, True))
        answer, reference = replies[item.id, turn], exchange.reference
        picture = None if reference is None else reference.picture
        meant = {picture, reference.also} if reference is not None else set()
        seen = tuple(readings[drawing.picture.tobytes()] for drawing in answer.drawings)
        captions = tuple(drawing.caption for drawing in answer.drawings)
        parsed = [parse_caption(caption) for caption in captions]
        outcome = Outcome(
            item=item.id,
            split=item.split,
            turn=turn,
            exchange=exchange,
            text=answer.text,
            captions=captions,
            said=tuple(one if isinstance(one, Scene) else None for one in parsed),
            seen=seen,
            source=None if picture is None else item.scenes[picture],
            others=tuple(item.scenes[k] for k in known if k not in meant),
            source_right=all(stands.get(k, False) for k in meant if k is not None),
            failure=answer.failure,
        )
        outcomes.append(outcome)
        drawn = [part.index for part in exchange.reply if not isinstance(part, str)]
        known += drawn
        stands.update(dict.fromkeys(drawn, outcome.picture_right))
    return outcomes
