"""The split of other words: frozen bytes, held-out scenes, and no template that training uses."""

from __future__ import annotations

from collections import Counter

import pytest

from tbcore.bench.audit import template, template_overlap
from tbcore.bench.controls import Oracle
from tbcore.bench.items import PARAPHRASES_FILE, load_items
from tbcore.bench.outcomes import read_outcomes
from tbcore.bench.paraphrase import CONVERSATIONS, write_paraphrases
from tbcore.bench.runner import run
from tbcore.bench.suite import paraphrased
from tbcore.store import read_json
from tbcore.world.dialogues import simulate
from tbcore.world.splits import held_out, may_train, split_of


@pytest.fixture(scope="module")
def paraphrases():
    return load_items("paraphrase")


def test_generator_writes_the_same_bytes(tmp_path):
    again = tmp_path / PARAPHRASES_FILE.name
    about = write_paraphrases(again)
    assert again.read_bytes() == PARAPHRASES_FILE.read_bytes()
    assert about == read_json(PARAPHRASES_FILE.with_suffix(".json"))
    assert about["conversations"] == CONVERSATIONS


def test_scenes_are_those_of_the_test_split_and_all_tasks_occur(paraphrases):
    scenes = [scene for item in paraphrases for scene in item.scenes]
    assert [scene for scene in scenes if may_train(scene) or held_out(scene) or split_of(scene) != "test"] == []
    kinds = Counter(one.expect.kind for item in paraphrases for one in item.exchanges)
    assert set(kinds) == {"ask", "describe", "draw", "edit"}
    assert min(kinds.values()) >= 15
    assert {item.split for item in paraphrases} == {"paraphrase"}


def test_no_wording_is_that_of_training(paraphrases):
    trained = [turn.text for one in simulate(0, 500) for turn in one.dialogue.turns if turn.role == "user"]
    assert template_overlap(paraphrases, trained)["paraphrase"] == 0
    known = {template(text) for text in trained}
    assert template(trained[0]) in known  # the comparison can find something


def test_own_replies_are_right_and_the_split_is_a_row_of_its_own(paraphrases, tmp_path):
    outcomes = read_outcomes(paraphrases, run(paraphrases, Oracle(paraphrases)))
    assert all(one.right and one.source_right for one in outcomes)
    found = {one.measure.metric: one.measure for one in paraphrased([Oracle(paraphrases)], tmp_path)}
    assert found["turn_em/paraphrase"].value == 1.0
    assert found["turn_em/paraphrase"].n == len(outcomes)
    assert found["perception_uploads/paraphrase"].value == 1.0
    assert all(name.endswith("/paraphrase") for name in found)
