"""Generation in shards: the candidates of one machine, one ledger per shard, caps over all, nothing paid twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tbcore.chat.messages import Params
from tbcore.data.generate import generate
from tbcore.errors import BudgetError
from tbcore.ledger.budget import Budget
from tbcore.ledger.journal import Journal
from tbcore.ledger.pace import PaceRules
from tbcore.scale.generation import GenerateStage
from tbcore.scale.runner import run_stage
from tbcore.store import read_jsonl, write_jsonl
from tests.scale.teachers import RECIPE, many_at_once, one_at_a_time, with_examples, write_groups
from tests.serving.teacher import Act, Teacher, serving

PARAMS = Params(max_tokens=64)
RULES = PaceRules(most=4, first_pause_s=0.002, slow=50.0)


def moods(body: dict[str, Any], seen: int) -> Act:
    """Refuses every fifth question, cuts every seventh short the first time."""
    number = int(body["messages"][-1]["content"].split("cat number ")[1].split("<")[0])
    if number % 5 == 4:
        return Act(kind="status", status=400)
    return Act(finish="length" if number % 7 == 3 and body["max_tokens"] == 64 else "stop")


@pytest.fixture(scope="module")
def teacher() -> Iterator[Teacher]:
    with serving(moods) as running:
        yield running


def stage(teacher: Teacher, budget: Budget | None = None, *, many: bool = False) -> GenerateStage:
    client = partial(many_at_once if many else one_at_a_time, teacher.url)
    return GenerateStage(client=client, recipe=RECIPE, params=PARAMS, budget=budget or Budget(), tries=1, rules=RULES)


def calls_in(place: Path) -> list[tuple[Any, ...]]:
    file = sqlite3.connect(place)
    rows = file.execute("SELECT key, draw, number, state, reply FROM attempts JOIN calls USING (key) ORDER BY 1, 3")
    found = rows.fetchall()
    file.close()
    return found


@pytest.mark.parametrize(("shards", "many"), [(1, False), (2, True), (4, False)])
def test_generation_in_shards_gives_the_bytes_and_the_ledger_of_one_machine(
    teacher: Teacher, tmp_path: Path, shards: int, many: bool
) -> None:
    source = write_groups(tmp_path / "rows.jsonl", 12)
    with Journal(tmp_path / "plain.sqlite") as journal:
        requests = [RECIPE.request(row) for row in read_jsonl(source)]
        client = stage(teacher, many=many).client()
        plain = list(generate(requests, client, journal, PARAMS, tries=1, rules=RULES))
    write_jsonl(tmp_path / "candidates.jsonl", (one.to_json() for one in plain if hasattr(one, "reply")))
    write_jsonl(tmp_path / "rejections.jsonl", (one.to_json() for one in plain if not hasattr(one, "reply")))
    report = run_stage(stage(teacher, many=many), source, tmp_path / "out", shards=shards)
    for name in ("candidates.jsonl", "rejections.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert calls_in(tmp_path / "out" / "ledger.sqlite") == calls_in(tmp_path / "plain.sqlite")
    assert report.codes == {"call_rejected": 2}
    assert report.beside["counts"] == {"reserved": 0, "sent": 0, "done": 12, "failed": 2, "ambiguous": 0}
    assert report.beside["dead_letters"] == 2


def test_a_new_number_of_shards_and_more_rows_pay_for_nothing_twice(teacher: Teacher, tmp_path: Path) -> None:
    source = write_groups(tmp_path / "rows.jsonl", 8)
    run_stage(stage(teacher), source, tmp_path / "out", shards=3)
    before = len(teacher.billed)
    write_groups(source, 10)  # two more, of which one is refused
    run_stage(stage(teacher), source, tmp_path / "out", shards=2)
    assert len(teacher.billed) - before == 1
    assert sorted(one.name for one in (tmp_path / "out").glob("kept-of-*")) == ["kept-of-00002"]
    report = run_stage(stage(teacher), source, tmp_path / "out", shards=5)
    assert len(teacher.billed) - before == 1
    assert report.written["candidates"] == 8


def test_a_cap_holds_over_all_shards_and_what_one_leaves_goes_to_the_others(teacher: Teacher, tmp_path: Path) -> None:
    source = write_groups(tmp_path / "rows.jsonl", 10)
    before = len(teacher.asked)
    with pytest.raises(BudgetError, match="of 3 shards are not done"):
        run_stage(stage(teacher, Budget(calls=6)), source, tmp_path / "out", shards=3)
    assert len(teacher.asked) - before <= 6
    # Ten groups, one of them asked twice; the two that are refused are asked again whenever their shard is.
    report = run_stage(stage(teacher, Budget(calls=25)), source, tmp_path / "out", shards=3)
    assert report.written == {"candidates": 8, "rejections": 2}
    assert len(teacher.asked) - before <= 25


def test_a_recipe_with_examples_names_them_in_every_candidate(teacher: Teacher) -> None:
    recipe = with_examples()
    row = {"id": "g1/2", "group": {"id": "g1", "version": "1", "topic": "pets", "captions": ["a cat"]}, "sample": 2}
    request = recipe.request(row)
    assert (request.sample, request.group.id) == (2, "g1")
    assert request.origin is not None
    assert request.origin["example_ids"] == [recipe.examples[0].id]
    assert len(request.messages) == 4  # system, the example's pictures and text, the pictures of the group
