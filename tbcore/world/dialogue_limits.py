"""Exchanges in which the assistant must not draw at once: the impossible is refused, the unclear is asked back."""

from __future__ import annotations

from dataclasses import replace

from tbcore.world.captions import BACKDROP_PHRASES, backdrop_phrase, thing_phrase
from tbcore.world.dialogue_drawings import answer_drawing, edited, room
from tbcore.world.dialogue_phrases import DRAW_BEFORE, UNKNOWN_PLACES, UNKNOWN_THINGS, join, placed, upper
from tbcore.world.dialogue_story import Expectation, Story
from tbcore.world.edits import Add, ChangeBackdrop, ChangeFrame, Edit, Remove, apply, phrase
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene
from tbcore.world.sprites import SPRITES

__all__ = ["ask_back", "refuse"]


def refuse(story: Story) -> bool:
    """The user asks for what this world cannot show, or to remove what is not there."""
    kind = 0 if story.split == "train" else 1
    scene = story.sample(3)
    current = None if story.current is None else story.scenes[story.current]
    options = ["too many", "unknown thing", "unknown place"]
    if current is not None and story.owners[story.current or 0] == "assistant":
        options += ["not there", "too many added"] if len(current.things) == 3 else ["not there"]
    reason = story.pick(options)
    strangers = [noun for noun in SPRITES if noun not in scene.things and (not current or noun not in current.things)]
    stranger = story.pick(strangers)
    if reason == "too many":
        things = join([thing_phrase(noun) for noun in (*scene.things, stranger)])
        asked = story.pick(("Draw {c}.", "Please draw {c}.", "Show me {c}.", "Can you draw {c}?")).format(
            c=f"{things} {backdrop_phrase(scene.backdrop)}"
        )
        reply = "Sorry, I can draw at most three things."
    elif reason == "too many added":
        asked, reply = phrase(Add(stranger, "right"), story.rng), "Sorry, I can draw at most three things."
    elif reason == "unknown thing":
        noun = story.pick(UNKNOWN_THINGS[kind])
        asked = story.pick(("Draw a {n} {w}.", "Please draw a {n} {w}.", "Can you draw a {n} {w}?")).format(
            n=noun, w=backdrop_phrase(scene.backdrop)
        )
        reply = f"Sorry, I cannot draw a {noun}."
    elif reason == "unknown place":
        place = story.pick(UNKNOWN_PLACES[kind])
        asked = story.pick(("Draw {a} {w}.", "Please draw {a} {w}.", "Can you draw {a} {w}?")).format(
            a=thing_phrase(scene.things[0]), w=place
        )
        reply = "Sorry, I cannot draw that place."
    else:
        asked, reply = phrase(Remove(stranger), story.rng), f"Sorry, there is no {stranger} in the picture."
    story.exchange([asked], [reply], Expectation("refuse", facts={"refusal": True, "reason": reason}))
    return True


def _asked_back(story: Story, asked: str, reply: str, about: str) -> None:
    story.exchange([asked], [reply], Expectation("ask back", facts={"asks_back": True, "about": about}))


def _drawn_at_last(story: Story, said: str, scene: Scene) -> None:
    """Let the user say what was missing, and draw."""
    if story.left > 0 and room(story):
        parts = answer_drawing(story, scene, story.pick(DRAW_BEFORE))
        story.before = None
        story.exchange([said], parts, Expectation("draw", draws=True, scene=scene))


def _ask_back_new(story: Story) -> bool:
    """Something is missing in the request for a new picture: the things or the place."""
    scene = replace(story.sample(), frame=None)
    where, things = backdrop_phrase(scene.backdrop), placed(scene.things)
    if story.chance(0.5):
        asked = story.pick(("Draw something {w}.", "Draw it {w}.", "I want a picture {w}.", "Make a card {w}."))
        _asked_back(story, asked.format(w=where), f"What should I draw {where}?", "things")
        _drawn_at_last(story, story.pick(("{t}.", "{t}, please.")).format(t=upper(things)), scene)
    else:
        asked = story.pick(("Draw {t}.", "Please draw {t}.", "Can you draw {t}?"))
        _asked_back(story, asked.format(t=things), "Where should it be?", "backdrop")
        said = story.pick(("{w}.", "{w}, please.", "It should be {l}."))
        _drawn_at_last(story, said.format(w=upper(where), l=where), scene)
    return True


def _ask_back_edit(story: Story) -> bool:
    """Something is missing in the request for a change: which thing, which colour, which place."""
    if story.current is None or story.owners[story.current] != "assistant":
        return False
    scene = story.scenes[story.current]
    about = story.pick(("thing", "colour", "place"))
    edit: Edit
    if about == "thing":
        if len(scene.things) == 1:
            return False
        edit = Remove(story.pick(scene.things))
        asked = story.pick(("Remove one of them.", "Take one away.", "Leave one of them out."))
        reply = f"Which one: {join([f'the {noun}' for noun in scene.things], 'or')}?"
        said = f"The {edit.noun}."
    elif about == "colour":
        edit = ChangeFrame(story.pick([name for name in FRAMES if name != scene.frame]))
        asked = story.pick(("Give it another frame.", "Put a frame around it.", "I want a different frame."))
        reply, said = "Which colour should the frame have?", f"{upper(edit.frame)}."
    else:
        edit = ChangeBackdrop(story.pick([name for name in BACKDROPS if name != scene.backdrop]))
        asked = story.pick(("Put it somewhere else.", "Change the background.", "I want another backdrop."))
        reply, said = "Which backdrop should it be?", f"{upper(BACKDROP_PHRASES[edit.backdrop][1])}."
    after = apply(scene, edit)
    if not story.fits(after):
        return False
    _asked_back(story, asked, reply, about)
    if story.left > 0 and room(story):
        edited(story, "edit", scene, edit, [said])
    return True


def ask_back(story: Story) -> bool:
    """The user leaves out what must be known; a second exchange gives it, when there is time."""
    return (story.chance(0.5) and _ask_back_edit(story)) or _ask_back_new(story)
