"""The same tasks in words that training never uses: questions, wishes and changes, each asked in a way of its own.

The simulator's phrasings teach; these only ask. No template here occurs there, and a test compares them. The wording is
written by hand, the pictures are drawn from the world's test split, and the conversations are frozen like all others.

python -m tbcore.bench items      writes the same bytes again
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from tbcore.bench.compose import save_items
from tbcore.bench.items import PARAPHRASES_FILE, Exchange, Item, Reference
from tbcore.records import Picture
from tbcore.seeds import stream
from tbcore.world.captions import backdrop_phrase, caption, thing_phrase
from tbcore.world.dialogue_drawings import answer_drawing
from tbcore.world.dialogue_phrases import AT, DESCRIBE_REPLIES, DRAW_BEFORE, join
from tbcore.world.dialogue_questions import (
    Matter,
    about_backdrop,
    about_being_here,
    about_count,
    about_frame,
    about_noun,
    about_place,
    about_presence,
    about_things,
)
from tbcore.world.dialogue_story import Expectation, Story
from tbcore.world.edits import (
    Add,
    ChangeBackdrop,
    ChangeFrame,
    Edit,
    Move,
    Remove,
    RemoveFrame,
    Replace,
    Swap,
    apply,
    sample_edit,
)
from tbcore.world.scenes import Scene
from tbcore.world.sprites import SPRITES, nouns_of

__all__ = ["CONVERSATIONS", "compose_paraphrases", "write_paraphrases"]

CONVERSATIONS = 60

_SEED = 1

_DESCRIBE = (
    "Walk me through what you are looking at.",
    "How would you report this over the telephone?",
    "Give me the gist of this card.",
    "Pretend that I left my glasses at home: what have I got here?",
    "Turn what you see into a sentence.",
)

_WISHES = (
    "My aunt collects cards and still lacks one: {c}.",
    "Get your brushes out: {c} would make my day.",
    "I am dreaming of {c}. Bring it to life.",
    "Would you sketch this for my fridge: {c}?",
    "An empty wall is waiting for this: {c}.",
)


def _about_presence(story: Story, scene: Scene) -> Matter:
    yes = story.chance(0.5)
    near = nouns_of(SPRITES[scene.things[0]].topic)
    noun = story.pick(scene.things if yes else [other for other in near if other not in scene.things])
    return about_presence(noun, yes=yes)


def _shortest(replies: Sequence[str]) -> str:
    return min(replies, key=len)


_QUESTIONS: tuple[tuple[Callable[[Story, Scene], Matter], Callable[[Sequence[str]], str], tuple[str, ...]], ...] = (
    (
        about_backdrop,
        itemgetter(1),
        (
            "If I stepped into this card, where would I end up?",
            "Which surroundings did the artist choose?",
            "What scenery lies behind it all?",
        ),
    ),
    (
        about_things,
        itemgetter(1),
        (
            "Whatever has been placed there, enumerate it for me.",
            "Leave the scenery aside. What remains?",
            "Who are the guests on this card?",
        ),
    ),
    (
        about_place,
        itemgetter(2),
        (
            "Let your eye rest {place}: what does it meet?",
            "Somebody has taken the spot {place}. Who or what?",
            "What did the artist put there, {place}?",
        ),
    ),
    (
        about_noun,
        itemgetter(1),
        (
            "I am looking for the {noun}. Which part of the card should I search?",
            "At which spot has the {noun} been set down?",
            "Tell me the whereabouts of the {noun}: left, middle or right?",
        ),
    ),
    (
        about_frame,
        itemgetter(0),
        (
            "Which tint runs along the edge, if any?",
            "Has the border been painted? Then tell me how.",
            "How did they finish the rim of the card, frame or no frame?",
        ),
    ),
    (
        about_count,
        itemgetter(0),
        (
            "What total do you get when you add up the items?",
            "One, two, three or more: how rich is this card in items?",
            "Tally up the items for me.",
        ),
    ),
    (
        _about_presence,
        itemgetter(0),
        (
            "Would I come across {thing} here?",
            "Has {thing} found its way onto the card?",
            "True or not: {thing} is among the items.",
        ),
    ),
    (
        about_being_here,
        _shortest,
        (
            "Would you say that all this happens {where}?",
            "Has the artist set it {where}?",
            "My guess is that we are {where}. Am I right?",
        ),
    ),
)
"""What is asked about, which of its replies stands in the file, and the words for it."""


def _wish(story: Story, scene: Scene) -> str:
    """A request to draw a scene: its usual words in an unusual request, or all of it in other words."""
    if story.chance(0.5):
        return story.pick(_WISHES).format(c=caption(scene))
    things = [thing_phrase(noun) for noun in scene.things]
    company = f"its only guest is {things[0]}" if len(things) == 1 else f"starting at the left, place {join(things)}"
    said = f"Begin with the scenery: all of it happens {backdrop_phrase(scene.backdrop)}. Then {company}."
    return said if scene.frame is None else f"{said} Finish with a {scene.frame} border."


def _change(story: Story, edit: Edit) -> str:
    """A change in other words."""
    match edit:
        case Add(noun, place):
            forms = (f"I miss {thing_phrase(noun)}; give it the spot {AT[place]}.",)
        case Remove(noun):
            forms = (f"I could do without the {noun}.", f"Time for the {noun} to say goodbye.")
        case Replace(old, new):
            forms = (f"The {old} is ill today; {thing_phrase(new)} stands in for it.",)
        case Move(noun, place):
            forms = (f"The {noun} would be happier {AT[place]}.",)
        case Swap(one, other):
            forms = (f"Let the {one} and the {other} trade spots.",)
        case ChangeBackdrop(backdrop):
            forms = (f"Everybody travels on: next we meet them {backdrop_phrase(backdrop)}.",)
        case ChangeFrame(frame):
            forms = (f"A border in {frame} would suit it.",)
        case RemoveFrame():
            forms = ("I prefer the rim bare, with nothing around it.",)
    return story.pick(forms)


def _ask(story: Story, reference: Reference) -> Reference:
    assert story.current is not None
    scene = story.scenes[story.current]
    about, reply, forms = story.pick(_QUESTIONS)
    matter = about(story, scene)
    question = story.pick(forms).format(**matter.names)
    asked = [question] if reference.distance else story.around(Picture(story.current), question)
    story.exchange(asked, [reply(matter.replies)], Expectation("ask", facts=matter.facts))
    return reference


def _describe(story: Story) -> Reference:
    scene = story.sample()
    asked = story.around(story.show(scene, "user"), story.pick(_DESCRIBE))
    reply = story.pick(DESCRIBE_REPLIES).format(c=caption(scene))
    facts: dict[str, object] = {"things": list(scene.things), "backdrop": scene.backdrop, "frame": scene.frame}
    story.exchange(asked, [reply], Expectation("describe", facts={**facts, "order": list(scene.things)}))
    return Reference("attached", 0, 0, "user")


def _draw(story: Story) -> None:
    scene = story.sample()
    asked = _wish(story, scene)
    parts = answer_drawing(story, scene, story.pick(DRAW_BEFORE))
    story.exchange([asked], parts, Expectation("draw", draws=True, scene=scene))


def _edit(story: Story) -> Reference | None:
    assert story.current is not None
    source = story.scenes[story.current]
    edit = sample_edit(source, story.rng, allowed=story.fits)
    if edit is None:
        return None
    reference, after = Reference("pronoun", story.current, 1, "assistant"), apply(source, edit)
    parts = answer_drawing(story, after, story.pick(DRAW_BEFORE))
    story.exchange([_change(story, edit)], parts, Expectation("edit", draws=True, scene=after))
    return reference


def _conversation(number: int, attempt: int) -> Item | None:
    """Two or three exchanges: about a picture of the user, or about drawings; None where no change is possible."""
    story = Story(stream(_SEED, f"bench paraphrase {number} {attempt}"), "test", 3)
    references: list[Reference | None] = []
    if number % 2:
        _draw(story)
        changed = _edit(story)
        if changed is None:
            return None
        references = [None, changed]
        if number % 4 == 3:
            references.append(_ask(story, Reference("pronoun", 1, 1, "assistant")))
    else:
        if number % 4:
            references.append(_describe(story))
        else:
            story.show(story.sample(), "user")
            references.append(_ask(story, Reference("attached", 0, 0, "user")))
        references.append(_ask(story, Reference("pronoun", 0, 1, "user")))
    said = zip(story.turns[::2], story.turns[1::2], story.expects, references, strict=True)
    exchanges = tuple(Exchange(asked.parts, reply.parts, expect, meant) for asked, reply, expect, meant in said)
    name = f"paraphrase-{number:04d}"
    return Item(name, "paraphrase", False, exchanges, tuple(story.scenes), tuple(story.owners))


def compose_paraphrases() -> list[Item]:
    """Make all conversations of the split."""
    items: list[Item] = []
    for number in range(CONVERSATIONS):
        attempt = 0
        while (item := _conversation(number, attempt)) is None:
            attempt += 1
        items.append(item)
    return items


def write_paraphrases(path: Path = PARAPHRASES_FILE) -> dict[str, Any]:
    """Write the conversations and, beside them, their checksum and counts; what was written about them.

    Raises:
        InputError: see `save_items`.
    """
    return save_items(path, compose_paraphrases(), Counter(), _SEED)
