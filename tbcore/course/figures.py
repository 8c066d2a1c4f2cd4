"""One look for every figure: a palette safe for colour-blind readers, galleries of pictures, the roadmap."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MARKERS", "PALETTE", "axes", "contact_sheet", "display_figure", "gallery", "smooth"]

# Okabe and Ito's colours, wine instead of their yellow, which is too light on white: distinct for the common
# kinds of colour blindness. Never use colour alone.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 12,
    "figure.facecolor": "white",
    "font.size": 11,
    "grid.alpha": 0.3,
    "image.cmap": "cividis",
    "legend.frameon": False,
}


def axes(rows: int = 1, columns: int = 1, *, width: float = 8.0, height: float = 4.5) -> tuple[Figure, NDArray[Any]]:
    """A figure in the course's style and its axes as an array of shape (rows, columns).

    Args:
        rows: number of rows.
        columns: number of columns.
        width: inches.
        height: inches.
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=list(PALETTE))}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
    return figure, grid


def gallery(
    pictures: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    titles: Sequence[str] = (),
    *,
    columns: int = 4,
    size: float = 1.9,
) -> Figure:
    """Pictures in rows, each with its title, usually its caption, wrapped below it.

    Args:
        pictures: uint8, n y x 3, or a list of y x 3.
        titles: one per picture, or none.
        columns: pictures per row.
        size: inches per picture.

    Raises:
        InputError: no pictures, or another number of titles.
    """
    if len(pictures) == 0:
        raise InputError("gallery: needs at least one picture; got none")
    if titles and len(titles) != len(pictures):
        raise InputError(f"gallery: one title per picture; got {len(titles)} for {len(pictures)} pictures")
    columns_used = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns_used)
    below = [_wrapped(title, width=int(size * 13)) for title in titles]
    room = 0.2 + 0.16 * max((text.count("\n") + 1 for text in below), default=0) if titles else 0.0
    figure, grid = axes(rows, columns_used, width=columns_used * size, height=rows * (size + room))
    for n, place in enumerate(grid.flat):
        _bare(place)
        if n < len(pictures):
            place.imshow(pictures[n], interpolation="nearest")
            place.set_anchor("N")  # spare room goes below, where the titles need it
            if titles:
                place.set_xlabel(below[n], fontsize=9)
        else:
            place.set_visible(False)
    return figure


def contact_sheet(
    groups: Mapping[str, NDArray[np.uint8] | Sequence[NDArray[np.uint8]]],
    *,
    columns: int = 8,
    size: float = 1.0,
) -> Figure:
    """One row of pictures per group, the group's name at its left.

    Args:
        groups: name -> pictures, uint8 y x 3.
        columns: at most so many pictures per group.
        size: inches per picture.
    """
    if not groups:
        raise InputError("contact_sheet: needs at least one group; got none")
    figure, grid = axes(len(groups), columns, width=columns * size + 1.6, height=len(groups) * size)
    for row, (name, pictures) in zip(grid, groups.items(), strict=True):
        for n, place in enumerate(row):
            _bare(place)
            if n < len(pictures):
                place.imshow(pictures[n], interpolation="nearest")
            else:
                place.axis("off")
        row[0].set_ylabel(_wrapped(name, width=16), rotation=0, ha="right", va="center", fontsize=10)
    return figure


def smooth(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means over a window of a twentieth of a curve: the updates in the middle of each window, and the means."""
    width = max(1, len(values) // 20)
    means = np.convolve(values, np.ones(width) / width, mode="valid")
    return np.arange(len(means)) + width // 2, means


def display_figure(figure: Figure, *, alt: str) -> None:
    """Show a figure in the notebook as one PNG with alt text; without a notebook nothing is shown."""
    from IPython.display import Image, display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Description": alt})
    display(Image(data=buffer.getvalue(), format="png", alt=alt))


def _bare(place: Axes) -> None:
    place.set_xticks([])
    place.set_yticks([])
    place.grid(visible=False)
    for spine in place.spines.values():
        spine.set_visible(False)


def _wrapped(text: str, *, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width=max(width, 8), max_lines=5, placeholder=" …"))
