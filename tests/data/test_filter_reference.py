"""The fast filter says exactly what a slow, obvious one says, on every conversation, offsets included."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.candidates import Candidate
from tbcore.data.filter import PAPER_RULES, Judgement, Seen, judge_all
from tbcore.dialogue import PAPER
from tests.data import adversarial, slow_filter


def said(judgement: Judgement) -> dict[str, int | str | None]:
    """The verdicts of the eight in the reference's form."""
    eight = [verdict for verdict in judgement.verdicts if verdict.rule in PAPER_RULES]
    return {verdict.rule: slow_filter.FINE if verdict.passed else verdict.offset for verdict in eight}


def differences(candidates: list[Candidate]) -> list[tuple[str, object, object]]:
    pairs = zip(judge_all(candidates), slow_filter.judge_all(candidates), strict=True)
    return [(fast.candidate.reply, said(fast), slow) for fast, slow in pairs if said(fast) != slow]


def test_verdicts_equal_the_reference_on_generated_conversations() -> None:
    conversations = list(adversarial.candidates(600, 7, share=0.6))
    assert differences(conversations) == []
    met = Counter(verdict.rule for one in judge_all(conversations) for verdict in one.verdicts if not verdict.passed)
    assert set(PAPER_RULES) <= set(met)  # every rule had work to do


def test_verdicts_equal_the_reference_with_the_papers_tags() -> None:
    conversations = [
        replace(one, codec=PAPER, reply=one.reply.replace("-7f3a>", ">"))
        for one in adversarial.candidates(150, 8, share=0.6)
    ]
    assert differences(conversations) == []


pieces = st.sampled_from(
    [
        "<img0-7f3a>",
        "</img0-7f3a>",
        "<img1-7f3a>a kite</img1-7f3a>",
        "<img0-7f3a>a\ndog</img0-7f3a>",
        "<img00-7f3a>",
        "<img1>",
        "</img12-7f3a>",
        "<img-7f3a>",
        "<img1-",
        "Human:",
        "\nHuman:",
        "\nAssistant:",
        "Assistant: ",
        "a dog",
        "a",
        " ",
        "\n",
        "<",
        "</",
        "&lt;",
        "\u00e9",
        "e\u0301",
        "\ud800",
    ]
)


@given(st.lists(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=40), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_verdicts_equal_the_reference_on_any_text(replies: list[str]) -> None:
    shown = ("a dog", "a kite")
    given_ = [Candidate(str(n), "g", shown, reply, adversarial.CODEC) for n, reply in enumerate([*replies, replies[0]])]
    assert differences(given_) == []


def test_a_wrong_reference_would_be_noticed() -> None:
    conversations = list(adversarial.candidates(60, 9, share=0.6))
    fast = [said(one) for one in judge_all(conversations)]
    slow = [slow_filter.verdicts(replace(one, reply=one.reply.replace("7f3a", "7f3b")), []) for one in conversations]
    assert sum(a != b for a, b in zip(fast, slow, strict=True)) > 30


def test_what_was_seen_is_remembered_in_few_bytes() -> None:
    seen, n = Seen(), 4_000
    tracemalloc.start()
    try:
        for number in range(n):
            seen.add(f"reply {number}" * 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen) == n
    assert peak / n <= 64
    assert all(f"reply {number}" * 20 in seen for number in range(0, n, 501))
    assert not any(f"reply {number}" in seen for number in range(500))
    seen.add("reply 5" * 20)
    assert len(seen) == n
    assert 7 not in seen
