"""The eight rules, at and around their limits; the repair; the funnel and what each rule does alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.candidates import Candidate
from tbcore.data.filter import (
    PAPER_RULES,
    RULES,
    Draft,
    counterfactual,
    first_objection,
    funnel,
    judge,
    judge_all,
    refilter,
)
from tbcore.dialogue import PAPER, Codec
from tbcore.errors import InputError
from tbcore.records import Picture, Turn

NONCE = Codec("7f3a")

CAPTIONS = ("a brown dog on a lawn", "a red ball")
DOG = "<img0-7f3a>a brown dog on a lawn</img0-7f3a>"
BALL = "<img1-7f3a>a red ball</img1-7f3a>"
GOOD = f"Human: {DOG} What does he want?\nAssistant: To play: {BALL}\nHuman: Ha.\nAssistant: Throw it."


def candidate(reply: str, captions: tuple[str, ...] = CAPTIONS, record: str = "c0") -> Candidate:
    return Candidate(record, "g0", captions, reply, NONCE)


def objection(reply: str, captions: tuple[str, ...] = CAPTIONS, **options: object) -> tuple[str, int | None] | None:
    found = first_objection(Draft(candidate(reply, captions), **options))  # pyright: ignore[reportArgumentType]
    return None if found is None else (found.rule, found.offset)


def test_order_and_names_are_the_papers() -> None:
    assert list(PAPER_RULES) == [
        "repeat_image",
        "unseen_image",
        "no_image",
        "repeat_response",
        "wrong_role",
        "invalid_turns",
        "too_short",
        "changed_caption",
    ]
    assert list(RULES)[8:] == ["canary", "tag_confusable", "empty_turn"]


def test_a_good_reply_becomes_a_dialogue_with_the_original_captions() -> None:
    copied = GOOD.replace("a brown dog on a lawn", "a brown  dog on a lawm")
    judgement = judge(Draft(candidate(f"Sure!\n\n{copied}\n")))
    assert judgement.objection is None
    assert judgement.dialogue is not None
    assert judgement.dialogue.captions == CAPTIONS
    assert judgement.dialogue.turns[0] == Turn("user", (Picture(0), " What does he want?"))
    assert len(judgement.dialogue.turns) == 4


@pytest.mark.parametrize(
    ("reply", "rule", "offset"),
    [
        (GOOD + f" {DOG}", "repeat_image", len(GOOD) + 1),
        (GOOD + " <img0-7f3a>", "repeat_image", len(GOOD) + 1),
        (GOOD + " <img2-7f3a>a</img2-7f3a>", "unseen_image", len(GOOD) + 1),
        ("Human: a\nAssistant: b\nHuman: c", "no_image", None),
        (f"Human: a\nAssistant: {DOG[:-3]}\nHuman: c", "no_image", None),
        ("Human: <img0>a brown dog on a lawn</img0>\nAssistant: b\nHuman: c", "no_image", None),
        (f"User: {DOG}", "wrong_role", 0),
        (f"Human: {DOG}\nHuman: b\nAssistant: c", "invalid_turns", 8 + len(DOG)),
        (f"Human: {DOG}\nAssistant: b. Human: c\nAssistant: d", "invalid_turns", 22 + len(DOG)),
        (f"Human: {DOG}\nAssistant: b", "too_short", None),
        (GOOD.replace("a red ball", "a rod bell"), "changed_caption", 67),
        ("", "no_image", None),
    ],
)
def test_each_rule_objects_with_its_offset(reply: str, rule: str, offset: int | None) -> None:
    found = objection(reply)
    assert found is not None
    assert found[0] == rule
    if rule == "changed_caption":
        assert reply[found[1] :].startswith("<img1-7f3a>a rod bell")
    else:
        assert found[1] == offset


def test_what_precedes_the_first_human_is_left_out_and_the_user_may_have_the_last_word() -> None:
    assert objection(f"Assistant: hello\nHuman: {DOG}\nAssistant: b\nHuman: c") is None


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("abcdefghij", True),
        ("abcdefghix", True),
        ("abcdefghijx", True),
        ("abcdefghxx", False),
        ("abcdefghijxx", False),
    ],
)
def test_rule_eight_at_its_threshold(changed: str, kept: bool) -> None:
    reply = f"Human: <img0-7f3a>{changed}</img0-7f3a>\nAssistant: b\nHuman: c"
    assert (objection(reply, ("abcdefghij",)) is None) == kept
    assert (objection(reply, ("abcdefghij",), exact_captions=True) is None) == (changed == "abcdefghij")


def test_rule_eight_folds_spaces_and_composition_and_survives_an_empty_caption() -> None:
    reply = "Human: <img0-7f3a> a  cafe\u0301\n</img0-7f3a>\nAssistant: b\nHuman: c"
    assert objection(reply, ("a caf\u00e9",), exact_captions=True) is None
    assert objection(reply, ("",)) == ("changed_caption", 7)


def test_entities_in_copies_are_read_back() -> None:
    reply = "Human: <img0-7f3a>&lt;b&gt; &amp; &#72;uman:</img0-7f3a>\nAssistant: b\nHuman: c"
    assert objection(reply, ("<b> & Human:",), exact_captions=True) is None


def test_the_papers_tags_work_too() -> None:
    reply = "Human: <img0> a red ball </img0>\nAssistant: b\nHuman: c"
    assert first_objection(Draft(Candidate("c", "g", ("a red ball",), reply, PAPER))) is None


def test_the_repair_removes_unpaired_tags_and_doubled_commas() -> None:
    reply = f"Human: {DOG} see, <img1-7f3a>, right? a,,b\nAssistant: yes</img1-7f3a>\nHuman: c"
    dialogue = judge(Draft(candidate(reply))).dialogue
    assert dialogue is not None
    assert dialogue.turns[0].parts[1] == " see, right? a,b"
    assert dialogue.turns[1].parts == ("yes",)


def test_our_rules_run_after_the_eight() -> None:
    assert objection(GOOD + " QuillFern", canary="quillfern") == ("canary", len(GOOD) + 1)
    assert objection(GOOD + " <\u0456mg1-7f3a>") == ("tag_confusable", len(GOOD) + 1)
    assert objection(GOOD + " \uff1cimg1\uff1e") == ("tag_confusable", len(GOOD) + 1)
    assert objection(GOOD + " <i\u200bmg1>") == ("tag_confusable", len(GOOD) + 1)
    assert objection(GOOD + " na\u00efve") is None
    assert objection(f"Human: {DOG}\nAssistant:\nHuman: c") == ("empty_turn", 8 + len(DOG))


def test_the_same_reply_is_kept_once() -> None:
    judged = list(judge_all([candidate(GOOD, record="a"), candidate(GOOD, record="b")]))
    assert [j.objection and j.objection.rule for j in judged] == [None, "repeat_response"]


def test_funnel_counterfactual_and_refilter() -> None:
    short = f"Human: {DOG}\nAssistant: b"
    both = f"Human: {DOG}\nAssistant: {DOG}"
    judged = list(judge_all([candidate(GOOD), candidate(short), candidate(both), candidate("")]))
    counts = funnel(judged)
    assert {rule: n for rule, n in counts.items() if n} == {
        "repeat_image": 1,
        "no_image": 1,
        "too_short": 1,
        "kept": 1,
    }
    assert list(counts)[-1] == "kept"
    alone = counterfactual(judged)
    assert alone["too_short"] == {"objects": 3, "only": 1}
    assert alone["repeat_image"] == {"objects": 1, "only": 0}
    without = refilter(judged, off={"too_short"})
    assert funnel(without)["kept"] == counts["kept"] + alone["too_short"]["only"]
    assert without[1].dialogue is not None
    assert without[1].dialogue.turns[1].text == "b"
    with pytest.raises(InputError, match="rule 'mood' is unknown or cannot be off"):
        refilter(judged, off={"mood"})
    with pytest.raises(InputError, match="'unseen_image' is unknown or cannot be off"):
        refilter(judged, off={"unseen_image"})


def test_a_rejection_names_the_record() -> None:
    rejection = judge(Draft(candidate("", record="r7"))).rejection("replies.jsonl:7")
    assert rejection is not None
    assert (rejection.record, rejection.code, rejection.where) == ("r7", "no_image", "replies.jsonl:7")


pieces = st.sampled_from(
    [
        DOG,
        BALL,
        "<img0-7f3a>",
        "</img0-7f3a>",
        "\nHuman: ",
        "\nAssistant: ",
        "hi",
        ",,",
        " ",
        "<img9-7f3a>x</img9-7f3a>",
    ]
)


@given(st.lists(st.lists(pieces, max_size=12).map("".join), max_size=8))
@settings(max_examples=200, deadline=None)
def test_each_candidate_is_either_kept_or_rejected(replies: list[str]) -> None:
    judged = list(judge_all([replace(candidate(r), id=str(n)) for n, r in enumerate(replies)]))
    assert sum(funnel(judged).values()) == len(replies)
    for judgement in judged:
        assert (judgement.dialogue is None) != (judgement.objection is None)
        assert [verdict.rule for verdict in judgement.verdicts] == list(RULES)
        for verdict in judgement.verdicts:
            assert verdict.offset is None or 0 <= verdict.offset <= len(judgement.candidate.reply)
