"""Refinement whole: queue, agreement of many, versions with rollback, kill -9, Label Studio, a simulated round."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.course.places import project_root
from tbcore.data.examples import ExampleSet, load_seed_examples
from tbcore.data.refine import (
    QUALITIES,
    Label,
    Quality,
    SimulatedRater,
    Versions,
    acceptance_by_set,
    acceptance_difference,
    add_label,
    alpha,
    disagreements,
    from_label_studio,
    labelling_config,
    pairwise,
    promoted,
    queue,
    read_labels,
    simulated_round,
    steadiness,
    to_label_studio,
)
from tbcore.errors import InputError

SEEDS = load_seed_examples().examples


def label(record: str, rater: str, quality: Quality) -> Label:
    return Label(record, rater, quality, ("incoherent",) if quality == "Poor" else ())


def table_labels(table: list[list[int | None]]) -> list[Label]:
    """Labels from one row per rater; None is a missing rating."""
    return [
        label(f"d{column}", f"r{row}", QUALITIES[place])
        for row, line in enumerate(table)
        for column, place in enumerate(line)
        if place is not None
    ]


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.lists(st.lists(st.none() | st.integers(0, 2), min_size=n, max_size=n), min_size=2, max_size=5)
    )
)
@settings(max_examples=60, deadline=None)
def test_alpha_is_the_package_of_record(table: list[list[int | None]]) -> None:
    labels = table_labels(table)
    rated = [[line[n] for line in table if line[n] is not None] for n in range(len(table[0]))]
    if not any(len(column) > 1 for column in rated):
        with pytest.raises(InputError, match="no record has two ratings"):
            alpha(labels)
        return
    found = alpha(labels, resamples=5)
    assert found.n == sum(len(column) > 1 for column in rated)
    if len({place for column in rated if len(column) > 1 for place in column}) < 2:
        assert found.alpha is None
        return
    given_ = np.array([[np.nan if place is None else place for place in line] for line in table])
    expected = krippendorff.alpha(given_, level_of_measurement="ordinal", value_domain=[0, 1, 2])
    assert found.alpha == pytest.approx(expected, abs=1e-9)


def test_alpha_by_hand() -> None:
    # two raters, d0 equal Poor, d1 Poor against Excellent: coincidences PP 2, PE 1, EP 1; totals P 3, E 1
    found = alpha(table_labels([[0, 0], [0, 2]]), resamples=20)
    # the ordinal difference of P and E is (3/2 + 1/2) ** 2 = 4; observed 2 * 4, expected 2 * 3 * 1 * 4 / 3
    assert found.alpha == pytest.approx(1 - 8 / 8)
    assert (found.n, found.raters, found.raw) == (2, ("r0", "r1"), 0.5)


def test_every_pair_of_raters_is_reported() -> None:
    labels = table_labels([[0, 1, 2, None], [0, 1, 2, None], [2, 1, 0, None], [None, None, None, 1]])
    found = pairwise(labels, resamples=10)
    assert set(found) == {("r0", "r1"), ("r0", "r2"), ("r1", "r2")}
    assert found["r0", "r1"].kappa == 1
    assert found["r0", "r2"].kappa == pytest.approx(1 - (4 / 3) / (8 / 9))


def test_the_queue_brings_disagreements_first_and_repeats_blindly() -> None:
    records = [f"d{n}" for n in range(10)]
    labels = [
        label("d0", "ann", "Poor"),
        label("d0", "bob", "Excellent"),
        label("d1", "ann", "Satisfactory"),
        label("d1", "bob", "Excellent"),
        label("d2", "ann", "Excellent"),
        label("d2", "bob", "Excellent"),
        label("d3", "cat", "Excellent"),
    ]
    assert disagreements(labels) == ["d0", "d1"]
    assert disagreements(labels, steps=2) == ["d0"]
    tasks = queue(records, labels, "cat", seed=1, repeat_every=3)
    assert [task.record for task in tasks[:2]] == ["d0", "d1"]
    assert [task.why for task in tasks[:4]] == ["disagreement", "disagreement", "new", "repeat"]
    assert tasks[3].record == "d3"
    assert {task.record for task in tasks} == set(records) - {"d2"}
    assert tasks == queue(records, labels, "cat", seed=1, repeat_every=3)
    assert queue(records, labels, "cat", seed=2) != tasks
    assert all(task.why != "repeat" for task in queue(records, labels, "cat", repeat_every=0))
    with pytest.raises(InputError, match="repeat_every counts tasks"):
        queue(records, labels, "cat", repeat_every=-1)


def test_repeats_tell_how_steady_a_rater_is() -> None:
    said: list[Quality] = ["Poor", "Poor", "Excellent"]
    found = steadiness([label("d", "ann", one) for one in said] + [label("d", "bob", "Poor")])
    assert {rater: (one.n, one.equal) for rater, one in found.items()} == {"ann": (2, 1)}


def test_versions_promote_and_roll_back(tmp_path: Path) -> None:
    path = tmp_path / "sets.jsonl"
    first = ExampleSet(SEEDS[:2])
    second = first.with_promoted(SEEDS[2:4])
    file = Versions(path)
    assert file.current is None
    file.promote(first, reason="seeds")
    grown = file.promote(second, reason="two votes each")
    assert (grown.action, grown.parent, grown.added) == ("promote", first.version, (SEEDS[2].id, SEEDS[3].id))
    assert file.promote(second, reason="again") is grown
    file.roll_back(first.version, reason="fewer accepted")
    again = Versions(path)
    assert [(one.action, one.version) for one in again] == [
        ("start", first.version),
        ("promote", second.version),
        ("rollback", first.version),
    ]
    assert again.current is not None
    assert ExampleSet(again.current.examples, again.current.parent).version == first.version
    assert again.current.removed == (SEEDS[2].id, SEEDS[3].id)
    assert again.get(second.version).examples == second.examples
    with pytest.raises(InputError, match="grew from"):
        again.promote(second.with_promoted(SEEDS[4:5]), reason="a branch")
    with pytest.raises(InputError, match="no example set 'mine'"):
        again.get("mine")
    path.write_text(path.read_text("utf-8").replace("two votes each", "one vote each"), "utf-8")
    with pytest.raises(InputError, match="is not what its digest says"):
        Versions(path)


def test_acceptance_rates_come_with_wilsons_interval() -> None:
    found = acceptance_by_set([("old", True)] * 8 + [("old", False)] * 2 + [("new", True)] * 10)
    assert (found["old"].drawn, found["old"].rate) == (10, 0.8)
    assert found["old"].interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert found["new"].interval == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_two_sets_are_compared_on_the_same_groups() -> None:
    old = [(f"g{n}", n % 2 == 0) for n in range(40)]
    new = [(f"g{n}", True) for n in range(10, 60)]
    found = acceptance_difference(old, new)
    assert (found.groups, found.value, found.advice) == (30, 0.5, "promote")
    assert found.interval[0] > 0.25
    assert acceptance_difference(new, old).advice == "roll back"
    assert acceptance_difference(old, old).advice == "rate more"
    with pytest.raises(InputError, match="share no picture group"):
        acceptance_difference(old[:5], new)


def test_label_studio_both_ways() -> None:
    labels = [
        Label(SEEDS[0].id, "ann", "Excellent", ("story", "humour"), "a <b>note</b>", "2026-11-23"),
        Label(SEEDS[0].id, "bob", "Poor", ("invented",)),
        Label(SEEDS[1].id, "ann", "Satisfactory"),
    ]
    tasks = json.loads(json.dumps(to_label_studio(SEEDS[:3], labels)))
    assert from_label_studio(tasks) == labels
    assert [len(task["annotations"]) for task in tasks] == [2, 1, 0]
    controls = {
        node.get("name"): node for node in ElementTree.fromstring(labelling_config()).iter() if node.get("name")
    }
    named = {one["from_name"] for task in tasks for a in task["annotations"] for one in a["result"]}
    assert named <= set(controls)
    offered = {choice.get("value") for choice in controls["quality"]}
    assert offered == set(QUALITIES)
    shown = tasks[0]["data"]["turns"]
    assert {turn["role"] for turn in shown} == {"user", "assistant"}


def test_what_label_studio_itself_writes_is_read() -> None:
    export = {
        "id": 7,
        "data": {"record": "d"},
        "annotations": [
            {
                "completed_by": {"id": 1, "email": "ann@example.org"},
                "was_cancelled": False,
                "created_at": "2026-11-23T10:00:00Z",
                "result": [{"id": "x", "from_name": "quality", "to_name": "dialogue", "type": "choices",
                            "value": {"choices": ["Excellent"]}}],
            },
            {"completed_by": 2, "was_cancelled": True, "result": []},
        ],
    }  # fmt: skip
    assert from_label_studio([export]) == [Label("d", "ann@example.org", "Excellent", time="2026-11-23T10:00:00Z")]
    export["annotations"][0]["result"] = []  # pyright: ignore[reportIndexIssue, reportArgumentType]
    with pytest.raises(InputError, match="no quality was chosen"):
        from_label_studio([export])
    with pytest.raises(InputError, match=r"data\.record is missing"):
        from_label_studio([{"data": {}}])


RATE = """
import sys
from tbcore.data.refine import Label, add_label
for number in range(100000):
    add_label(sys.argv[1], Label(f"d{number}", "ann", "Excellent", note="x" * 3000))
    print(number, flush=True)
