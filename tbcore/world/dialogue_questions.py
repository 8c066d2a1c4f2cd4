"""Questions about pictures, each with the reply that states the facts and the facts themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tbcore.world.captions import BACKDROP_PHRASES, backdrop_phrase, thing_phrase
from tbcore.world.dialogue_phrases import AT, COMPARE, NUMBERS, join, upper
from tbcore.world.scenes import BACKDROPS, Scene, slot_names
from tbcore.world.sprites import SPRITES, nouns_of

if TYPE_CHECKING:
    from tbcore.world.dialogue_story import Story

__all__ = [
    "COMPARISONS",
    "QUESTIONS",
    "Matter",
    "Question",
    "about_backdrop",
    "about_being_here",
    "about_count",
    "about_frame",
    "about_noun",
    "about_place",
    "about_presence",
    "about_things",
]

Question = tuple[str, str, dict[str, object]]
"""(question, reply, facts)."""


class Matter(NamedTuple):
    """What a question is about, whatever words it is asked in.

    Attributes:
        names: what its words may name: place, noun, thing (the noun with its article), where.
        replies: right answers, each as good as the others.
        facts: what every right answer states.
    """

    names: dict[str, str]
    replies: tuple[str, ...]
    facts: dict[str, object]


def about_backdrop(story: Story, scene: Scene) -> Matter:
    """Where it all takes place."""
    del story
    preposition, place = BACKDROP_PHRASES[scene.backdrop]
    replies = f"{upper(preposition)} {place}.", f"It is {preposition} {place}."
    return Matter({}, replies, {"backdrop": scene.backdrop})


def about_things(story: Story, scene: Scene) -> Matter:
    """Which things there are, in order."""
    del story
    things = join([thing_phrase(noun) for noun in scene.things])
    return Matter({}, (f"{upper(things)}.", f"I see {things}."), {"things": list(scene.things)})


def _slot(story: Story, scene: Scene) -> tuple[str, str]:
    """One of the places, and what stands there."""
    slots = slot_names(len(scene.things))
    k = int(story.rng.integers(len(slots)))
    return slots[k], scene.things[k]


def about_place(story: Story, scene: Scene) -> Matter:
    """What stands in a place."""
    slot, noun = _slot(story, scene)
    place, thing = AT[slot], thing_phrase(noun)
    replies = f"{upper(thing)}.", f"{upper(place)} is {thing}.", f"There is {thing} {place}."
    return Matter({"place": place}, replies, {"things": [noun]})


def about_noun(story: Story, scene: Scene) -> Matter:
    """Where a thing stands."""
    slot, noun = _slot(story, scene)
    place = AT[slot]
    return Matter({"noun": noun}, (f"{upper(place)}.", f"The {noun} is {place}."), {"position": slot, "noun": noun})


def about_frame(story: Story, scene: Scene) -> Matter:
    """Which colour the frame has, if there is one."""
    del story
    if scene.frame is None:
        return Matter({}, ("There is no frame.", "It has no frame."), {"frame": "none"})
    return Matter({}, (f"The frame is {scene.frame}.", f"It has a {scene.frame} frame."), {"frame": scene.frame})


def about_count(story: Story, scene: Scene) -> Matter:
    """How many things there are."""
    del story
    count = len(scene.things)
    word = NUMBERS[count]
    verb, ending = ("is", "") if count == 1 else ("are", "s")
    return Matter({}, (f"{upper(word)}.", f"There {verb} {word} thing{ending}."), {"count": count})


def about_presence(noun: str, *, yes: bool) -> Matter:
    """Whether a thing is there."""
    thing = thing_phrase(noun)
    replies = ("Yes.", f"Yes, there is {thing}.") if yes else ("No.", f"No, there is no {noun}.")
    return Matter({"thing": thing}, replies, {"yes": yes})


def about_being_here(story: Story, scene: Scene) -> Matter:
    """Whether this is a certain place; in half of the cases it is."""
    yes = story.chance(0.5)
    name = scene.backdrop if yes else story.pick([name for name in BACKDROPS if name != scene.backdrop])
    replies = ("Yes, it is.", "Yes.") if yes else ("No.", f"No, it is {backdrop_phrase(scene.backdrop)}.")
    return Matter({"where": backdrop_phrase(name)}, replies, {"yes": yes})


def _asked(story: Story, matter: Matter, forms: Sequence[str]) -> Question:
    """A matter in one of the simulator's phrasings, with one of its replies."""
    asked = story.pick(forms).format(**matter.names)
    return asked, story.pick(matter.replies), matter.facts


