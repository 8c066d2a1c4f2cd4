"""A teacher that says the same to the same question, and groups to ask it about."""

from __future__ import annotations

from pathlib import Path

from tbcore.chat.endpoint import AsyncOpenAICompatible, OpenAICompatible
from tbcore.data.examples import choose_fixed, load_seed_examples
from tbcore.dialogue import Codec
from tbcore.records import PictureGroup
from tbcore.scale.generation import Recipe, group_rows
from tbcore.store import write_jsonl

CODEC = Codec("7f3a")
RECIPE = Recipe(codec=CODEC, examples=(), origin=(("examples", "none"),))


def groups(n: int) -> list[PictureGroup]:
    return [PictureGroup(f"g{k}", "1", "pets", (f"cat number {k}", "a red ball")) for k in range(n)]


def write_groups(path: Path, n: int) -> Path:
    write_jsonl(path, group_rows(groups(n)))
    return path


def with_examples() -> Recipe:
    return Recipe(codec=CODEC, examples=choose_fixed(load_seed_examples(), 1))


def one_at_a_time(url: str) -> OpenAICompatible:
    return OpenAICompatible("tiny", base_url=url, timeout_s=30)


def many_at_once(url: str) -> AsyncOpenAICompatible:
    return AsyncOpenAICompatible("tiny", base_url=url, timeout_s=30)
