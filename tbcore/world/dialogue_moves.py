"""The moves of the simulator: each makes one exchange (or two), or returns False where it cannot be made now."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from tbcore.records import Part
from tbcore.world.captions import backdrop_phrase, caption
from tbcore.world.dialogue_chat import PLAIN_CHAT
from tbcore.world.dialogue_drawings import draw, edit, edit_earlier, edit_upload, jittered, room, undo
from tbcore.world.dialogue_limits import ask_back, refuse
from tbcore.world.dialogue_phrases import DESCRIBE_PROMPTS, DESCRIBE_REPLIES, placed
from tbcore.world.dialogue_questions import COMPARISONS, QUESTIONS
from tbcore.world.dialogue_story import Expectation, Story

__all__ = ["MOVES", "WEIGHTS"]


def _describe(story: Story) -> bool:
    if not room(story):
        return False
    scene = story.sample()
    asked = story.around(story.show(scene, "user"), story.pick(DESCRIBE_PROMPTS))
    said = (
        caption(scene)
        if len(scene.things) == 1 or story.chance(0.7)
        else f"{placed(scene.things)}, {backdrop_phrase(scene.backdrop)}"
    )
    if scene.frame is not None and " frame" not in said:
        said += f", in a {scene.frame} frame"
    facts: dict[str, object] = {"things": list(scene.things), "backdrop": scene.backdrop, "frame": scene.frame}
    reply = story.pick(DESCRIBE_REPLIES).format(c=said)
    story.before = None
    story.exchange(asked, [reply], Expectation("describe", facts={**facts, "order": list(scene.things)}))
    return True


def _ask(story: Story) -> bool:
    if story.current is None or (story.chance(0.4) and room(story)):
        if not room(story):
            return False
        scene = story.sample()
        picture = story.show(scene, "user")
        story.before = None
        question, reply, facts = story.pick(QUESTIONS)(story, scene)
        asked = story.around(picture, question)
    else:
        question, reply, facts = story.pick(QUESTIONS)(story, story.scenes[story.current])
        asked = [question]
    story.exchange(asked, [reply], Expectation("ask", facts=facts))
    return True


def _compare(story: Story) -> bool:
    if story.scenes or not room(story, 2):  # with earlier pictures, "the first" would be unclear
        return False
    first = story.sample()
    found = story.pick(COMPARISONS)(story, first)
    if found is None:
        return False
    second, (question, reply, facts) = found
    one, other = story.show(first, "user"), story.show(jittered(story, second), "user")
    asked: list[Part] = story.pick(
        (
            [one, " ", other, f" {question}"],
            [one, " and ", other, f" {question}"],
            ["Look at these two: ", one, " ", other, f" {question}"],
            [f"{question} ", one, " ", other],
        )
    )
    story.current = story.before = None  # "it" would be unclear
    story.exchange(asked, [reply], Expectation("compare", facts=facts))
    return True


def _chat(story: Story) -> bool:
    ways, answer, keywords = story.pick(PLAIN_CHAT)
    story.exchange([story.pick(ways)], [answer], Expectation("chat", facts={"keywords": list(keywords)}))
    return True


MOVES: MappingProxyType[str, Callable[[Story], bool]] = MappingProxyType(
    {
        "describe": _describe,
        "ask": _ask,
        "compare": _compare,
        "draw": draw,
        "edit": edit,
        "edit upload": edit_upload,
        "edit earlier": edit_earlier,
        "undo": undo,
        "refuse": refuse,
        "ask back": ask_back,
        "chat": _chat,
    }
)
"""Kind of exchange -> the move that makes it."""

WEIGHTS: MappingProxyType[str, float] = MappingProxyType(
    {
        "describe": 0.16,
        "ask": 0.20,
        "compare": 0.10,
        "draw": 0.18,
        "edit": 0.35,
        "edit upload": 0.06,
        "edit earlier": 0.06,
        "undo": 0.30,
        "refuse": 0.04,
        "ask back": 0.04,
        "chat": 0.04,
    }
)
"""How often each kind is tried, where nothing else is said."""
