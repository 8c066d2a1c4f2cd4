"""Hand-made outcomes, so that every expected number can be counted on one's fingers."""

from __future__ import annotations

from tbcore.bench.items import Exchange, Reference
from tbcore.bench.outcomes import Outcome
from tbcore.world.dialogue_story import Expectation
from tbcore.world.scenes import Scene

FOX = Scene("green meadow", ("fox",))
FOX_BLUE = Scene("green meadow", ("fox",), "blue")
FOX_BEACH = Scene("sandy beach", ("fox",))
PAIR = Scene("desert", ("fox", "apple"))
PAIR_RED = Scene("desert", ("fox", "apple"), "red")


def outcome(
    kind="draw",
    *,
    wanted=None,
    seen=(),
    said=None,
    text="Here it is:",
    item="a",
    split="iid",
    turn=0,
    facts=None,
    reference=None,
    source=None,
    others=(),
    source_right=True,
    captions=None,
    failure="",
):
    """One outcome; captions default to a word per drawing, and what they say to what is seen."""
    expect = Expectation(kind, wanted is not None, wanted, facts or {})
    return Outcome(
        item=item,
        split=split,
        turn=turn,
        exchange=Exchange(("?",), ("!",), expect, reference),
        text=text,
        captions=("something",) * len(seen) if captions is None else captions,
        said=tuple(seen) if said is None else tuple(said),
        seen=tuple(seen),
        source=source,
        others=tuple(others),
        source_right=source_right,
        failure=failure,
    )


def upload(text, facts, *, kind="ask", item="a", **more):
    """A question about a picture of the user."""
    return outcome(
        kind, text=text, facts=facts, item=item, reference=Reference("attached", 0, 0, "user"), source=FOX, **more
    )


def own(text, facts, *, item="a", **more):
    """A question about the assistant's own drawing."""
    return outcome(
        "ask", text=text, facts=facts, item=item, reference=Reference("pronoun", 0, 1, "assistant"), source=FOX, **more
    )


def edit(seen, *, source, wanted, kind="edit", item="a", **more):
    """An edit of a source."""
    return outcome(
        kind,
        wanted=wanted,
        seen=seen,
        source=source,
        item=item,
        reference=Reference("pronoun", 0, 1, "assistant"),
        **more,
    )


def probe(text, yes, item, **more):
    """One of a pair of yes/no questions."""
    return upload(text, {"yes": yes}, item=item, split="probe", **more)