def _where_is_this(story: Story, scene: Scene) -> Question:
    forms = (
        "Where is this?",
        "What is the background?",
        "Which place is this?",
        "What kind of place do you see?",
        "What is the backdrop?",
        "Where does this take place?",
        "And where is that?",
    )
    return _asked(story, about_backdrop(story, scene), forms)


def _which_things(story: Story, scene: Scene) -> Question:
    forms = (
        "Which things do you see?",
        "What things are there?",
        "Name the things in the picture.",
        "List everything that stands there.",
        "Who or what is in it?",
        "Which objects are in it?",
    )
    return _asked(story, about_things(story, scene), forms)


def _what_is_there(story: Story, scene: Scene) -> Question:
    forms = (
        "What is {place}?",
        "What do you see {place}?",
        "Which thing is {place}?",
        "And {place}?" if len(scene.things) > 1 else "What stands {place}?",
        "Tell me what stands {place}.",
    )
    return _asked(story, about_place(story, scene), forms)


def _where_is(story: Story, scene: Scene) -> Question:
    slots = slot_names(len(scene.things))
    choice = join([AT[slot] for slot in slots], "or")
    forms = (
        "Where is the {noun}?",
        "On which side is the {noun}?" if len(slots) == 2 else "In which place is the {noun}?",
        f"Is the {{noun}} {choice}?" if len(slots) > 1 else "Where do you see the {noun}?",
        "Where can I find the {noun}?",
    )
    return _asked(story, about_noun(story, scene), forms)


def _which_frame(story: Story, scene: Scene) -> Question:
    forms = (
        "What colour is the frame?",
        "Which colour does the frame have, if there is one?",
        "Does it have a frame, and in which colour?",
        "What about the frame?",
        "Which frame is around it?",
    )
    return _asked(story, about_frame(story, scene), forms)


def _how_many(story: Story, scene: Scene) -> Question:
    forms = (
        "How many things are there?",
        "How many things do you see?",
        "Count the things, please.",
        "How many objects are in the picture?",
        "What is the number of things?",
    )
    return _asked(story, about_count(story, scene), forms)


def _is_there(story: Story, scene: Scene) -> Question:
    yes = story.chance(0.5)
    if yes:
        noun = story.pick(scene.things)
    else:  # as often as not a thing that would fit in
        near = nouns_of(SPRITES[story.pick(scene.things)].topic) if story.chance(0.5) else tuple(SPRITES)
        noun = story.pick([other for other in near if other not in scene.things])
    forms = (
        "Is there {thing}?",
        "Can you see {thing}?",
        "Do you see {thing} in it?",
        "Is {thing} in the picture?",
        "Does it show {thing}?",
    )
    return _asked(story, about_presence(noun, yes=yes), forms)


def _is_it_here(story: Story, scene: Scene) -> Question:
    forms = ("Is this {where}?", "Is that picture {where}?", "Are we {where} here?")
    return _asked(story, about_being_here(story, scene), forms)


def _is_it_left_of(story: Story, scene: Scene) -> Question:
    if len(scene.things) == 1:
        return _is_there(story, scene)
    first, second = sorted(int(k) for k in story.rng.choice(len(scene.things), size=2, replace=False))
    yes, side = story.chance(0.5), story.pick(("left", "right"))
    one, other = scene.things[first], scene.things[second]
    if yes != (side == "left"):
        one, other = other, one
    asked = story.pick((f"Is the {one} to the {side} of the {other}?", f"Does the {one} stand {side} of the {other}?"))
    opposite = "right" if side == "left" else "left"
    replies = ("Yes.", "Yes, it is.") if yes else ("No.", f"No, it is to the {opposite} of the {other}.")
    return asked, story.pick(replies), {"yes": yes}


