"""What the pictures under the titles are drawn with: a canvas in inches, postcards, program text, boxes."""

from __future__ import annotations

import base64
import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.course import figures
from tbcore.errors import MissingFileError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["box", "canvas", "code", "decoded", "found", "opened", "put"]


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose axes count inches from the lower left corner, with nothing drawn on them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    place: Any = figure.add_axes((0, 0, 1, 1))
    place.set(xlim=(0, width), ylim=(0, height))
    place.axis("off")
    return figure, place


def put(place: Axes, picture: NDArray[np.uint8], x: float, y: float, side: float) -> None:
    """A square picture with its middle at (x, y), in inches."""
    half = side / 2
    box, limits = (x - half, x + half, y - half, y + half), (place.get_xlim(), place.get_ylim())
    place.imshow(picture, extent=box, interpolation="nearest", aspect="auto", zorder=3)
    place.set(xlim=limits[0], ylim=limits[1])


def code(place: Axes, x: float, y: float, text: str, *, width: int) -> None:
    """Text as written by or for a program, its lines broken at `width` letters; (x, y) is the upper left corner."""
    lines = [textwrap.fill(line, width, subsequent_indent="  ") for line in text.split("\n")]
    place.text(x, y, "\n".join(lines), fontsize=9.5, va="top", family="monospace", linespacing=1.3)


def box(place: Axes, left: float, name: str, state: str) -> None:
    """A part of the model, 1.4 inches wide: filled where it "learns", dashed where not."""
    from matplotlib.patches import FancyBboxPatch

    learns = state == "learns"
    fill, line = (figures.PALETTE[0], "solid") if learns else ("#f1f1ee", "dashed")
    look: dict[str, Any] = {
        "boxstyle": "round,pad=0,rounding_size=0.08",
        "facecolor": fill,
        "edgecolor": "black",
        "linestyle": line,
    }
    place.add_patch(FancyBboxPatch((left, 1.2), 1.4, 1.4, **look))
    ink = "white" if learns else "black"
    place.text(left + 0.7, 2.0, name.replace(" ", "\n"), fontsize=12, ha="center", va="center", color=ink)
    place.text(left + 0.7, 1.4, state, fontsize=10, ha="center", va="center", color=ink)


def found(path: Path) -> Path:
    """The path itself.

    Raises:
        MissingFileError: nothing is there; the notebook that writes it is named.
    """
    if not path.is_file():
        number = path.parent.name[:2]
        raise MissingFileError(f"{path}: is missing. Run that notebook first: python -m tbcore run --only {number}")
    return path


def opened(path: Path) -> NDArray[np.uint8]:
    """A picture file as uint8[y x 3]."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def decoded(png: str) -> NDArray[np.uint8]:
    """A PNG in base64 as uint8[y x 3]."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        return np.asarray(picture.convert("RGB"))
