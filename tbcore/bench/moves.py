"""Exchanges that only the benchmark has: pictures named in five ways, two combined, one told in words, probes.

Each returns what the user refers to, or None where the conversation does not allow it.
"""

from __future__ import annotations

from dataclasses import replace

from tbcore.bench.items import Form, Reference
from tbcore.world.captions import backdrop_phrase, caption, thing_phrase
from tbcore.world.dialogue_drawings import answer_drawing, room
from tbcore.world.dialogue_phrases import DRAW_BEFORE
from tbcore.world.dialogue_questions import QUESTIONS
from tbcore.world.dialogue_story import Expectation, Story
from tbcore.world.edits import Add, apply, clause, phrase, sample_edit
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene
from tbcore.world.sprites import SPRITES, nouns_of

__all__ = [
    "age",
    "ask_about",
    "combine",
    "draw_told",
    "edit_named",
    "name_of",
    "name_told",
    "probe_pair",
    "tell",
]

_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def age(story: Story, picture: int) -> int:
    """How many exchanges ago a picture was shown; 1: in the last one."""
    shown = next(n for n, turn in enumerate(story.turns) if picture in turn.pictures)
    return len(story.turns) // 2 - shown // 2


def name_of(story: Story, picture: int, form: Form) -> str | None:
    """Name a picture so that no other one of the conversation fits, or None where the form cannot do that."""
    scene, owner = story.scenes[picture], story.owners[picture]
    others = [other for k, other in enumerate(story.scenes) if k != picture]
    match form:
        case "ordinal":
            return f"the {_ORDINALS[picture]} picture"
        case "owner" if story.owners.count(owner) == 1:
            return "my picture" if owner == "user" else "the picture you drew"
        case "quote" if all(other != scene for other in others):
            return f'the picture "{caption(scene)}"'
        case "attribute":
            names = _attributes(scene, others, "picture")
            return story.pick(names) if names else None
        case _:
            return None


def _attributes(scene: Scene, others: list[Scene], what: str) -> list[str]:
    names = [f"the {what} with the {noun}" for noun in scene.things if all(noun not in o.things for o in others)]
    if all(other.backdrop != scene.backdrop for other in others):
        names.append(f"the one {backdrop_phrase(scene.backdrop)}")
    return names


def _reference(story: Story, picture: int, form: Form) -> Reference:
    return Reference(form, picture, age(story, picture), story.owners[picture])


def ask_about(story: Story, picture: int, form: Form) -> Reference | None:
    """Ask something about an earlier picture."""
    reference = _reference(story, picture, form)
    question, reply, facts = story.pick(QUESTIONS)(story, story.scenes[picture])
    if form != "pronoun":
        name = name_of(story, picture, form)
        if name is None:
            return None
        question = story.pick(("About {r}: {q}", "Look at {r} again. {q}", "Back to {r}. {q}")).format(
            r=name, q=question
        )
    story.exchange([question], [reply], Expectation("ask", facts=facts))
    return reference


def edit_named(story: Story, picture: int, form: Form) -> Reference | None:
    """Ask for an earlier picture with one change."""
    source = story.scenes[picture]
    name = "it" if form == "pronoun" else name_of(story, picture, form)
    change = sample_edit(source, story.rng, allowed=story.fits)
    if name is None or change is None or not room(story):
        return None
    reference = _reference(story, picture, form)
    if form == "pronoun":
        asked = phrase(change, story.rng)
    else:
        form_of = story.pick(("In {r}, {c}.", "Take {r} and {c}.", "Go back to {r} and {c}.", "Now {r}: please {c}."))
        asked = form_of.format(r=name, c=clause(change, story.rng))
    after = apply(source, change)
    story.exchange(
        [asked],
        answer_drawing(story, after, story.pick(DRAW_BEFORE)),
        Expectation("edit" if form == "pronoun" else "edit earlier", draws=True, scene=after),
    )
    story.before = source
    return reference


