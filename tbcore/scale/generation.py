"""Generation in shards: every shard asks its teacher through a ledger of its own, and pays for nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tbcore.candidates import Candidate
from tbcore.chat.messages import AsyncChatClient, ChatClient, Params
from tbcore.data.generate import Request, generate
from tbcore.data.prompt import VERSION, build_prompt, subject_of
from tbcore.dialogue import Codec
from tbcore.ledger.budget import Budget
from tbcore.ledger.caller import with_more_room
from tbcore.ledger.journal import Journal, call_key
from tbcore.ledger.pace import PaceRules
from tbcore.ledger.report import standing, write_dead_letters
from tbcore.records import Dialogue, PictureGroup
from tbcore.scale.ledgers import deal_ledgers, merge_ledgers, share_budget, spent_in
from tbcore.scale.shards import Row
from tbcore.scale.stage import Desk, Stage, Work
from tbcore.store import read_jsonl

__all__ = ["GenerateStage", "Recipe", "group_rows"]

_LEDGER = "ledger.sqlite"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a row becomes a request.

    Args:
        codec: how pictures are tagged.
        examples: in-context examples.
        origin: kept with every candidate, such as the version of the example set.
    """

    codec: Codec
    examples: tuple[Dialogue, ...] = ()
    origin: tuple[tuple[str, str], ...] = ()

    def request(self, row: Mapping[str, Any]) -> Request:
        """The request of a row of `group_rows`."""
        group = PictureGroup.from_json(row["group"])
        origin = {**dict(self.origin), "example_ids": [one.id for one in self.examples], "prompt": VERSION}
        messages = tuple(build_prompt(group, self.examples, self.codec))
        return Request(group, messages, self.codec, subject_of(group, self.codec), row["sample"], origin)


def group_rows(groups: Iterable[PictureGroup], samples: int = 1) -> Iterator[Row]:
    """Rows to generate from: each group `samples` times."""
    for group in groups:
        for sample in range(samples):
            yield {"id": f"{group.id}/{sample}", "group": group.to_json(), "sample": sample}


@dataclass(frozen=True, kw_only=True)
class GenerateStage(Stage):
    """Rows of `group_rows` to `candidates` and `rejections`; the merged ledger is `ledger.sqlite`.

    When a cap ends it, which rows have an answer depends on the shards; a run that ends otherwise does not.

    Args:
        client: makes the teacher; called in each worker, so a key is read from the worker's environment.
        recipe: how a row becomes a request.
        params: how to answer.
        budget: caps on all shards together.
        tries: how often a call is tried before it is given up.
        rules: how many calls each worker makes at once, for a client that is asked many things at once.
    """

    client: Callable[[], ChatClient | AsyncChatClient]
    recipe: Recipe
    params: Params
    budget: Budget = Budget()  # noqa: RUF009 (a frozen value)
    tries: int = 3
    rules: PaceRules | None = None

    name = "generate"

    @property
    def settings(self) -> dict[str, Any]:
        """What changes the answers; caps and speed do not."""
        examples = [one.to_json() for one in self.recipe.examples]
        asked = {"codec": self.recipe.codec.version, "examples": examples, "prompt": VERSION}
        return {
            "teacher": self.client().name,
            "params": self.params.to_json(),
            **asked,
            "origin": dict(self.recipe.origin),
        }

    def ready(self) -> Work:
        """Make the client."""
        client = self.client()

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            requests = map(self.recipe.request, rows)
            with Journal(desk.kept / _LEDGER, desk.budget) as journal:
                for one in generate(requests, client, journal, self.params, tries=self.tries, rules=self.rules):
                    yield {"candidates" if isinstance(one, Candidate) else "rejections": one.to_json()}

        return work

    def budgets(self, folder: Path, kept: Sequence[Path]) -> list[Budget | None]:
        """The caps, dealt out by how many rows are still to do."""
        weights: list[int] = []
        for one in kept:
            with (folder / "in" / f"{one.name}.jsonl").open("rb") as lines:
                weights.append(0 if (folder / "done" / one.name).is_dir() else sum(1 for _ in lines))
        return list(share_budget(self.budget, [spent_in(one / _LEDGER) for one in kept], weights))

    def carry(self, old: Sequence[Path], new: Sequence[Path], shards: Sequence[Path]) -> None:
        """Deal out what was paid for."""
        where: dict[str, tuple[int, int]] = {}
        keys = self._keys()
        for number, shard in enumerate(shards):
            for draw, line in enumerate(read_jsonl(shard)):
                where.update(dict.fromkeys(keys(line["row"]), (number, draw)))
        there = [one / _LEDGER for one in old if (one / _LEDGER).is_file()]
        deal_ledgers(there, [one / _LEDGER for one in new], where)

    def finish(self, folder: Path, desks: Sequence[Desk]) -> dict[str, Any]:
        """Merge the ledgers and say where the money stands."""
        draws: dict[str, int] = {}
        keys = self._keys()
        for desk in desks:
            for line in read_jsonl(folder / "in" / f"{desk.kept.name}.jsonl"):
                for key in keys(line["row"]):
                    draws[key] = int(line["place"])
        there = [desk.kept / _LEDGER for desk in desks if (desk.kept / _LEDGER).is_file()]
        merge_ledgers(there, folder / _LEDGER, draws)
        with Journal(folder / _LEDGER, self.budget) as journal:
            told = asdict(standing(journal))
            return {**told, "dead_letters": write_dead_letters(journal, folder / "dead_letters.jsonl")}

    def _keys(self) -> Callable[[Row], list[str]]:
        """The call of a row, and the one that follows when its reply was cut off."""
        teacher = self.client().name

        def keys(row: Row) -> list[str]:
            request = self.recipe.request(row)
            how = replace(self.params, subject=request.subject, sample_index=request.sample)
            return [call_key(teacher, request.messages, one)[0] for one in (how, with_more_room(how))]

        return keys
