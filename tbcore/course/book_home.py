"""The home page of the book: its hook picture, and the steps as cards."""

from __future__ import annotations

import html
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tbcore.course.book_cells import Lesson
from tbcore.errors import InputError
from tbcore.world.captions import parse_caption
from tbcore.world.render import render
from tbcore.world.scenes import Scene

__all__ = ["HOOK", "Card", "cards", "contents", "hook", "read_cards", "thumbnail"]

HOOK = (
    "a tiger to the left of an owl in a green meadow",
    "a rocket in the desert",
    "a penguin to the left of a whale on the open sea",
    "a strawberry, a pear and a pineapple, from left to right, on a wooden table",
    "a panda on a snowy hill",
    "a violin to the left of a saxophone on a starry night",
    "a sailboat at sunset",
    "an ice cream to the left of a lollipop on a city street",
    "a house to the left of a tree on a rainy day",
    "a crab to the left of an octopus on a sandy beach",
    "a fox to the left of a giraffe in a green meadow",
    "a monkey at sunset",
)
"""Captions of the postcards on the home page, row by row."""

_HOOK_COLUMNS, _HOOK_SIDE = 4, 256
_CARD_SIZE = (640, 360)


class Card(BaseModel):
    """How the home page shows a lesson.

    Args:
        line: one sentence.
        picture: a part of the alt text of the figure to show; the lesson's first figure if none has it.
        crop: left, top, right and bottom edge of what is shown, as shares of the figure.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: str
    picture: str = ""
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def hook(folder: Path) -> str:
    """Draw the postcards of the home page into one picture, and say it as HTML with alt text.

    Raises:
        InputError: a caption is none that the world of postcards knows.
    """
    import numpy as np
    from PIL import Image

    drawn = []
    for caption in HOOK:
        scene = parse_caption(caption)
        if not isinstance(scene, Scene):
            raise InputError(f"hook: {caption!r} is no caption of a postcard: {scene}")
        drawn.append(render(scene, _HOOK_SIDE))
    rows = [np.concatenate(drawn[at : at + _HOOK_COLUMNS], axis=1) for at in range(0, len(drawn), _HOOK_COLUMNS)]
    picture = Image.fromarray(np.concatenate(rows))
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / "hook.png", optimize=True)
    alt = f"{len(HOOK)} postcards from the course's own world: {'; '.join(HOOK)}."
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img src="_static/{folder.name}/hook.png" alt="{html.escape(alt, quote=True)}" {size}>'


def read_cards(path: Path) -> dict[str, Card]:
    """The cards of the home page by number of the lesson.

    Raises:
        InputError: the file is no TOML, or a card breaks the schema.
    """
    try:
        return {name: Card.model_validate(row) for name, row in tomllib.loads(path.read_text("utf-8")).items()}
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def thumbnail(lesson: Lesson, card: Card | None, folder: Path) -> Path | None:
    """Write the picture of a lesson's card, cut to one shape; None if the lesson shows no picture."""
    from PIL import Image, ImageOps

    if not lesson.pictures:
        return None
    wanted = card.picture if card else ""
    path = next((path for path, alt in lesson.pictures if wanted and wanted in alt), lesson.pictures[0][0])
    with Image.open(path) as opened:
        whole = opened.convert("RGB")
    left, top, right, bottom = card.crop if card else (0.0, 0.0, 1.0, 1.0)
    part = whole.crop((left * whole.width, top * whole.height, right * whole.width, bottom * whole.height))
    inked = ImageOps.invert(part).getbbox()  # without the white margins of a figure
    part = part.crop(inked) if inked else part
    target = folder / f"{lesson.number}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    ImageOps.fit(part, _CARD_SIZE, Image.Resampling.LANCZOS).save(target, optimize=True)
    return target


def cards(lessons: Sequence[Lesson], known: Mapping[str, Card], pictures: Mapping[str, Path]) -> str:
    """The steps as a list of linked cards with number, title and one sentence each."""
    if not lessons:
        return ""
    parts = ['<ol class="tb-cards">']
    for lesson in lessons:
        card = known.get(lesson.number)
        line = card.line if card else ""
        path = pictures.get(lesson.number)
        picture = f'<img src="_static/{path.parent.name}/{path.name}" alt="" loading="lazy">' if path else ""
        parts.append(
            f'<li><a href="lessons/{lesson.name}.html">{picture}<span class="tb-number">{lesson.number}</span>'
            f'<span class="tb-title">{html.escape(lesson.title)}</span>'
            f'<span class="tb-line">{html.escape(line)}</span></a></li>'
        )
    return "\n".join([*parts, "</ol>"])


def contents(lessons: Sequence[Lesson]) -> str:
    """Entries of a table of contents, with the number before each title."""
    return "\n".join(f"{one.number} {one.title.replace('<', '')} <lessons/{one.name}>" for one in lessons)
