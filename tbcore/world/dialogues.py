"""Simulated conversations: walks of a state machine over postcards, where every required state is known.

    describe, ask, compare        the user shows pictures, the assistant talks
    draw, edit, undo              the assistant draws; edits take the last, an uploaded or an earlier picture
    refuse, ask back, chat        the assistant talks and must not draw

Conversation k of a seed depends on (seed, split, k) alone: asking for more extends the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tbcore.errors import InputError
from tbcore.seeds import stream
from tbcore.world.captions import caption
from tbcore.world.dialogue_chat import PLAIN_CHAT
from tbcore.world.dialogue_moves import MOVES, WEIGHTS
from tbcore.world.dialogue_phrases import CAPTION_PROMPTS
from tbcore.world.dialogue_story import SPLITS, Expectation, SimulatedDialogue, Story, fits

if TYPE_CHECKING:
    from tbcore.records import Dialogue
    from tbcore.world.scenes import Scene

__all__ = [
    "MOVES",
    "SPLITS",
    "WEIGHTS",
    "Expectation",
    "SimulatedDialogue",
    "captioning",
    "fits",
    "plain_chat",
    "simulate",
]


def simulate(
    seed: int,
    n: int,
    *,
    split: str = "train",
    weights: Mapping[str, float] | None = None,
    exchanges: tuple[int, int] = (1, 4),
    held_out_phrasing: bool = False,
) -> list[SimulatedDialogue]:
    """Make conversations.

    Args:
        seed: chooses the list.
        n: how many; the first ones do not depend on it.
        split: "train", "val" or "test" (nothing held out in any of them), or "held-out" (every scene is).
        weights: kind of exchange -> how often it is tried; kinds left out do not occur, except that a
            question back may be followed by a drawing. None: `WEIGHTS`.
        exchanges: fewest and most exchanges of a conversation; shorter ones are more frequent.
        held_out_phrasing: True: requests to draw use the phrasing that no training caption uses.

    Raises:
        InputError: unknown split or kind, no weight above zero, or impossible numbers of exchanges.
    """
    chosen = WEIGHTS if weights is None else weights
    if split not in SPLITS:
        raise InputError(f"simulate: split must be one of {SPLITS}; got {split!r}")
    if unknown := sorted(set(chosen) - set(MOVES)):
        raise InputError(f"simulate: unknown kinds {unknown} in weights; known are {sorted(MOVES)}")
    if not chosen or min(chosen.values()) < 0 or max(chosen.values()) <= 0:
        raise InputError(f"simulate: weights must not be negative and one must be above zero; got {dict(chosen)}")
    if not 1 <= exchanges[0] <= exchanges[1]:
        raise InputError(f"simulate: exchanges must be (fewest, most) with 1 <= fewest <= most; got {exchanges}")
    dialogues: list[SimulatedDialogue] = []
    for k in range(n):
        rng = stream(seed, f"dialogue {split} {k}")
        story = Story(rng, split, _length(exchanges, rng), held_out_phrasing)
        _tell(story, chosen)
        dialogues.append(story.finish(f"simulated-{split}-{seed}-{k:06d}"))
    return dialogues


def _length(exchanges: tuple[int, int], rng: np.random.Generator) -> int:
    """Draw a length; each is about 0.8 times as frequent as the one before."""
    lengths = np.arange(exchanges[0], exchanges[1] + 1)
    shares = 0.8 ** np.arange(len(lengths))
    return int(rng.choice(lengths, p=shares / shares.sum()))


def _tell(story: Story, weights: Mapping[str, float]) -> None:
    """Make exchanges until the planned number is reached or no kind is possible."""
    while story.left > 0:
        kinds = [kind for kind in weights if weights[kind] > 0]
        while kinds:
            shares = np.array([weights[kind] for kind in kinds])
            kind = kinds[int(story.rng.choice(len(kinds), p=shares / shares.sum()))]
            if MOVES[kind](story):
                break
            kinds.remove(kind)
        if not kinds:
            if story.turns:
                return
            raise InputError(
                f"simulate: none of the kinds {sorted(weights)} can open a conversation. Add 'draw' or 'describe'."
            )


def captioning(scene: Scene, rng: np.random.Generator) -> Dialogue:
    """Return one exchange for alignment training: a picture and a prompt, answered by the canonical caption."""
    story = Story(rng, "train", 1)
    asked = story.around(story.show(scene, "user"), story.pick(CAPTION_PROMPTS))
    said = caption(scene)
    story.exchange(asked, [said], Expectation("describe"))
    return story.finish(f"captioning: {said}").dialogue


def plain_chat(rng: np.random.Generator) -> Dialogue:
    """Return one to three short exchanges without pictures."""
    story = Story(rng, "train", 3)
    topics = rng.permutation(len(PLAIN_CHAT))[: 1 + int(rng.integers(3))]
    for k in topics:
        ways, answer, keywords = PLAIN_CHAT[int(k)]
        story.exchange([story.pick(ways)], [answer], Expectation("chat", facts={"keywords": list(keywords)}))
    return story.finish(f"chat-{'-'.join(str(int(k)) for k in topics)}").dialogue
