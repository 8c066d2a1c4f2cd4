"""A map of pictures that answers to the pointer and to the keyboard: one dot per picture, its card on hover or focus.

It is plain HTML and CSS without any script: it works in a saved notebook and needs no running kernel. Captions come
from data and are escaped; pictures are encoded here, never linked.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbcore.course.figures import PALETTE
from tbcore.errors import InputError

__all__ = ["hover_map"]

_STYLE = """
.tbmap{position:relative;width:640px;height:440px;border:1px solid #999;background:#fff;margin:8px 0}
.tbmap-dot{position:absolute;width:16px;height:16px;margin:-8px 0 0 -8px;border-radius:8px;font:10px/16px sans-serif;
text-align:center;color:#000;cursor:default}
.tbmap-card{display:none;position:absolute;z-index:9;left:14px;top:10px;width:150px;padding:6px;background:#fff;
color:#111;border:1px solid #333;font:12px/1.3 sans-serif;text-align:left}
.tbmap-card.tbmap-west{left:auto;right:14px}
.tbmap-card.tbmap-north{top:auto;bottom:10px}
.tbmap-card img{display:block;width:96px;height:96px;image-rendering:pixelated;margin-bottom:4px}
.tbmap-dot:hover,.tbmap-dot:focus{z-index:8;outline:2px solid #000}
.tbmap-dot:hover .tbmap-card,.tbmap-dot:focus .tbmap-card{display:block}
"""
_COLOURS = 48  # a palette of so many colours makes the encoded pictures a third as large
_SIDE = 64


def hover_map(
    points: NDArray[np.floating],
    pictures: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    labels: Sequence[int],
) -> str:
    """The map as HTML; each dot bears the number of its cluster, so that colour is never alone.

    Args:
        points: [n 2], any units.
        pictures: n times uint8 [y x 3].
        captions: n texts, shown as they are, whatever they contain.
        labels: cluster of each picture.

    Raises:
        InputError: the numbers of points, pictures, captions and labels differ, or there are none.
    """
    sizes = (len(points), len(pictures), len(captions), len(labels))
    if len(set(sizes)) != 1 or not sizes[0]:
        raise InputError(
            f"hover_map: one point, picture, caption and label each is needed; got {', '.join(map(str, sizes))}."
        )
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    places = (points - low) / np.maximum(high - low, 1e-12)
    dots = [
        _dot(float(x), 1 - float(y), picture, caption, int(label))
        for (x, y), picture, caption, label in zip(places, pictures, captions, labels, strict=True)
    ]
    opening = '<div class="tbmap" role="group" aria-label="map of pictures; each dot shows its picture on focus">'
    return "\n".join([f"<style>{_STYLE}</style>", opening, *dots, "</div>"])


def _dot(x: float, y: float, picture: NDArray[np.uint8], caption: str, label: int) -> str:
    side = f"{' tbmap-west' if x > 0.5 else ''}{' tbmap-north' if y > 0.5 else ''}"
    said = html.escape(caption, quote=True)
    return (
        f'<span class="tbmap-dot" tabindex="0" role="img" aria-label="cluster {label}: {said}" '
        f'style="left:{4 + 92 * x:.1f}%;top:{4 + 92 * y:.1f}%;background:{PALETTE[label % len(PALETTE)]}">{label}'
        f'<span class="tbmap-card{side}"><img alt="" src="{_data_url(picture)}">{said}</span></span>'
    )


def _data_url(picture: NDArray[np.uint8]) -> str:
    small = Image.fromarray(picture).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(_COLOURS).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
