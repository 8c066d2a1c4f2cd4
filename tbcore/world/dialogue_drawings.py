"""Exchanges in which the assistant draws: from words, by editing the last, a new or an earlier picture, by undoing."""

from __future__ import annotations

from dataclasses import replace

from tbcore.records import Part, Picture
from tbcore.world.captions import backdrop_phrase, thing_phrase
from tbcore.world.dialogue_phrases import AT, DRAW_AFTER, DRAW_BEFORE, UNDO, draw_request
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
    clause,
    phrase,
    sample_edit,
)
from tbcore.world.scenes import Scene

__all__ = [
    "MOST_PICTURES",
    "answer_drawing",
    "draw",
    "edit",
    "edit_earlier",
    "edit_upload",
    "edited",
    "jittered",
    "room",
    "undo",
]

MOST_PICTURES = 5
"""Pictures per conversation; a short one is cheap to train on."""


def room(story: Story, pictures: int = 1) -> bool:
    """Return whether so many pictures may still be shown."""
    return len(story.scenes) + pictures <= MOST_PICTURES


def jittered(story: Story, scene: Scene) -> Scene:
    """Let the things of a new drawing stand a pixel or two elsewhere."""
    return replace(scene, jitter_seed=int(story.rng.integers(2**31)))


def answer_drawing(story: Story, scene: Scene, words: str) -> list[Part]:
    """Show a new drawing after some words that end in a colon."""
    picture = story.show(jittered(story, scene), "assistant")
    return [f"{words} ", picture]


def draw(story: Story) -> bool:
    """The user puts a scene into words."""
    if not room(story):
        return False
    scene = story.sample()
    asked = draw_request(scene, story.rng, held_out_phrasing=story.held_out_phrasing)
    parts = answer_drawing(story, scene, story.pick(DRAW_BEFORE))
    if story.chance(0.2):
        parts = [Picture(len(story.scenes) - 1), f" {story.pick(DRAW_AFTER)}"]
    story.before = None
    story.exchange([asked], parts, Expectation("draw", draws=True, scene=scene))
    return True


def _done(edit: Edit) -> str:
    """Say what an edit did."""
    match edit:
        case Add(noun, place):
            return f"I put {thing_phrase(noun)} {AT[place]}:"
        case Remove(noun):
            return f"The {noun} is gone:"
        case Replace(old, new):
            return f"I drew {thing_phrase(new)} instead of the {old}:"
        case Move(noun, place):
            return f"The {noun} is {AT[place]} now:"
        case Swap():
            return "They changed places:"
        case ChangeBackdrop(backdrop):
            return f"It is {backdrop_phrase(backdrop)} now:"
        case ChangeFrame(frame):
            return f"The frame is {frame} now:"
        case RemoveFrame():
            return "Without the frame:"


def edited(story: Story, kind: str, source: Scene, edit: Edit, asked: list[Part]) -> bool:
    """Answer a request for an edit of `source` with the edited picture; True, as a move returns it."""
    after = apply(source, edit)
    words = _done(edit) if story.chance(0.5) else story.pick(DRAW_BEFORE)
    parts = answer_drawing(story, after, words)
    story.before = source
    story.exchange(asked, parts, Expectation(kind, draws=True, scene=after))
    return True


def edit(story: Story) -> bool:
    """Change the current picture, when the assistant drew it."""
    if story.current is None or story.owners[story.current] != "assistant" or not room(story):
        return False
    source = story.scenes[story.current]
    edit = sample_edit(source, story.rng, allowed=story.fits)
    return edit is not None and edited(story, "edit", source, edit, [phrase(edit, story.rng)])


def edit_upload(story: Story) -> bool:
    """Change a picture that the user shows now."""
    if not room(story, 2):
        return False
    source = story.sample()
    edit = sample_edit(source, story.rng, allowed=story.fits)
    if edit is None:
        return False
    asked = story.around(story.show(source, "user"), phrase(edit, story.rng))
    return edited(story, "edit upload", source, edit, asked)


def _references(story: Story, k: int) -> list[str]:
    """Ways to name picture k that fit no other picture of the conversation."""
    scene, owner = story.scenes[k], story.owners[k]
    others = [other for n, other in enumerate(story.scenes) if n != k]
    names = [f"the {('first', 'second', 'third', 'fourth', 'fifth')[k]} picture"]
    names += [
        f"the picture with the {noun}" for noun in scene.things if all(noun not in other.things for other in others)
    ]
    if story.owners.count(owner) == 1:
        names.append("my picture" if owner == "user" else "the picture you drew")
    if all(other.backdrop != scene.backdrop for other in others):
        names.append(f"the one {backdrop_phrase(scene.backdrop)}")
    return names


def edit_earlier(story: Story) -> bool:
    """Change a picture that is not the current one, named by order, thing, place or owner."""
    candidates = [k for k in range(len(story.scenes)) if k != story.current]
    if not candidates or len(story.scenes) < 2 or not room(story):
        return False
    k = story.pick(candidates)
    source = story.scenes[k]
    edit = sample_edit(source, story.rng, allowed=story.fits)
    if edit is None:
        return False
    name, said = story.pick(_references(story, k)), clause(edit, story.rng)
    form = story.pick(("In {r}, {c}.", "Take {r} and {c}.", "Go back to {r} and {c}.", "Now {r}: please {c}."))
    return edited(story, "edit earlier", source, edit, [form.format(r=name, c=said)])


def undo(story: Story) -> bool:
    """The user wants the picture back that was there before the last edit."""
    if story.before is None or not room(story):
        return False
    scene = story.before
    parts = answer_drawing(story, scene, story.pick(("As it was before:", "Back again:", "Undone:")))
    story.before = None
    story.exchange([story.pick(UNDO)], parts, Expectation("undo", draws=True, scene=scene))
    return True
