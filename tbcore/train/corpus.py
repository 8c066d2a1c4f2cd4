"""What stages 1 and 2 learn from: simulated and recorded dialogues, caption pairs and plain chat, mixed by shares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.model.batch import Batch, collate
from tbcore.model.pack import Example
from tbcore.model.processor import MIMProcessor
from tbcore.records import Dialogue, Pair, Picture, Turn
from tbcore.seeds import stream
from tbcore.store import read_jsonl
from tbcore.train.features import FeatureBank
from tbcore.train.stages import Stage

__all__ = [
    "CAPTION_PROMPTS",
    "COMMON_IDS",
    "Corpus",
    "Source",
    "caption_dialogues",
    "dialogue_source",
    "folder_pictures",
    "kept_ids",
    "plain_chat",
    "plain_text",
]

CAPTION_PROMPTS: tuple[str, ...] = (
    "What is in this picture?",
    "Describe this picture.",
    "What do you see?",
    "Write a caption for this picture.",
    "What does the postcard show?",
    "Tell me what is shown here.",
    "Describe it in one sentence.",
    "What is this?",
)
"""Ways to ask for a caption; stage 1 uses one at random, before or after the picture."""

COMMON_IDS = 8192
"""Ids below this stay in a sliced head whatever the data holds: the tokenizer numbers frequent pieces first."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Examples of one kind.

    Attributes:
        name: for the report.
        examples: columns of each dialogue.
        rows: for each example, the rows of its pictures in the feature bank.
        share: how often it is drawn from, in proportion to the other sources' shares.
        skipped: ids of dialogues whose first exchange was too long.
    """

    name: str
    examples: tuple[Example, ...]
    rows: tuple[tuple[int, ...], ...]
    share: float = 1.0
    skipped: tuple[str, ...] = ()


def dialogue_source(
    name: str,
    dialogues: Iterable[tuple[Dialogue, Sequence[NDArray[np.uint8]]]],
    *,
    processor: MIMProcessor,
    bank: FeatureBank,
    share: float = 1.0,
    max_columns: int | None = 320,
) -> Source:
    """Encode dialogues and let the tower see their pictures.

    Args:
        name: of the source.
        dialogues: each with one picture uint8[y x 3] per caption.
        processor: makes columns.
        bank: keeps the features.
        share: see `Source`.
        max_columns: longer dialogues lose whole trailing exchanges.

    Raises:
        InputError: a dialogue comes with fewer pictures than captions.
    """
    examples: list[Example] = []
    rows: list[tuple[int, ...]] = []
    skipped: list[str] = []
    for dialogue, pictures in dialogues:
        if len(pictures) != len(dialogue.captions):
            raise InputError(
                f"dialogue {dialogue.id!r}: {len(dialogue.captions)} captions, but {len(pictures)} pictures came. "
                "Give one picture per caption."
            )
        example = processor.example(dialogue, max_columns=max_columns)
        if example is None:
            skipped.append(dialogue.id)
            continue
        examples.append(example)
        rows.append(tuple(bank.add([pictures[index] for index in example.pictures])))
    return Source(name, tuple(examples), tuple(rows), share, tuple(skipped))


def folder_pictures(dialogue: Dialogue, folder: Path | str, *, processor: MIMProcessor) -> list[NDArray[np.uint8]]:
    """The pictures attached to a stored dialogue; their paths are relative to the folder of its file."""
    return [processor.picture(Path(folder) / name) for name in dialogue.pictures]


def caption_dialogues(pairs: Sequence[Pair], *, seed: int) -> list[Dialogue]:
    """One question and one answer for each pair: the picture is shown and its caption wanted (stage 1)."""
    rng = stream(seed, "caption prompts")
    dialogues: list[Dialogue] = []
    for pair in pairs:
        prompt = CAPTION_PROMPTS[int(rng.integers(len(CAPTION_PROMPTS)))]
        parts = (Picture(0), prompt) if rng.random() < 0.7 else (prompt, Picture(0))
        turns = (Turn("user", parts), Turn("assistant", (pair.caption,)))
        dialogues.append(Dialogue(pair.id, turns, (pair.caption,), (), "pairs"))
    return dialogues


def _shipped(name: str) -> list[Mapping[str, str]]:
    with resources.as_file(resources.files("tbcore.train") / "data" / name) as path:
        return list(read_jsonl(path))


@cache
def plain_chat() -> tuple[Dialogue, ...]:
    """Short conversations without pictures, answered by the untouched language model: what it should not forget."""
    return tuple(
        Dialogue(f"chat-{number}", (Turn("user", (row["user"],)), Turn("assistant", (row["assistant"],))), ())
        for number, row in enumerate(_shipped("plain_chat.jsonl"))
    )


@cache
def plain_text() -> tuple[str, ...]:
    """Plain paragraphs about everyday things, for measuring what training costs in text ability. No training text."""
    return tuple(row["text"] for row in _shipped("plain_text.jsonl"))


def kept_ids(sources: Iterable[Source], *, vocab_size: int, common: int = COMMON_IDS) -> set[int]:
    """The ids that a sliced head needs: all that these sources emit, and the most common ones."""
    used: set[int] = set(range(min(common, vocab_size)))
    for source in sources:
        for example in source.examples:
            used.update(int(word) for word in np.unique(example.targets) if 0 <= word < vocab_size)
    return used


class Corpus:
    """Draws batches from sources by their shares; the same step always gets the same batch.

    Args:
        sources: those without examples are left out.
        bank: features of all their pictures.
        stage: how many columns a step reads.
        seed: of the order.
        redrawn: other features for a picture, row to row: pictures the painter drew from its caption. In the last
            fifth of the budget `redrawn_share` of them take the picture's place, so that the model meets its own
            drawings before it has to live with them.

    Raises:
        InputError: no source has an example.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        bank: FeatureBank,
        stage: Stage,
        *,
        seed: int = 0,
        redrawn: Mapping[int, int] | None = None,
        redrawn_share: float = 0.3,
    ) -> None:
        shares_of = stage.mixture
        given = [(source, shares_of.get(source.name, source.share)) for source in sources if source.examples]
        self.sources = [source for source, share in given if share > 0]
        if not self.sources:
            raise InputError("corpus: no source has an example to learn from. Check the dialogues and their lengths.")
        self.bank, self.stage, self.seed = bank, stage, seed
        self.redrawn, self.redrawn_share = dict(redrawn or {}), redrawn_share
        shares = np.array([share for _, share in given if share > 0], dtype=float)
        self.shares = shares / shares.sum()

    @property
    def mixture(self) -> dict[str, float]:
        """Name of a source -> share of the drawn dialogues, 0..1."""
        return {source.name: float(share) for source, share in zip(self.sources, self.shares, strict=True)}

    def shard(self, rank: int, world: int) -> Callable[[int, float], Batch]:
        """The batches of one of several processes: together they read what a single one would.

        Args:
            rank: number of the process, from 0.
            world: how many there are.
        """
        return partial(self.batch, rank=rank, world=world)

    def batch(self, step: int, progress: float, *, rank: int = 0, world: int = 1) -> Batch:
        """What this step learns from: about `stage.columns` columns, packed; for all processes together."""
        rng, other = (stream(self.seed, f"{self.stage.name} {what} {step}") for what in ("batch", "redrawn"))
        examples: list[Example] = []
        rows: list[list[int]] = []
        columns = 0
        while True:
            source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
            number = int(rng.integers(len(source.examples)))
            example = source.examples[number]
            if len(examples) >= world and columns + len(example) > self.stage.columns:
                break
            examples.append(example)
            rows.append(self._rows(example, source.rows[number], other, progress))
            columns += len(example)
        examples, rows = examples[rank::world], rows[rank::world]
        features = self.bank[[row for each in rows for row in each]]
        return collate(examples, features.split([len(each) for each in rows]), columns=self.stage.row)

    def _rows(self, example: Example, rows: Sequence[int], rng: np.random.Generator, progress: float) -> list[int]:
        """Which features each picture gets: late in training, some of the assistant's own as the painter drew them."""
        if progress < 0.8 or not self.redrawn:
            return list(rows)
        branches = set(example.anchor[example.segment > 0].tolist())
        own = [first in branches or example.ids[first - 1] == self._end(example) for first in example.slots[:, 0]]
        chance = rng.random(len(rows))
        return [
            self.redrawn.get(row, row) if mine and luck < self.redrawn_share else row
            for row, mine, luck in zip(rows, own, chance, strict=True)
        ]

    @staticmethod
    def _end(example: Example) -> int:
        """The id of `<end>`, two after that of `<image>`, which stands in every slot."""
        return int(example.ids[example.slots[0, 0]]) + 2

    @property
    def digest(self) -> str:
        """SHA-256 of all that batches are made of; a run only resumes on the same."""
        digest = hashlib.sha256(f"{self.seed}|{self.shares.tolist()}|{self.stage}".encode())
        for source in self.sources:
            for example, rows in zip(source.examples, source.rows, strict=True):
                digest.update(example.ids.tobytes() + example.targets.tobytes() + str(rows).encode())
        return digest.hexdigest()
