"""The wordings of `tbcore.world.edits`: clauses in the imperative, and requests to put them into."""

from __future__ import annotations

__all__ = ["CLAUSES", "PLACES", "REQUESTS", "TARGETS"]

PLACES: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "at the left"),
    "middle": ("in the middle", "in the centre", "between the others"),
    "right": ("on the right", "on the right side", "at the right"),
}
"""Where something stands."""

TARGETS: dict[str, tuple[str, ...]] = {
    "left": ("to the left", "to the left side", "all the way to the left"),
    "middle": ("to the middle", "into the centre", "between the others"),
    "right": ("to the right", "to the right side", "all the way to the right"),
}
"""Where something moves."""

CLAUSES: dict[str, tuple[str, ...]] = {
    "Add": (
        "add {a} {place}",
        "put {a} {place}",
        "place {a} {place}",
        "{place} add {a}",
        "also draw {a} {place}",
        "include {a} {place}",
        "let {a} join in {place}",
    ),
    "Remove": (
        "remove the {noun}",
        "take away the {noun}",
        "take the {noun} out",
        "delete the {noun}",
        "get rid of the {noun}",
        "leave out the {noun}",
        "draw it without the {noun}",
        "drop the {noun}",
    ),
    "Replace": (
        "replace the {old} with {a}",
        "turn the {old} into {a}",
        "change the {old} to {a}",
        "put {a} where the {old} is",
        "use {a} instead of the {old}",
        "swap the {old} for {a}",
        "make the {old} {a}",
    ),
    "Move": (
        "move the {noun} {target}",
        "put the {noun} {place}",
        "bring the {noun} {target}",
        "shift the {noun} {target}",
        "let the {noun} stand {place}",
    ),
    "Swap": (
        "swap the {one} and the {other}",
        "let the {one} and the {other} change places",
        "exchange the {one} and the {other}",
        "switch the {one} and the {other} around",
    ),
    "ChangeBackdrop": (
        "move it all to {where}",
        "change the background to {where}",
        "set it {at}",
        "make it {where}",
        "show the same {at}",
        "put everything {at}",
        "use {where} as the backdrop",
        "change the place to {where}",
    ),
    "ChangeFrame": (
        "give it a {colour} frame",
        "put a {colour} frame around it",
        "make the frame {colour}",
        "add a {colour} border",
        "frame it in {colour}",
        "use a {colour} frame",
    ),
    "RemoveFrame": (
        "remove the frame",
        "take the frame away",
        "leave out the frame",
        "draw it without a frame",
        "get rid of the border",
        "drop the frame",
    ),
}
"""Name of an edit's class -> clauses; what stands in braces is filled from the edit."""

REQUESTS: tuple[str, ...] = (
    "{C}.",
    "{C}, please.",
    "Please {c}.",
    "Now {c}.",
    "Can you {c}?",
    "Could you {c}?",
    "Next, {c}.",
    "I want you to {c}.",
    "Good. Now {c}.",
    "Nice! Please {c}.",
    "Would you {c}?",
)
"""Sentences around a clause: {c}, or {C} with a capital."""