"""


def test_labels_survive_kill_nine(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", RATE, str(path)], stdout=subprocess.PIPE, cwd=project_root(), text=True
    ) as child:
        assert child.stdout is not None
        saved = -1
        while saved < 25:
            saved = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        rest = [int(line) for line in child.stdout.read().splitlines() if line.strip().isdigit()]
    acknowledged = max([saved, *rest])
    found = read_labels(path)
    assert [one.record for one in found[: acknowledged + 1]] == [f"d{n}" for n in range(acknowledged + 1)]
    assert len(found) <= acknowledged + 2
    add_label(path, label("after", "ann", "Excellent"))
    assert read_labels(path)[: len(found)] == found
    assert read_labels(path)[-1].record == "after"


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_torn_last_line_is_set_aside(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "labels.jsonl"
    add_label(path, label("d0", "ann", "Excellent"))
    add_label(path, label("d1", "ann", "Excellent"))
    path.write_bytes(path.read_bytes()[:-cut])
    assert [one.record for one in read_labels(path)] == ["d0"]
    add_label(path, label("d2", "ann", "Excellent"))
    assert [one.record for one in read_labels(path)] == ["d0", "d2"]
    assert b'"d1"' in path.with_name("labels.jsonl.torn").read_bytes()


def test_a_simulated_round_shows_the_errors_that_were_put_in() -> None:
    many = SEEDS
    truth: dict[str, Quality] = {one.id: QUALITIES[n % 3] for n, one in enumerate(many)}
    exact = simulated_round(many, [SimulatedRater(f"simulated-{n}", 0, n) for n in (1, 2)], truth=truth)
    assert (exact.wrongly, exact.missed, exact.agreement.raw, exact.expected_raw) == ((), (), 1, 1)
    assert exact.promoted == tuple(one.id for one in many if truth[one.id] == "Excellent")
    always = simulated_round(many, [SimulatedRater(f"simulated-{n}", 1, n) for n in (1, 2)], truth=truth)
    assert set(always.missed) == {record for record, quality in truth.items() if quality == "Excellent"}
    assert all(truth[record] == "Satisfactory" for record in always.wrongly)
    assert always.expected_raw == pytest.approx((1 + 0.5 + 1) / 3)
    with pytest.raises(InputError, match="two raters and a dialogue"):
        simulated_round(many, [SimulatedRater("simulated", 0, 0)])


def test_one_hostile_rater_promotes_nothing_alone() -> None:
    hostile = [Label(one.id, "mallory", "Excellent") for one in SEEDS for _ in range(5)]
    assert promoted(hostile, SEEDS) == []
    assert promoted([*hostile, label(SEEDS[0].id, "ann", "Excellent")], SEEDS) == [SEEDS[0]]
    vetoed = [*hostile, label(SEEDS[0].id, "ann", "Excellent"), label(SEEDS[0].id, "bob", "Poor")]
    assert promoted(vetoed, SEEDS) == []
