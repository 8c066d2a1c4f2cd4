"""In-context examples: which conversations a teacher is shown before it writes one.

Twelve were written by hand for this course; conversations that people rate excellent may join them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.seeds import stream

__all__ = ["ExampleSet", "choose_fixed", "choose_random", "load_seed_examples"]


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
    if block < 1:
        raise InputError(f"choose_random: block must be at least 1; got {block}.")
    rng = stream(seed, f"examples/{draw // block}")
    order = rng.permutation(len(examples.examples))[:n]
    return tuple(examples.examples[int(place)] for place in order)


def _enough(examples: ExampleSet, n: int) -> None:
    if not 0 <= n <= len(examples.examples):
        raise InputError(
            f"examples: n must be between 0 and {len(examples.examples)}, the size of the set; got {n}. "
            "Ask for fewer, or promote more conversations."
        )