def combine(story: Story, first: int, second: int, form: Form) -> Reference | None:
    """Ask for a picture made of two earlier ones."""
    names = name_of(story, first, form), name_of(story, second, form)
    one, other = story.scenes[first], story.scenes[second]
    if None in names or not room(story):
        return None
    if story.chance(0.5):
        after = replace(one, backdrop=other.backdrop)
        said = "Take the things of {a} and put them where {b} is, at the same place as there."
        said = story.pick((said, "Show {a}, but with the backdrop of {b}.", "Move {a} to the place of {b}."))
    else:
        strangers = [noun for noun in other.things if noun not in one.things]
        if len(one.things) == 3 or not strangers:
            return None
        noun, place = story.pick(strangers), story.pick(("left", "right"))
        after = apply(one, Add(noun, place))
        said = f"Put the {noun} of {{b}} into {{a}}, on the {place}."
    if after == one or not story.fits(after):
        return None
    reference = replace(_reference(story, first, form), also=second)
    parts = answer_drawing(story, after, story.pick(DRAW_BEFORE))
    text = said.format(a=names[0], b=names[1])
    story.exchange([text[:1].upper() + text[1:]], parts, Expectation("combine", draws=True, scene=after))
    return reference


def tell(story: Story, scene: Scene) -> None:
    """Put a postcard into words without wanting it drawn yet."""
    asked = story.pick(
        (
            "I once had a postcard: {c}. Do not draw it yet, just keep it in mind.",
            "Keep this in mind for later, without drawing it: {c}.",
        )
    ).format(c=caption(scene, story.rng, held_out=story.held_out_phrasing))
    reply = story.pick(("I will keep it in mind.", "All right, I will remember it."))
    story.exchange([asked], [reply], Expectation("remember"))


def name_told(story: Story, scene: Scene, form: Form) -> str | None:
    """Name the postcard that was told in words, or None where the form cannot."""
    if form == "owner":
        return "the postcard that I told you about"
    names = _attributes(scene, list(story.scenes), "postcard") if form == "attribute" else []
    return story.pick(names) if names else None


def draw_told(story: Story, scene: Scene, form: Form, distance: int) -> Reference | None:
    """Ask for the postcard that was told in words some exchanges ago."""
    name = name_told(story, scene, form)
    if name is None or not room(story):
        return None
    asked = story.pick(("Now draw {r}.", "Please draw {r} now.", "Can you draw {r}?")).format(r=name)
    parts = answer_drawing(story, scene, story.pick(DRAW_BEFORE))
    story.exchange([asked], parts, Expectation("draw told", draws=True, scene=scene))
    return Reference(form, None, distance, "text")


def probe_pair(story: Story, scene: Scene) -> tuple[str, str]:
    """Two yes/no questions about a scene that differ in one fact: the first is to be denied, the second affirmed."""
    about = story.pick(("thing", "backdrop", "frame", "side") if len(scene.things) > 1 else ("thing", "backdrop"))
    if about == "frame" and scene.frame is None:
        about = "thing"
    if about == "thing":
        true = story.pick(scene.things)
        false = story.pick([noun for noun in nouns_of(SPRITES[true].topic) if noun not in scene.things])
        asked = "Is there {} in the picture?"
        return asked.format(thing_phrase(false)), asked.format(thing_phrase(true))
    if about == "backdrop":
        false = story.pick([name for name in BACKDROPS if name != scene.backdrop])
        return f"Is this {backdrop_phrase(false)}?", f"Is this {backdrop_phrase(scene.backdrop)}?"
    if about == "frame":
        false = story.pick([name for name in FRAMES if name != scene.frame])
        return f"Is the frame {false}?", f"Is the frame {scene.frame}?"
    one, other = list(scene.things)[:2]
    asked = "Is the {} to the {} of the {}?"
    side, opposite = story.pick((("left", "right"), ("right", "left")))
    if side == "right":
        one, other = other, one
    return asked.format(one, opposite, other), asked.format(one, side, other)