QUESTIONS: tuple[Callable[[Story, Scene], Question], ...] = (
    _where_is_this,
    _which_things,
    _what_is_there,
    _what_is_there,  # twice: the question that needs the grid
    _where_is,
    _which_frame,
    _how_many,
    _is_there,
    _is_it_here,
    _is_it_left_of,
)
"""Functions of (story, scene); a repeated one is asked more often."""


def _partner(story: Story, accept: Callable[[Scene], bool]) -> Scene | None:
    """Draw scenes of the split until one is accepted."""
    return next((scene for scene in (story.sample() for _ in range(200)) if accept(scene)), None)


def _with_thing(story: Story, noun: str, shown: Scene) -> Scene | None:
    """Draw a scene that shares exactly one thing with another."""
    for _ in range(100):
        scene = story.sample()
        things = list(scene.things)
        things[int(story.rng.integers(len(things)))] = noun
        if set(things) & set(shown.things) == {noun} and len(set(things)) == len(things):
            candidate = replace(scene, things=tuple(things))
            if story.fits(candidate):
                return candidate
    return None


def _compare_both(story: Story, first: Scene) -> tuple[Scene, Question] | None:
    noun = story.pick(first.things)
    second = _with_thing(story, noun, first)
    if second is None:
        return None
    reply = story.pick((f"The {noun}.", f"The {noun} is in both."))
    return second, (story.pick(COMPARE["both"]), reply, {"things": [noun]})


def _compare_place(story: Story, first: Scene) -> tuple[Scene, Question] | None:
    yes = story.chance(0.5)
    second = _partner(story, lambda scene: (scene.backdrop == first.backdrop) == yes)
    if second is None:
        return None
    here, there = backdrop_phrase(first.backdrop), backdrop_phrase(second.backdrop)
    reply = f"Yes, both are {here}." if yes else f"No, the first is {here} and the second {there}."
    return second, (story.pick(COMPARE["same place"]), reply, {"yes": yes})


def _compare_count(story: Story, first: Scene) -> tuple[Scene, Question] | None:
    second = _partner(story, lambda scene: len(scene.things) != len(first.things))
    if second is None:
        return None
    which = "first" if len(first.things) > len(second.things) else "second"
    most = NUMBERS[max(len(first.things), len(second.things))]
    reply = story.pick((f"The {which}.", f"The {which}, with {most} things."))
    return second, (story.pick(COMPARE["more"]), reply, {"which": which})


def _compare_holder(story: Story, first: Scene) -> tuple[Scene, Question] | None:
    second = _partner(story, lambda scene: not set(scene.things) & set(first.things))
    if second is None:
        return None
    which = story.pick(("first", "second"))
    noun = story.pick((first if which == "first" else second).things)
    asked = story.pick(COMPARE["holder"]).format(a=thing_phrase(noun), noun=noun)
    return second, (asked, story.pick((f"The {which}.", f"The {which} one shows the {noun}.")), {"which": which})


def _compare_replaced(story: Story, first: Scene) -> tuple[Scene, Question] | None:
    for _ in range(60):
        old = story.pick(first.things)
        new = story.pick([noun for noun in SPRITES if noun not in first.things])
        second = replace(first, things=tuple(new if noun == old else noun for noun in first.things))
        if story.fits(second):
            reply = f"The second has {thing_phrase(new)} instead of the {old}."
            return second, (story.pick(COMPARE["replaced"]), reply, {"things": [new, old]})
    return None


def _compare_moved(story: Story, first: Scene) -> tuple[Scene, Question] | None:
    names = [name for name in BACKDROPS if name != first.backdrop]
    moved = [replace(first, backdrop=name) for name in names]
    moved = [scene for scene in moved if story.fits(scene)]
    if not moved:
        return None
    second = story.pick(moved)
    reply = f"The first is {backdrop_phrase(first.backdrop)}, the second {backdrop_phrase(second.backdrop)}."
    return second, (story.pick(COMPARE["moved"]), reply, {"backdrops": [first.backdrop, second.backdrop]})


COMPARISONS: tuple[Callable[[Story, Scene], tuple[Scene, Question] | None], ...] = (
    _compare_both,
    _compare_place,
    _compare_count,
    _compare_holder,
    _compare_replaced,
    _compare_moved,
)
"""Functions of (story, first scene): a second scene and a question about the two, or None."""
