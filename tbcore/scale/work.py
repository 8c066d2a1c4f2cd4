"""How much work a run is, counted from its shapes: operations, pictures, tokens and bytes, no seconds."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from tbcore.errors import InputError

__all__ = ["CC3M", "LAION_400M", "Dataset", "Stint", "Tower", "stints_of"]

_ITERATIONS = 20
_ROWS_PER_CENTROID = 40
_LABEL_BYTES = 8  # int32 label, float32 cosine


@dataclass(frozen=True, kw_only=True, slots=True)
class Tower:
    """The shape of a vision transformer. The default is ViT-L/14 at 224 pixels, with 768 numbers in the end."""

    layers: int = 24
    width: int = 1024
    tokens: int = 257
    patch: int = 14
    out: int = 768

    @property
    def flops(self) -> float:
        """Operations for one picture: the matrices (24 s w^2 a layer), attention (4 s^2 w), patches, projection."""
        s, w = self.tokens, self.width
        layer = 24 * s * w * w + 4 * s * s * w
        return self.layers * layer + 2 * (s - 1) * 3 * self.patch**2 * w + 2 * w * self.out


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What a plan is for. Everything that is not counted is assumed here, in the open.

    Args:
        name: in the heading.
        pairs: pictures with captions.
        conversations: how many are wanted from the teacher.
        clusters: topics.
        tower: who embeds.
        picture_bytes: of one stored picture; a guess for 256 pixels a side.
        prompt_bytes, reply_bytes: of one conversation's prompt and reply; ours with three examples, and the mean of
            the recorded replies.
        bytes_per_token: what a token of English is about.
        accepted: conversations that pass the filter, 0 to 1.
        pictures_each: pictures in one conversation.

    Raises:
        InputError: a number below 1, or a share outside 0 to 1.
    """

    name: str
    pairs: int
    conversations: int
    clusters: int
    tower: Tower = Tower()
    picture_bytes: int = 20_000
    prompt_bytes: int = 6_000
    reply_bytes: int = 800
    bytes_per_token: float = 4.0
    accepted: float = 0.75
    pictures_each: int = 3

    def __post_init__(self) -> None:
        if min(self.pairs, self.conversations, self.clusters) < 1 or not 0 <= self.accepted <= 1:
            raise InputError(
                f"Dataset: pairs, conversations and clusters must be at least 1, accepted from 0 to 1; got {self!r}."
            )

    @classmethod
    def of(cls, name: str, pairs: int, conversations: int) -> Dataset:
        """A data set with topics as large as the paper's: 4,096 for 3.3 million pairs."""
        return cls(name=name, pairs=pairs, conversations=conversations, clusters=max(1, ceil(pairs * 4096 / 3_300_000)))

    @property
    def told(self) -> str:
        """The assumptions in a sentence."""
        return (
            f"Assumed: {self.clusters:,} topics; a tower of {self.tower.layers} layers, {self.tower.width} wide, "
            f"{self.tower.tokens} tokens; {self.picture_bytes:,} bytes a picture, {self.prompt_bytes:,} a prompt, "
            f"{self.reply_bytes:,} a reply, {self.bytes_per_token:g} bytes a token; {self.accepted:.0%} accepted."
        )


CC3M = Dataset.of("CC3M", 3_300_000, 25_000)
"""The pictures that the paper drew from, and about as many conversations as it published."""

LAION_400M = Dataset.of("LAION-400M", 400_000_000, 1_000_000)
"""The size of LAION-400M, and a million conversations."""


@dataclass(frozen=True, slots=True)
class Stint:
    """The work of one stage.

    Args:
        stage: its name.
        counted: the formula in words.
        amount: of `unit`.
        unit: what is counted.
        kind: which rate it goes by.
        bytes_written: to the disk.
        parts: tokens read and written, for a stage that is paid by the token.
    """

    stage: str
    counted: str
    amount: float
    unit: str
    kind: str
    bytes_written: float = 0.0
    parts: tuple[float, float] = (0.0, 0.0)


def stints_of(dataset: Dataset) -> list[Stint]:
    """The stages in their order. Sampling stays on one machine, one draw a conversation, and is not in the list."""
    n, k, d = dataset.pairs, dataset.clusters, dataset.tower.out
    part = min(n, _ROWS_PER_CENTROID * k)
    cell = n / k
    asked = dataset.conversations
    read = asked * dataset.prompt_bytes / dataset.bytes_per_token
    written = asked * dataset.reply_bytes / dataset.bytes_per_token
    kept = asked * dataset.accepted
    pictures = kept * dataset.pictures_each * dataset.picture_bytes
    return [
        Stint("read and check", "a decoded picture a pair", n, "pictures", "pictures_read", n * dataset.picture_bytes),
        Stint("perceptual hashes", "one a picture", n, "pictures", "hashes", n * 8),
        Stint("embed", f"n x {dataset.tower.flops:.3g}", n * dataset.tower.flops, "FLOP", "tower_flops", n * d * 2),
        Stint(
            "k-means fit",
            f"2 x rows x k x d x {_ITERATIONS}, {_ROWS_PER_CENTROID} rows a topic",
            2.0 * part * k * d * _ITERATIONS,
            "FLOP",
            "matrix_flops",
            k * d * 4,
        ),
        Stint("k-means assign", "2 x n x k x d", 2.0 * n * k * d, "FLOP", "matrix_flops", n * _LABEL_BYTES),
        Stint("near-duplicates", "2 x n x (n / k) x d, at most", 2.0 * n * cell * d, "FLOP", "matrix_flops", n * 8),
        Stint(
            "generate",
            "tokens of prompt and reply",
            read + written,
            "tokens",
            "tokens",
            asked * (dataset.prompt_bytes + 2 * dataset.reply_bytes),  # the ledger keeps prompt, raw body and text
            (read, written),
        ),
        Stint("filter", "one a conversation", asked, "conversations", "conversations", kept * dataset.reply_bytes * 2),
        Stint(
            "export", "one that is kept", kept, "conversations", "rows_exported", kept * dataset.reply_bytes + pictures
        ),
    ]
