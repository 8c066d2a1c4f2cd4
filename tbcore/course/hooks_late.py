"""The pictures under the titles of the lessons that need a trained model, the painter or a cluster."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.course import figures
from tbcore.course.hook_drawing import canvas, found, put
from tbcore.seeds import stream
from tbcore.store import read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cut_and_joined", "first_words", "out_of_noise", "wrong_caption"]

_STAGES = (("untrained", "untrained"), ("prealigned", "after step 0"), ("aligned", "after stage 1"))
_HINT = {"va": "center", "fontsize": 12}


def first_words(run: Path) -> Figure:
    """Notebook 06: one held-out picture, and what the model said of it before, between and after the stages."""
    from tbcore.train.scores import held_out_scenes, read_scene
    from tbcore.world.render import render

    folder = run / "06_training"
    said = {title: read_json(found(folder / f"said_{name}.json")) for name, title in _STAGES}
    said["after stage 2"] = read_json(found(folder / "said_instructed.json"))
    scenes = held_out_scenes(stream(_seed(run), "held-out scenes"), len(said["untrained"]))
    right = [
        read_scene(text) == (one.backdrop, one.things) for text, one in zip(said["after stage 2"], scenes, strict=True)
    ]
    many = [k for k, one in enumerate(scenes) if right[k] and len(one.things) > 1]
    chosen = (many or [k for k, good in enumerate(right) if good] or [0])[0]
    figure, place = canvas(11.0, 3.3)
    put(place, render(scenes[chosen], size=192), 1.65, 1.65, 2.9)
    for n, (title, texts) in enumerate(said.items()):
        y = 2.85 - 0.8 * n
        place.text(3.5, y, title, fontweight="bold", **_HINT)
        words = textwrap.shorten(" ".join(texts[chosen].split()), 100, placeholder=" ...")
        place.text(5.1, y, textwrap.fill(f"\u201c{words}\u201d", 52), linespacing=1.3, **_HINT)
    return figure


def wrong_caption(run: Path) -> Figure:
    """Notebook 08: a wish, the caption the model wrote, and the drawing; the first of the exam that went wrong."""
    from tbcore.model.painter.pipeline import PostcardPainter, load_painter
    from tbcore.world.captions import parse_caption
    from tbcore.world.dialogues import simulate

    drawn = read_json(found(run / "06_training" / "scores.json"))["drawn"]
    talks = simulate(_seed(run), 4 * len(drawn), split="test", weights={"draw": 1}, exchanges=(1, 1))
    wanted = {one.dialogue.turns[0].text: one.scenes[-1] for one in talks}
    wrong = [one for one in drawn if parse_caption(one[1]) != wanted[one[0]]]
    asked, written, seed = (wrong or drawn)[0]
    picture = PostcardPainter(load_painter()).paint([written], [seed])[0]
    figure, place = canvas(11.0, 3.0)
    for x, head, words in ((0.2, "you asked", asked), (4.0, "the model wrote", written)):
        place.text(x, 2.3, head, fontweight="bold", **_HINT)
        place.text(x, 1.9, textwrap.fill(words, 30), va="top", fontsize=12, linespacing=1.4)
    place.text(7.6, 2.3, "the painter drew", fontweight="bold", **_HINT)
    put(place, picture, 8.5, 1.15, 1.8)
    place.text(10.3, 1.2, "?", fontsize=44, fontweight="bold", ha="center", va="center", color=figures.PALETTE[1])
    for x in (3.45, 7.05):
        _arrow(place, (x, 1.4), (x + 0.4, 1.4))
    return figure


def out_of_noise(text: str = "an owl on a starry night") -> Figure:
    """Appendix A1: the shipped painter at work, from noise to a postcard, at some of its steps."""
    from tbcore.model.painter.pipeline import load_painter

    painter, shown = load_painter(), list[NDArray[np.uint8]]()

    def keep(_: int, latents: Any) -> None:
        shown.append(painter.preview(latents)[0])

    import torch

    painter(text, generator=torch.Generator().manual_seed(4), output_type="np", callback_on_step_end=keep)
    steps = (0, 3, 6, 9, 11, 13, 15)
    figure, place = canvas(11.0, 2.3)
    for n, step in enumerate(steps):
        put(place, shown[step], 0.85 + 1.55 * n, 1.0, 1.4)
        place.text(0.85 + 1.55 * n, 1.95, f"step {step + 1}", ha="center", **_HINT)
    return figure


def cut_and_joined() -> Figure:
    """Appendix A3: records cut into shards, two workers of which one dies, and one file."""
    figure, place = canvas(11.0, 3.2)
    columns = ((0.3, "records"), (3.0, "shards, by hash"), (5.9, "workers"), (8.7, "one file"))
    for x, head in columns:
        place.text(x, 2.95, head, fontweight="bold", **_HINT)
    for n in range(12):
        _tile(place, 0.3 + 0.42 * (n % 3), 2.2 - 0.6 * (n // 3), 0.34, _tint(n))
        shard, row = n % 4, n // 4
        _tile(place, 3.0 + 0.42 * row, 2.2 - 0.6 * shard, 0.34, _tint(n))
        _tile(place, 8.7 + 0.42 * (n % 3), 2.2 - 0.6 * (n // 3), 0.34, _tint(n))
    for n, (name, alive) in enumerate((("worker 1", True), ("worker 2", False))):
        y = 1.5 - 1.25 * n
        _tile(place, 5.9, y, 1.5, "#f1f1ee", height=0.95)
        place.text(6.65, y + 0.47, name, ha="center", color="black" if alive else "#777777", **_HINT)
        if not alive:
            place.plot([6.0, 7.3], [y + 0.1, y + 0.85], color=figures.PALETTE[1], lw=4)
            place.plot([6.0, 7.3], [y + 0.85, y + 0.1], color=figures.PALETTE[1], lw=4)
    for x in (1.9, 4.7, 7.7):
        _arrow(place, (x, 1.45), (x + 0.6, 1.45))
    place.text(10.1, 1.45, "the same\nbytes", linespacing=1.4, fontsize=12, va="center", style="italic")
    return figure


def _tint(n: int) -> str:
    return figures.PALETTE[n % 4]


def _tile(place: Axes, x: float, y: float, width: float, colour: str, *, height: float = 0.44) -> None:
    from matplotlib.patches import Rectangle

    place.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none"))


def _arrow(place: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    place.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "lw": 2})


def _seed(run: Path) -> int:
    return int(read_json(found(run / "run.json"))["seed"])
