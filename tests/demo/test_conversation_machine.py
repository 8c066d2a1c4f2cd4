"""Random sequences of everything one can do to a conversation: the invariants hold, and saved is loaded.

`TBCORE_SEQUENCES=5000` in the environment tries more sequences; the default is 1000.
"""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tbcore.demo.conversation import Conversation, Limits
from tbcore.demo.engine import Answer, Ask, Stopped, Usage
from tbcore.demo.transcript import Drawing, Transcript
from tbcore.errors import InputError

SIDE = 2  # pictures of two by two pixels: the machine is about turns
TEXTS = st.text(max_size=6)
SHADES = st.integers(0, 255)


def card(shade: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), shade, dtype=np.uint8)


class Echo:
    """Counts its replies, draws in every second one, and fails or is stopped when told to."""

    name = "echo"

    def __init__(self) -> None:
        self.count, self.trouble = 0, ""

    def answer(self, history: Transcript, ask: Ask, watch) -> Answer:
        trouble, self.trouble = self.trouble, ""
        if trouble == "fails":
            raise RuntimeError("no memory left")
        if trouble == "stopped":
            return Answer((), "stopped")
        self.count += 1
        drawn = [Drawing(f"picture {self.count}", card(self.count % 256))] if self.count % 2 else []
        return Answer((f"reply {self.count}", *drawn), "stop", Usage())

    def draw(self, caption: str, *, seed: int) -> np.ndarray:
        return card((len(caption) + seed) % 256)


def content(transcript: Transcript) -> list:
    """A conversation in plain values, to compare."""

    def plain(part):
        if isinstance(part, str):
            return part
        return int(transcript.pictures[part.index][0, 0, 0]), transcript.captions[part.index]

    return [[plain(part) for part in turn.parts] for turn in transcript.turns]


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.engine = Echo()
        self.chat = Conversation(self.engine, limits=Limits(branches=4))
        self.model: list = []  # what the present branch must hold

    def message(self, text: str, shades: list[int]) -> list:
        return [*map(card, shades), f"m {text}"]

    def said(self, text: str, shades: list[int]) -> list:
        plain = content(Transcript().adding("user", [f"m {text}"]))[0]
        return [*((shade, "") for shade in shades), *plain]

    def replied(self) -> list:
        count = self.engine.count
        return [f"reply {count}", *([(count % 256, f"picture {count}")] if count % 2 else [])]

    @rule(text=TEXTS, shades=st.lists(SHADES, max_size=2))
    def send(self, text, shades) -> None:
        self.chat.send(self.message(text, shades))
        self.model += [self.said(text, shades), self.replied()]

    @rule(trouble=st.sampled_from(["fails", "stopped"]), what=st.sampled_from(["send", "edit", "regenerate"]))
    def in_vain(self, trouble, what) -> None:
        before = (content(self.chat.transcript), len(self.chat.branches), self.chat.current)
        if what != "send" and not self.model:
            return
        self.engine.trouble = trouble
        act = {"send": lambda: self.chat.send("x"), "edit": lambda: self.chat.edit(0, "x")}
        with pytest.raises((RuntimeError, Stopped)):
            act.get(what, self.chat.regenerate)()
        assert (content(self.chat.transcript), len(self.chat.branches), self.chat.current) == before

    @rule(what=st.sampled_from(["edit", "correct", "redraw", "switch"]), number=st.integers(-3, 30))
    def refused(self, what, number) -> None:
        n, before = len(self.model), content(self.chat.transcript)
        wrong = {
            "edit": (lambda: self.chat.edit(number, "x"), number % 2 or not 0 <= number < n),
            "correct": (lambda: self.chat.correct(number, "x"), not number % 2 or not 0 <= number < n),
            "redraw": (lambda: self.chat.redraw(number, 9, "x"), True),
            "switch": (lambda: self.chat.switch(number), not 0 <= number < len(self.chat.branches)),
        }[what]
        if wrong[1]:
            with pytest.raises(InputError):
                wrong[0]()
            assert content(self.chat.transcript) == before

    @rule()
    def undo(self) -> None:
        given = self.chat.undo()
        assert bool(given) == bool(self.model)
        del self.model[-2:]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=TEXTS)
    def edit(self, data, text) -> None:
        number = 2 * data.draw(st.integers(0, len(self.model) // 2 - 1))
        self.chat.edit(number, self.message(text, []))
        self.model = [*self.model[:number], self.said(text, []), self.replied()]

    @precondition(lambda self: self.model)
    @rule()
    def regenerate(self) -> None:
        self.chat.regenerate()
        self.model = [*self.model[:-1], self.replied()]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def correct(self, data) -> None:
        number = 2 * data.draw(st.integers(0, len(self.model) // 2 - 1)) + 1
        self.chat.correct(number, "better")
        self.model = [*self.model[:number], ["better"]]
        assert self.chat.transcript.corrected[-1] == number

    @precondition(lambda self: any(isinstance(p, tuple) for turn in self.model[1::2] for p in turn))
    @rule(data=st.data(), follow=st.booleans())
    def redraw(self, data, follow) -> None:
        places = [k for k, turn in enumerate(self.model) if k % 2 and any(isinstance(p, tuple) for p in turn)]
        number = data.draw(st.sampled_from(places))
        counted = self.engine.count
        self.chat.redraw(number, 0, "a boat", seed=3, follow=follow)
        turn = [(9, "a boat") if isinstance(part, tuple) else part for part in self.model[number]]
        later = self.model[number + 1 :] if follow else []
        self.model = [*self.model[:number], turn]
        for k, asked in enumerate(later[::2], start=1):
            made, self.engine.count = self.engine.count, counted + k
            self.model += [asked, self.replied()]
            self.engine.count = made

    @rule(data=st.data())
    def switch(self, data) -> None:
        self.chat.switch(data.draw(st.integers(0, len(self.chat.branches) - 1)))
        self.model = content(self.chat.transcript)

    @rule()
    def reset(self) -> None:
        self.chat.reset()
        self.model = []

    @rule()
    def save_and_load(self) -> None:
        row = json.loads(json.dumps(self.chat.to_json()))
        again = Conversation(self.engine, limits=self.chat.limits)
        again.take_up(row)
        assert again.to_json() == row
        assert [content(one) for one in again.branches] == [content(one) for one in self.chat.branches]
        assert again.current == self.chat.current
        self.chat = again

    @invariant()
    def whole(self) -> None:
        if not hasattr(self, "chat"):
            return
        assert content(self.chat.transcript) == self.model
        assert 1 <= len(self.chat.branches) <= 4
        for branch in self.chat.branches:
            assert len(branch.turns) % 2 == 0
            assert [turn.role for turn in branch.turns] == ["user", "assistant"] * (len(branch.turns) // 2)
            shown = {k for turn in branch.turns[::2] for k in turn.pictures}
            assert all((caption == "") == (k in shown) for k, caption in enumerate(branch.captions))


TestConversationMachine = Machine.TestCase
TestConversationMachine.settings = settings(
    max_examples=int(os.environ.get("TBCORE_SEQUENCES", "1000")),
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
