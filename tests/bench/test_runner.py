"""Conversations held in step: histories are the contestant's own, nothing is asked twice, nothing ends a run."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.bench.contestants import Answer, Drawing
from tbcore.bench.controls import (
    AlwaysDraw,
    BestGuess,
    Blind,
    CopyCaption,
    ExactPainter,
    Looker,
    NeverDraw,
    Oracle,
    Swapped,
    Told,
)
from tbcore.bench.cycles import drift_of
from tbcore.bench.items import load_items
from tbcore.bench.metrics.perception import chance, perception_uploads
from tbcore.bench.metrics.table import LOWER_IS_BETTER, METRICS, measure_all
from tbcore.bench.outcomes import read_outcomes
from tbcore.bench.reading import reader_accuracy
from tbcore.bench.runner import NO_ANSWER, Row, items_hash, read_replies, run, run_rows
from tbcore.errors import InputError
from tbcore.records import Picture
from tbcore.world.captions import caption
from tbcore.world.reader import read
from tbcore.world.render import render
from tbcore.world.scenes import Scene


@pytest.fixture(scope="module")
def oracle(items):
    return read_outcomes(items, run(items, Oracle(items)))


class Counting:
    """Another contestant, with a note of every conversation it was asked."""

    name = "counting"

    def __init__(self, inner):
        self.inner, self.asked = inner, []

    def answer(self, conversations):
        self.asked += conversations
        return self.inner.answer(conversations)


class Failing(Counting):
    """Fails where a conversation is of one item."""

    def __init__(self, inner, item):
        super().__init__(inner)
        self.item = item

    def answer(self, conversations):
        if any(one.item == self.item for one in conversations):
            raise RuntimeError("out of ink")
        return super().answer(conversations)


def test_all_oracle_scores_what_perfection_scores(oracle):
    perfect = {name: 0.0 if name in LOWER_IS_BETTER else 1.0 for name in METRICS}
    for measure in measure_all(oracle):
        base = measure.metric.split("/")[0]
        if base == "half_life":
            assert measure.value == 1 + max(one.turn + 1 for one in oracle)
        elif base == "yes_rate":
            assert measure.value == 0.5
        elif base != "perception_chance" and measure.value is not None:
            assert measure.value == perfect.get(base, 1.0), measure.metric


def test_histories_are_the_contestants_own(few):
    counting = Counting(AlwaysDraw())
    run(few, counting)
    asked = [one for one in counting.asked if one.number == 1]
    assert asked
    for one in asked:
        assert one.turns[1].role == "assistant"
        drawn = one.turns[1].pictures[0]
        assert one.captions[drawn] == "a fox in a green meadow"
        assert read(one.pictures[drawn]).scene == Scene("green meadow", ("fox",))
        for turn in one.turns:
            assert all(index < len(one.pictures) for index in turn.pictures)


def test_rounds_go_in_step_and_in_batches(few):
    counting = Counting(NeverDraw())
    run(few, counting, batch=4)
    numbers = [one.number for one in counting.asked]
    assert numbers == sorted(numbers)
    assert len(numbers) == sum(len(item.exchanges) for item in few)


def test_one_bad_reply_costs_one_reply(few):
    bad = few[1].id
    replies = run(few, Failing(Oracle(few), bad))
    assert {item for (item, _), answer in replies.items() if answer.failure} == {bad}
    assert replies[bad, 0].failure == "RuntimeError: out of ink"
    outcomes = read_outcomes(few, replies)
    assert all(one.right == (one.item != bad) for one in outcomes)


def test_failed_reply_stands_in_the_history(few):
    several = next(item for item in few if len(item.exchanges) > 1)
    counting = Counting(Oracle([several]))

    class OnceMute(Counting):
        def answer(self, conversations):
            answers = super().answer(conversations)
            return [Answer() if one.number == 0 else a for one, a in zip(conversations, answers, strict=True)]

    run([several], OnceMute(counting))
    assert counting.asked[1].turns[1].parts == (NO_ANSWER,)


def test_wrong_pictures_are_failures(few):
    class Large(Counting):
        def answer(self, conversations):
            return [Answer((Drawing("x", np.zeros((8, 8, 3), np.uint8)),)) for _ in conversations]

    replies = run(few[:1], Large(None))
    assert "must be uint8[64 64 3]; got uint8[8, 8, 3]" in replies[few[0].id, 0].failure


def test_runs_go_on_where_they_were(few, tmp_path):
    whole = run(few, Oracle(few), tmp_path / "whole")
    kept = (tmp_path / "whole" / "replies.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_bytes((tmp_path / "whole" / "run.json").read_bytes())
    (tmp_path / "cut" / "replies.jsonl").write_bytes(b"".join(kept[:7]) + kept[7][:40])  # torn in the eighth
    counting = Counting(Oracle(few))
    counting.name = "all oracle"
    again = run(few, counting, tmp_path / "cut")
    assert len(counting.asked) == len(whole) - 7
    assert read_outcomes(few, again) == read_outcomes(few, whole)
    assert set(read_replies(tmp_path / "cut")) == set(whole)


@pytest.mark.parametrize("change", ["contestant", "items", "settings"])
def test_other_runs_are_not_mixed(few, tmp_path, change):
    run(few[:1], NeverDraw(), tmp_path, settings={"seed": 0})
    other = AlwaysDraw() if change == "contestant" else NeverDraw()
    with pytest.raises(InputError, match=f"{change} must be .* Choose another folder"):
        run(few[: 2 if change == "items" else 1], other, tmp_path, settings={"seed": int(change == "settings")})


def test_missing_replies_are_named(few):
    with pytest.raises(InputError, match=r"replies are missing, the first is exchange 0 of"):
        read_outcomes(few, {})
    assert items_hash(few) != items_hash(few[1:])


def test_blind_is_at_chance_and_sight_is_not():
    single = [item for item in load_items() if len(item.exchanges) == 1]
    looking = [item for item in single if item.exchanges[0].expect.kind in ("ask", "describe")]
    assert len(looking) > 60
    seeing = read_outcomes(looking, run(looking, Looker()))
    blind = read_outcomes(looking, run(looking, Blind(Looker())))
    swapped = read_outcomes(looking, run(looking, Swapped(Looker(), looking)))
    guess = read_outcomes(looking, run(looking, BestGuess(looking)))
    limit = chance(seeing).value
    assert perception_uploads(seeing).value > limit + 0.2
    assert perception_uploads(blind).value <= limit
    assert perception_uploads(swapped).value <= limit
    assert perception_uploads(guess).value == pytest.approx(limit, abs=0.05)


def test_never_and_always_draw_are_what_they_say(items):
    never = read_outcomes(items, run(items, NeverDraw()))
    always = read_outcomes(items, run(items, AlwaysDraw()))
    assert METRICS["when_to_draw_f1"](never).value == 0.0
    wanted = sum(one.draws for one in always)
    assert METRICS["when_to_draw_f1"](always).value == pytest.approx(2 * wanted / (len(always) + wanted))
    assert METRICS["turn_em"](always).value < 0.05


def test_copying_the_last_caption_draws_new_wishes_but_edits_nothing(items):
    copied = read_outcomes(items, run(items, CopyCaption()))
    fresh = [one for one in copied if one.kind == "draw"]
    assert sum(one.picture_right for one in fresh) > len(fresh) / 2
    assert METRICS["edit_success"](copied).value < 0.3


def test_pictures_can_be_told_in_words(few):
    counting = Counting(NeverDraw())
    run(few, Told(counting, few))
    shown = {(item.id, n): one.asked for item in few for n, one in enumerate(item.exchanges)}
    scenes = {item.id: item.scenes for item in few}
    for one in counting.asked:
        assert one.pictures == ()
        assert all(turn.pictures == () for turn in one.turns)
        for part in shown[one.item, one.number]:
            if isinstance(part, Picture):
                assert f"[{caption(scenes[one.item][part.index])}]" in one.turns[-1].text


def test_exact_painter_draws_captions_and_nothing_else():
    scene = Scene("desert", ("apple", "fox"), "blue")
    drawn = ExactPainter().paint([caption(scene), "what a day"], [0, 0])
    assert (drawn[0] == render(scene)).all()
    assert (drawn[1] == 128).all()


class Measuring:
    """Remembers how long the histories of each batch were."""

    name = "measuring"

    def __init__(self):
        self.batches = []

    def answer(self, conversations):
        self.batches.append([sum(len(turn.text) + 64 * len(turn.pictures) for turn in c.turns) for c in conversations])
        return [Answer(("Yes.",)) for _ in conversations]


def test_conversations_of_like_length_are_asked_together():
    items = load_items("lite")
    asked = Measuring()
    run(items, asked, batch=12)
    first = asked.batches[: -(-len(items) // 12)]
    flat = [size for batch in first for size in batch]
    assert flat == sorted(flat)
    assert [len(batch) for batch in first] == [12] * 5


def test_drift_of_a_perfect_cycle_and_of_a_forgetful_one():
    scenes = [Scene("desert", ("fox",)), Scene("sunset", ("key", "apple")), Scene("desert", ("owl",), "red")]
    assert [one.value for one in drift_of(Looker(), scenes, cycles=2)] == [1.0, 1.0]
    assert [one.value for one in drift_of(NeverDraw(), scenes, cycles=2)] == [0.0, 0.0]


def test_reader_is_right_on_clean_pictures():
    clean, noisy = reader_accuracy(40)
    assert (clean.value, clean.n) == (1.0, 40)
    assert noisy.value >= 0.95


def test_rows_behind_which_the_same_one_answers_are_asked_together(few, items, tmp_path):
    counting = Counting(Looker())
    rows = [
        Row(few, counting, tmp_path / "seeing"),
        Row(few[:4], Blind(counting), tmp_path / "blind"),
        Row(few[:3], Told(Swapped(counting, items), few), tmp_path / "told"),
        Row(few[:2], NeverDraw()),
    ]
    told = []
    found = run_rows(rows, watch=lambda name, done, total: told.append((name, done, total)))
    numbers = [one.number for one in counting.asked]
    assert numbers == sorted(numbers)  # all rows open an exchange before any opens the next
    assert len(numbers) == sum(len(item.exchanges) for row in rows[:3] for item in row.items)
    assert told[-1][1] == told[-1][2]
    for row, replies in zip(rows, found, strict=True):
        alone = run(row.items, row.contestant)
        assert read_outcomes(row.items, replies) == read_outcomes(row.items, alone)
    assert set(read_replies(tmp_path / "blind")) == set(found[1])
    counting.asked.clear()
    again = run_rows(rows[:3])
    assert counting.asked == []
    assert [set(replies) for replies in again] == [set(replies) for replies in found[:3]]


def test_a_bad_reply_of_one_row_spoils_no_other(few):
    failing = Failing(Oracle(few), few[1].id)
    found = run_rows([Row(few[:3], failing), Row(few[:1], Blind(failing))])
    assert {item for (item, _), answer in found[0].items() if answer.failure} == {few[1].id}
    assert not any(answer.failure for answer in found[1].values())


def test_batches_are_of_equal_size():
    items = load_items("lite")
    asked = Measuring()
    run(items, asked, batch=50)
    assert [len(batch) for batch in asked.batches[:2]] == [30, 30]  # not 50 and 10
