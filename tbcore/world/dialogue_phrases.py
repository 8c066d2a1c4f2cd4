"""The simulator's words: many ways to ask, fewer to answer, each answer stating the facts exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tbcore.world.captions import FAMILIES, thing_phrase
from tbcore.world.scenes import Scene, slot_names
from tbcore.world.splits import HELD_OUT_PHRASING

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "AT",
    "CAPTION_PROMPTS",
    "COMPARE",
    "DESCRIBE_PROMPTS",
    "DESCRIBE_REPLIES",
    "DRAW_AFTER",
    "DRAW_BEFORE",
    "NUMBERS",
    "UNDO",
    "UNKNOWN_PLACES",
    "UNKNOWN_THINGS",
    "draw_request",
    "join",
    "placed",
    "upper",
]

NUMBERS: dict[int, str] = {1: "one", 2: "two", 3: "three"}

AT: dict[str, str] = {"left": "on the left", "middle": "in the middle", "right": "on the right"}

CAPTION_PROMPTS: tuple[str, ...] = (
    "Describe this picture.",
    "Write a caption for this picture.",
    "What does this picture show?",
    "Say in one sentence what you see.",
    "Caption this.",
    "What is shown here?",
    "Tell me what is in this image.",
    "Give a short description.",
    "Put this picture into words.",
    "Describe what stands where.",
    "What can be seen?",
    "Describe the image exactly.",
    "Name what you see and where it is.",
    "What is on this postcard?",
    "Describe the postcard.",
    "One sentence about this picture, please.",
    "What would you write under this picture?",
    "Tell a blind friend what this shows.",
    "Summarise the picture.",
    "Which scene is this?",
)

DESCRIBE_PROMPTS: tuple[str, ...] = (
    *CAPTION_PROMPTS,
    "What do you see?",
    "Look at this! What is it?",
    "I got this card. What is on it?",
    "Can you tell me what this is?",
    "My friend sent me this. Please describe it.",
    "What do we have here?",
    "Here is a picture for you. What does it show?",
    "I cannot see well. What is in this picture?",
)

DESCRIBE_REPLIES: tuple[str, ...] = ("I see {c}.", "This is {c}.", "It shows {c}.", "Here is {c}.")

_DRAW_REQUESTS: tuple[str, ...] = (
    "Draw {c}.",
    "Please draw {c}.",
    "Can you draw {c}?",
    "Could you paint {c}?",
    "Show me {c}.",
    "I would like {c}.",
    "Make me a picture: {c}.",
    "Now a new picture: {c}.",
    "Draw this for me: {c}.",
    "I imagine {c}. Can you draw that?",
    "Let me see {c}, please.",
    "Can I have {c}?",
    "Please make a card: {c}.",
    "{C}. Draw that, please.",
)
_PLACE_FIRST_REQUESTS = tuple(form for form in _DRAW_REQUESTS if ": {c}" in form or "{C}" in form)

DRAW_BEFORE: tuple[str, ...] = ("Here it is:", "Here you are:", "Sure:", "With pleasure:", "Done:")
DRAW_AFTER: tuple[str, ...] = ("Here it is.", "I hope you like it.", "That is my picture.")

UNDO: tuple[str, ...] = (
    "Undo that.",
    "Please undo the last change.",
    "No, I liked it better before. Go back.",
    "Take that back, please.",
    "Hmm, bring back the picture from before.",
    "Go back one step.",
    "Revert the change.",
    "It was nicer before. Can you undo it?",
)

COMPARE: dict[str, tuple[str, ...]] = {
    "both": (
        "Which thing is in both pictures?",
        "What do the two have in common?",
        "Which thing do you see twice?",
        "What is there in the first and in the second?",
    ),
    "same place": (
        "Are both at the same place?",
        "Do the two pictures have the same backdrop?",
        "Is the background the same?",
    ),
    "more": (
        "Which picture has more things?",
        "Where are more things, in the first or in the second?",
        "Which of the two is fuller?",
    ),
    "holder": (
        "Which of them has {a}?",
        "In which picture is the {noun}, the first or the second?",
        "Which one shows {a}?",
    ),
    "replaced": (
        "Which thing has changed?",
        "What is the difference?",
        "What changed from the first to the second?",
    ),
    "moved": (
        "How did the backdrop change?",
        "What are the two places?",
        "Where is the first, and where is the second?",
    ),
}

# (in training, in all other splits): what this world cannot draw
UNKNOWN_THINGS: tuple[tuple[str, ...], tuple[str, ...]] = (
    (
        "unicorn", "dragon", "robot", "castle", "snake", "horse", "submarine", "wizard", "bridge", "ladder",
        "umbrella", "crown", "spider", "volcano", "bear", "cow", "tomato", "sandwich", "tank", "washing machine",
    ),
    ("dinosaur", "lion", "camel", "bathtub", "telescope", "pirate", "igloo", "wolf", "carrot", "windmill"),
)  # fmt: skip
UNKNOWN_PLACES: tuple[tuple[str, ...], tuple[str, ...]] = (
    (
        "on the moon", "in a cave", "in a kitchen", "in the jungle", "in a castle", "at an airport",
        "in a classroom", "under a bridge", "on a roof", "in a museum", "in a swamp", "on Mars",
    ),
    ("in a library", "in a stadium", "on a volcano", "in a hospital", "in a tunnel", "at a station"),
)  # fmt: skip


def upper(words: str) -> str:
    """Return the words with a capital at the start."""
    return words[:1].upper() + words[1:]


def join(words: Sequence[str], last: str = "and") -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def placed(things: Sequence[str]) -> str:
    """Return the things with their places: "a tiger on the left and an apple on the right"."""
    if len(things) == 1:
        return thing_phrase(things[0])
    slots = slot_names(len(things))
    return join([f"{thing_phrase(noun)} {AT[slot]}" for noun, slot in zip(things, slots, strict=True)])


def draw_request(scene: Scene, rng: np.random.Generator, *, held_out_phrasing: bool) -> str:
    """Return a request to draw a scene, in a training phrasing or in the held-out one."""
    names = [HELD_OUT_PHRASING] if held_out_phrasing else [name for name in FAMILIES if name != HELD_OUT_PHRASING]
    family = names[int(rng.integers(len(names)))]
    forms = _PLACE_FIRST_REQUESTS if family == "place first" else _DRAW_REQUESTS
    said = FAMILIES[family](scene)
    return forms[int(rng.integers(len(forms)))].format(c=said, C=upper(said))
