"""Models behind the port: ours, a chat endpoint, a judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tbcore.bench.chat import ChatContestant, read_drawings
from tbcore.bench.contestants import Sofar
from tbcore.bench.controls import Blind, ExactPainter, Oracle
from tbcore.bench.items import load_items
from tbcore.bench.judge import Mark, agreement, judge, judge_prompt
from tbcore.bench.mim import MIMContestant
from tbcore.bench.outcomes import read_outcomes
from tbcore.bench.runner import run
from tbcore.chat.messages import CallError, PictureBytes, Reply
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.errors import InputError
from tbcore.model.decode import DecodeSettings, generate
from tbcore.records import Picture, Turn
from tbcore.world.reader import read
from tbcore.world.render import render
from tbcore.world.scenes import Scene
from tests.bench.builders import FOX, outcome

PICTURE = render(Scene("desert", ("fox",)))


def asked(*parts, captions=("",), earlier=()):
    return Sofar("x", 0, (*earlier, Turn("user", parts)), (PICTURE,) * len(captions), captions, (0,) * len(captions))


def test_our_model_answers_each_as_if_it_were_alone(tiny):
    model, processor = tiny
    contestant = MIMContestant(model, processor, ExactPainter())
    ones = [asked(Picture(0), " what is it?"), asked("draw a fox", captions=()), asked("and ", Picture(0))]
    together = contestant.answer(ones)
    alone = [contestant.answer([one])[0] for one in ones]
    assert [a.text for a in together] == [a.text for a in alone]
    assert [[d.caption for d in a.drawings] for a in together] == [[d.caption for d in a.drawings] for a in alone]


def test_our_model_runs_through_the_benchmark_and_blind(tiny):
    model, processor = tiny
    items = load_items("lite")[:2]
    contestant = MIMContestant(model, processor, ExactPainter())
    for one in (contestant, Blind(contestant)):
        replies = run(items, one)
        assert [answer.failure for answer in replies.values()] == [""] * len(replies)


def prompts_written(monkeypatch):
    """A list that fills with the prompts that the model answers from now on."""
    written = []

    def spy(model, layout, prompts, **more):
        written.extend(prompts)
        return generate(model, layout, prompts, **more)

    monkeypatch.setattr("tbcore.model.decode.generate", spy)
    return written


def test_models_that_differ_in_the_painter_write_what_they_share_once(tiny, monkeypatch):
    model, processor = tiny
    first = MIMContestant(model, processor, ExactPainter())
    second = first.drawing_with(ExactPainter(), name="again")
    ones = [asked(Picture(0), " what is it?"), asked("and ", Picture(0)), asked("draw a fox", captions=())]
    said = first.answer(ones)
    written = prompts_written(monkeypatch)
    again = second.answer(ones)
    assert (first.name, second.name) == ("MIM", "again")
    assert [answer.text for answer in again] == [answer.text for answer in said]
    assert len(written) == sum(bool(answer.drawings) for answer in said)  # only what draws is written again
    blind = second.answer([replace(ones[0], pictures=(np.zeros_like(PICTURE),))])
    assert len(blind) == 1
    assert len(written) == 1 + sum(bool(answer.drawings) for answer in said)  # another picture is another history


def test_who_is_asked_the_same_at_once_is_answered_once(tiny, monkeypatch):
    model, processor = tiny
    contestant = MIMContestant(model, processor, ExactPainter())
    ones = [asked("draw a fox", captions=()), asked(Picture(0), " what is it?"), asked("draw a fox", captions=())]
    written = prompts_written(monkeypatch)
    answers = contestant.answer(ones)
    assert len(written) == 2
    assert answers[0] is answers[2]
    assert answers[1].text == MIMContestant(model, processor, ExactPainter()).answer(ones[1:2])[0].text
    sampling = MIMContestant(model, processor, ExactPainter(), settings=DecodeSettings(top_p=0.9))
    sampling.answer(ones)
    assert len(written) == 2 + 1 + 3  # drawn by lot, the same question may get two replies


def test_captions_between_marks_are_drawn():
    assert read_drawings("Sure: <draw>a fox in the desert</draw> Nice?") == ["Sure:", ("a fox in the desert",), "Nice?"]
    client = ScriptedTeacher("Sure: <draw>a fox in the desert</draw>")
    answer = ChatContestant(client, ExactPainter()).answer([asked("Draw a fox in the desert.", captions=())])[0]
    assert answer.text == "Sure:"
    assert read(answer.drawings[0].picture).scene == Scene("desert", ("fox",))


def test_chat_model_gets_pictures_of_the_user_and_captions_of_its_own():
    client = ScriptedTeacher("A fox.")
    before = (Turn("user", ("Draw it.",)), Turn("assistant", ("Here: ", Picture(0))))
    sofar = asked("And ", Picture(1), "?", captions=("a fox in the desert", ""), earlier=before)
    ChatContestant(client, ExactPainter(), size=128).answer([sofar])
    messages = client.asked[0][0]
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2].text == "Here: <draw>a fox in the desert</draw>"
    assert isinstance(messages[3].parts[1], PictureBytes)


def test_failed_calls_and_empty_replies_are_failures_with_reasons():
    client = ScriptedTeacher(CallError("come later", kind="busy"), Reply("", "refusal"))
    first, second = ChatContestant(client, ExactPainter()).answer([asked("a"), asked("b")])
    assert first.failure == "CallError: come later"
    assert second.failure == "nothing was said; it ended by 'refusal'"


def test_judge_reads_the_conversation_in_words_and_gives_marks():
    items = [item for item in load_items("lite") if item.split == "iid"][:2]
    outcomes = read_outcomes(items, run(items, Oracle(items)))
    total = len(outcomes)
    client = ScriptedTeacher("MARK: 9", "I think mark: 10.", *["no idea"] * (total - 2))
    marks = judge(items, outcomes, client)
    assert [one.mark for one in marks[:2]] == [9, 10]
    assert marks[-1].problem == "no mark in 'no idea'"
    said = judge_prompt(items[0], [one for one in outcomes if one.item == items[0].id], 0)[1].text
    assert said.startswith("User: ")
    assert "\nAssistant: " in said


def test_agreement_by_hand():
    outcomes = [outcome(wanted=FOX, seen=(FOX if k < 4 else None,), item=str(k)) for k in range(8)]
    marks = [Mark(str(k), 0, mark) for k, mark in enumerate((9, 8, 7, 2, 1, 3, 8, 2))]
    found = agreement([*marks, Mark("0", 0, None, "late")], outcomes)
    assert found.kappa == pytest.approx(0.5)  # 6 of 8 the same; by chance 4 of 8
    wanted = np.corrcoef([9, 8, 7, 2, 1, 3, 8, 2], [1, 1, 1, 1, 0, 0, 0, 0])[0, 1]
    assert found.pearson == pytest.approx(wanted)
    assert (found.n, found.unmarked) == (8, 1)
    assert agreement([], outcomes).kappa is None
    assert agreement([Mark("0", 0, 9)], outcomes).kappa is None  # nothing varies
    with pytest.raises(InputError, match="replies that are not there"):
        agreement([Mark("z", 0, 3)], outcomes)
