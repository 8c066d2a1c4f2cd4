"""In-context examples: which conversations a teacher is shown before it writes one.

Twelve were written by hand for this course; conversations that people rate excellent may join them.

    fixed      the first ones: every prompt begins with the same bytes
    random     drawn by the seed
    nearest    those whose topic is closest to the prompt's pictures
    rotating   the next ones for each block of prompts, so that all are shown equally often
    weighted   drawn by how well people rated them

A teacher's prefix cache works when neighbouring prompts begin alike. So choices change from block to block, not
from prompt to prompt, and within a block the first bytes are identical.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.seeds import stream

__all__ = [
    "Choice",
    "ExampleSet",
    "Strategy",
    "caption_vectors",
    "choose",
    "choose_fixed",
    "choose_nearest",
    "choose_random",
    "choose_rotating",
    "choose_weighted",
    "load_seed_examples",
    "without_evaluation",
]

Strategy = Literal["fixed", "random", "nearest", "rotating", "weighted"]
"""How examples are chosen."""

_VECTOR_WIDTH = 256


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """A set of examples named by its content; `parent` is the version it grew from."""

    examples: tuple[Dialogue, ...]
    parent: str | None = None

    def __post_init__(self) -> None:
        ids = [example.id for example in self.examples]
        if len(set(ids)) < len(ids):
            raise InputError(f"ExampleSet: ids must differ; got {ids}. Leave out one of the equal ones.")

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the examples, in order, and the parent."""
        content = json.dumps(
            {"parent": self.parent, "examples": [example.to_json() for example in self.examples]},
            sort_keys=True,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def with_promoted(self, promoted: Sequence[Dialogue]) -> ExampleSet:
        """A new set with these added at the end; known ids are not added twice."""
        known = {example.id for example in self.examples}
        fresh = tuple(example for example in promoted if example.id not in known)
        return ExampleSet(self.examples + fresh, parent=self.version) if fresh else self


def load_seed_examples() -> ExampleSet:
    """The hand-written examples that come with the course."""
    lines = resources.files("tbcore.data").joinpath("seeds/examples.jsonl").read_text("utf-8").splitlines()
    return ExampleSet(tuple(Dialogue.from_json(json.loads(line)) for line in lines if line))


def choose_fixed(examples: ExampleSet, n: int) -> tuple[Dialogue, ...]:
    """The first `n`: every prompt begins with the same bytes, so a teacher's prefix cache helps most."""
    _enough(examples, n)
    return examples.examples[:n]


def choose_random(examples: ExampleSet, n: int, *, seed: int, draw: int, block: int = 1) -> tuple[Dialogue, ...]:
    """`n` different examples in random order, the same for all draws of a block.

    Args:
        examples: the set to choose from.
        n: how many.
        seed: the run's seed.
        draw: number of the prompt, from 0; draw i never depends on other draws.
        block: so many neighbouring draws share a choice, which keeps prefix caches useful.

    Raises:
        InputError: the set is smaller than `n`, or `block` is below 1.
    """
    _enough(examples, n)
    _check_block(block)
    rng = stream(seed, f"examples/{draw // block}")
    order = rng.permutation(len(examples.examples))[:n]
    return tuple(examples.examples[int(place)] for place in order)


def choose_rotating(examples: ExampleSet, n: int, *, draw: int, block: int = 1) -> tuple[Dialogue, ...]:
    """The next `n` of the set for each block of draws, beginning again at its end: all are shown equally often.

    Raises:
        InputError: the set is smaller than `n`, or `block` is below 1.
    """
    _enough(examples, n)
    _check_block(block)
    first = draw // block * n
    return tuple(examples.examples[(first + step) % len(examples.examples)] for step in range(n))


def choose_nearest(
    examples: ExampleSet, n: int, *, query: NDArray[np.floating], vectors: NDArray[np.floating]
) -> tuple[Dialogue, ...]:
    """The `n` examples whose vectors are closest to the query's, the closest last: next to the prompt's pictures.

    Give every prompt of a topic the same query, such as its cluster's centroid: their prefixes are then identical.

    Args:
        examples: the set to choose from.
        n: how many.
        query: [d], what the prompt is about.
        vectors: [m d], one per example, made like the query: of pictures, or by `caption_vectors`.

    Raises:
        InputError: the set is smaller than `n`, or the shapes do not fit.
    """
    _enough(examples, n)
    if vectors.shape != (len(examples.examples), *query.shape) or query.ndim != 1:
        raise InputError(
            f"choose_nearest: needs a query [d] and a vector [d] for each of {len(examples.examples)} examples; "
            f"got {query.shape} and {vectors.shape}."
        )
    length = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    cosines = (vectors @ query) / np.maximum(length, 1e-12)
    order = np.argsort(-cosines, kind="stable")[:n][::-1]
    return tuple(examples.examples[int(place)] for place in order)


def choose_weighted(
    examples: ExampleSet, n: int, *, scores: Mapping[str, float], seed: int, draw: int, block: int = 1
) -> tuple[Dialogue, ...]:
    """`n` different examples, drawn by their human scores, the same for all draws of a block.

    Args:
        examples: the set to choose from.
        n: how many.
        scores: by example id, above 0; an example that nobody rated weighs as much as the mean of the others.
        seed: the run's seed.
        draw: number of the prompt, from 0.
        block: so many neighbouring draws share a choice.

    Raises:
        InputError: the set is smaller than `n`, `block` is below 1, or a score is not above 0.
    """
    _enough(examples, n)
    _check_block(block)
    if low := {name: score for name, score in scores.items() if not (np.isfinite(score) and score > 0)}:
        raise InputError(f"choose_weighted: scores must be above 0; got {low}. Leave bad examples out of the set.")
    known = [scores[one.id] for one in examples.examples if one.id in scores]
    usual = float(np.mean(known)) if known else 1.0
    weights = np.array([scores.get(one.id, usual) for one in examples.examples])
    # The largest of log-weight plus Gumbel noise are a draw by weight without repetition.
    noise = stream(seed, f"examples/weighted/{draw // block}").gumbel(size=len(weights))
    order = np.argsort(-(np.log(weights) + noise), kind="stable")[:n]
    return tuple(examples.examples[int(place)] for place in order)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which examples a prompt shows, and why: goes into the record's origin.

    Args:
        examples: in the order they are shown.
        strategy: how they were chosen.
        version: of the set they were chosen from, after evaluation groups were left out.
        block: number of the block; prompts of the same block begin with the same bytes. -1 for nearest.
        left_out: ids of examples that touch evaluation groups.
    """

    examples: tuple[Dialogue, ...]
    strategy: Strategy
    version: str
    block: int
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What is logged with each record: ids, never the texts."""
        return {
            "examples": self.version,
            "example_ids": [one.id for one in self.examples],
            "example_strategy": self.strategy,
            "example_block": self.block,
            "examples_left_out": list(self.left_out),
        }


def choose(
    examples: ExampleSet,
    n: int,
    strategy: Strategy,
    *,
    seed: int,
    draw: int,
    block: int = 1,
    evaluation_groups: Collection[str] = (),
    evaluation_captions: Collection[str] = (),
    query: NDArray[np.floating] | None = None,
    scores: Mapping[str, float] | None = None,
) -> Choice:
    """Choose by a strategy's name, never from evaluation groups, and say what was chosen.

    Args:
        examples: the set to choose from.
        n: how many.
        strategy: how.
        seed: the run's seed.
        draw: number of the prompt, from 0.
        block: so many neighbouring draws share a choice; nearest changes with its query only.
        evaluation_groups: ids of groups the model will be tested on.
        evaluation_captions: captions of pictures it will be tested on.
        query: for nearest: what `caption_vectors` makes of the prompt's captions, as one text.
        scores: for weighted: human scores by example id.

    Raises:
        InputError: too few examples are left, or the strategy is unknown or lacks its query or scores.
    """
    pool = without_evaluation(examples, groups=evaluation_groups, captions=evaluation_captions)
    match strategy:
        case "fixed":
            chosen = choose_fixed(pool, n)
        case "random":
            chosen = choose_random(pool, n, seed=seed, draw=draw, block=block)
        case "rotating":
            chosen = choose_rotating(pool, n, draw=draw, block=block)
        case "weighted" if scores is not None:
            chosen = choose_weighted(pool, n, scores=scores, seed=seed, draw=draw, block=block)
        case "nearest" if query is not None:
            vectors = caption_vectors([" ".join(one.captions) for one in pool.examples])
            chosen = choose_nearest(pool, n, query=query, vectors=vectors)
        case _:
            raise InputError(
                "choose: strategy must be fixed, random, rotating, nearest (with query=) or weighted (with scores=); "
                f"got {strategy!r}."
            )
    kept = {one.id for one in pool.examples}
    left_out = tuple(one.id for one in examples.examples if one.id not in kept)
    number = {"fixed": 0, "nearest": -1}.get(strategy, draw // max(block, 1))
    return Choice(chosen, strategy, pool.version, number, left_out)


def without_evaluation(
    examples: ExampleSet, *, groups: Collection[str] = (), captions: Collection[str] = ()
) -> ExampleSet:
    """The set without examples about pictures that the model will be tested on, told by group or by caption."""
    seen = {_folded(caption) for caption in captions}
    clean = tuple(
        one
        for one in examples.examples
        if not (one.group and one.group in groups) and seen.isdisjoint(map(_folded, one.captions))
    )
    return examples if len(clean) == len(examples.examples) else ExampleSet(clean, parent=examples.version)


def caption_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors [m d] of length one that are close when two texts share words; no model and no fitting is needed."""
    from sklearn.feature_extraction.text import HashingVectorizer

    maker = HashingVectorizer(n_features=_VECTOR_WIDTH, stop_words="english", alternate_sign=False)
    table: Any = maker.transform(texts)  # a sparse matrix
    return table.toarray().astype(np.float32)


def _folded(caption: str) -> str:
    return " ".join(caption.casefold().split())


def _check_block(block: int) -> None:
    if block < 1:
        raise InputError(f"examples: block must be at least 1; got {block}.")


def _enough(examples: ExampleSet, n: int) -> None:
    if not 0 <= n <= len(examples.examples):
        raise InputError(
            f"examples: n must be between 0 and {len(examples.examples)}, the size of the set; got {n}. "
            "Ask for fewer, or promote more conversations."
        )
