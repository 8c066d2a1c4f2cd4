"""From a picture back to its scene: analysis by synthesis over everything this world can show.

    backdrop, shift   the one whose pixels outside all slots are nearest, in nine shifts of the whole picture
    things            for one, two and three slots: every thing at every jitter, one matrix product per slot
    frame             the colour (or none) nearest to the two outermost pixels
    verdict           the best scene is drawn again and compared; too far or too doubtful is rejected

With D = picture - backdrop and a thing's change d = alpha * (colour - backdrop), drawing the thing lowers
the squared error by 2 D.d - |d|^2, its *gain*. D.d is a product of pictures with four-channel templates that
know no backdrop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tbcore.errors import InputError
from tbcore.world.backdrops import BACKDROPS, backdrop_pixels
from tbcore.world.render import FRAME_COLOURS, FRAME_WIDTH, JITTER, SIZE, SLOT_BOXES
from tbcore.world.scenes import FRAMES, Scene
from tbcore.world.sprites import SPRITES, artwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

__all__ = ["LEAST_CONFIDENCE", "MOST_DISTANCE", "Reading", "nearest_many", "read", "read_many"]

MOST_DISTANCE = 34.0
"""Pictures farther than this from every scene are rejected.

Chosen with `LEAST_CONFIDENCE` on 1,500 scenes: of those blurred by a Gaussian of 0.7 (1.0) pixels with noise
of sigma 4 (6), 100 % (99.8 %) are accepted and right; of half-faded mixtures under 0.1 % are, and 1.1 %
where both scenes are equal but for one thing. At a distance of 24 the last becomes 0.1 %, and 0.3 % of the
blurred ones are lost; a painter's softer drawings would lose more."""

LEAST_CONFIDENCE = 0.3
"""Pictures between two scenes, with a smaller margin than this, are rejected."""

_NOUNS = tuple(SPRITES)
_FRAMES: tuple[str | None, ...] = (None, *FRAMES)
_SHIFTS = tuple((dy, dx) for dy in (0, -1, 1) for dx in (0, -1, 1))  # no shift first: it wins ties
_CHUNK = 8  # pictures at a time: their windows stay in the processor's cache
_FINALISTS = 6  # things per slot that are compared once more
_BLOCK = 8  # side of the squares over which the distance is taken


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader makes of one picture.

    Attributes:
        scene: the scene, or None when the picture is rejected.
        confidence: 0..1, the smallest of the decisions' margins 1 - error(best) / error(second best).
        distance: root mean square difference, in grey levels (0..255), between the slightly smoothed picture
            and the best scene drawn again, in the worst square of 8 by 8 pixels.
        reason: why it was rejected, or "".
    """

    scene: Scene | None
    confidence: float
    distance: float
    reason: str


def read(picture: NDArray[np.uint8]) -> Reading:
    """Read one picture, uint8[64 64 3]; see `read_many`."""
    return read_many(picture[None])[0]


def read_many(pictures: NDArray[np.uint8]) -> list[Reading]:
    """Read pictures; what is too far from every scene, or between two, is rejected.

    Args:
        pictures: uint8[n 64 64 3], RGB.

    Raises:
        InputError: another shape or type.
    """
    return [_judged(reading) for reading in nearest_many(pictures)]


def nearest_many(pictures: NDArray[np.uint8]) -> list[Reading]:
    """Return the nearest scene of each picture without rejecting for distance or doubt: uint8[n 64 64 3].

    The scene is None only where the nearest arrangement is no scene: an empty slot, or one thing twice.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1:] != (SIZE, SIZE, 3):
        raise InputError(
            f"reader: pictures must be uint8[n {SIZE} {SIZE} 3]; got {pictures.dtype}{list(pictures.shape)}. "
            "Resize to 64 by 64 and convert to RGB bytes first."
        )
    starts = range(0, len(pictures), _CHUNK)
    return [reading for start in starts for reading in _read_chunk(pictures[start : start + _CHUNK])]


def _judged(reading: Reading) -> Reading:
    reason = reading.reason
    if reading.scene is not None and reading.distance > MOST_DISTANCE:
        reason = f"the nearest is {reading.distance:.1f} grey levels away; at most {MOST_DISTANCE} is allowed"
    elif reading.scene is not None and reading.confidence < LEAST_CONFIDENCE:
        reason = f"two scenes are about equally near: margin {reading.confidence:.2f} < {LEAST_CONFIDENCE}"
    return reading if not reason else Reading(None, reading.confidence, reading.distance, reason)


@dataclass(frozen=True, slots=True)
class _Slots:
    """The best arrangement of one picture for one number of things."""

    gain: float
    things: tuple[int, ...]
    places: tuple[tuple[int, int], ...]
    margin: float
    empty: bool


def _read_chunk(pictures: NDArray[np.uint8]) -> list[Reading]:
    straight, backdrops, margins = _find_backdrops(pictures.astype(np.float32))
    scenery = np.stack([_backdrop(k) for k in backdrops])
    rest = straight - scenery
    channels = np.concatenate([rest, -(rest * scenery).sum(-1, keepdims=True)], axis=-1)
    by_count = [_best_slots(n, channels, rest, backdrops) for n in SLOT_BOXES]
    readings: list[Reading] = []
    for k, picture in enumerate(straight):
        options = sorted((slots[k] for slots in by_count), key=lambda option: -option.gain)
        total = float(
            (_smooth(rest[k : k + 1, FRAME_WIDTH:-FRAME_WIDTH, FRAME_WIDTH:-FRAME_WIDTH]) ** 2).sum()
        )  # inside the frame
        counted = _margin(total - options[0].gain, total - options[1].gain)
        frame, framed = _find_frame(picture, scenery[k])
        confidence = min(float(margins[k]), options[0].margin, counted, framed)
        readings.append(_reading(picture, BACKDROPS[backdrops[k]], options[0], frame, confidence))
    return readings


def _reading(picture: Floats, backdrop: str, slots: _Slots, frame: str | None, confidence: float) -> Reading:
    things = tuple(_NOUNS[k] for k in slots.things)
    distance = _distance(picture, _draw(backdrop, slots, frame))
    if slots.empty:
        return Reading(None, confidence, distance, "a slot holds nothing this world knows")
    if len(set(things)) < len(things):
        return Reading(None, confidence, distance, f"the same thing stands there twice: {', '.join(things)}")
    return Reading(Scene(backdrop, things, frame), confidence, distance, "")


def _margin(best: float, second: float) -> float:
    return max(0.0, 1.0 - best / second) if second > 0 else 0.0


@cache
def _backdrop(k: int) -> Floats:
    return backdrop_pixels(BACKDROPS[k]).astype(np.float32)


@cache
def _scenery_mask() -> NDArray[np.bool_]:
    """Return bool[64 64]: pixels that no thing and no frame can reach, whatever the count and jitter."""
    free = np.zeros((SIZE, SIZE), dtype=bool)
    edge = FRAME_WIDTH + 1
    free[edge:-edge, edge:-edge] = True
    for count, boxes in SLOT_BOXES.items():
        most_x, most_y = JITTER[count]
        for x, y, side in boxes:
            free[y - most_y : y + side + most_y, x - most_x : x + side + most_x] = False
    return free


def _find_backdrops(pictures: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return the pictures shifted back (float32[n 64 64 3]), the backdrops and their margins (each [n])."""
    rows, columns = np.nonzero(_scenery_mask())
    known = np.stack([_backdrop(k)[rows, columns].ravel() for k in range(len(BACKDROPS))])
    errors = np.empty((len(_SHIFTS), len(pictures), len(BACKDROPS)), dtype=np.float32)
    for s, (dy, dx) in enumerate(_SHIFTS):
        seen = pictures[:, rows + dy, columns + dx].reshape(len(pictures), -1)
        errors[s] = (seen**2).sum(1)[:, None] - 2 * seen @ known.T + (known**2).sum(1)
    by_backdrop = np.maximum(errors.min(0), 0)
    ranked = np.sort(by_backdrop, axis=1)
    backdrops = by_backdrop.argmin(1)
    shifts = errors[:, np.arange(len(pictures)), backdrops].argmin(0)
    lines = np.arange(SIZE)
    straight = np.empty_like(pictures)
    for k, s in enumerate(shifts):
        dy, dx = _SHIFTS[s]
        straight[k] = pictures[k][np.clip(lines + dy, 0, SIZE - 1)][:, np.clip(lines + dx, 0, SIZE - 1)]
    return straight, backdrops, 1 - ranked[:, 0] / np.maximum(ranked[:, 1], 1e-6)


@cache
def _templates(side: int) -> tuple[Floats, Floats, Floats]:
    """Return what windows are multiplied with: float32[side*side*4 96], float32[96], float32[side*side*4 96].

    The first gives D.d from the channels (D, -D.backdrop). The others give |d|^2: the part that knows no
    backdrop, and the part found from the channels (backdrop, |backdrop|^2).
    """
    drawn = [_premultiplied(k, side) for k in range(len(_NOUNS))]
    colour, alpha = np.stack([c for c, _ in drawn]), np.stack([a for _, a in drawn])
    against_rest = np.concatenate([colour, alpha], axis=-1).reshape(len(_NOUNS), -1)
    against_scenery = np.concatenate([-2 * alpha * colour, alpha**2], axis=-1).reshape(len(_NOUNS), -1)
    return against_rest.T.copy(), (colour**2).sum((1, 2, 3)), against_scenery.T.copy()


def _places(count: int, slot: int) -> list[tuple[int, int]]:
    """All (x, y) at which the thing of one slot may stand."""
    x, y, _ = SLOT_BOXES[count][slot]
    most_x, most_y = JITTER[count]
    return [(x + dx, y + dy) for dy in range(-most_y, most_y + 1) for dx in range(-most_x, most_x + 1)]


def _windows(channels: Floats, count: int, slot: int) -> Floats:
    """Cut out every place of a slot: float32[n 64 64 c] -> float32[n*places side*side*c]."""
    side = SLOT_BOXES[count][slot][2]
    places = _places(count, slot)
    cut = np.empty((len(channels), len(places), side, side, channels.shape[-1]), dtype=np.float32)
    for p, (x, y) in enumerate(places):
        cut[:, p] = channels[:, y : y + side, x : x + side]
    return cut.reshape(len(channels) * len(places), -1)


@cache
def _lengths(backdrop: int, count: int, slot: int) -> Floats:
    """Return |d|^2 of every place and thing on one backdrop: float32[places 96]."""
    _, own, against_scenery = _templates(SLOT_BOXES[count][slot][2])
    pixels = _backdrop(backdrop)
    channels = np.concatenate([pixels, (pixels**2).sum(-1, keepdims=True)], axis=-1)[None]
    return own + _windows(channels, count, slot) @ against_scenery


def _best_slots(count: int, channels: Floats, rest: Floats, backdrops: NDArray[np.int64]) -> list[_Slots]:
    """Return the best arrangement of `count` things for each picture: channels float32[n 64 64 4]."""
    found = [list(_best_things(count, slot, channels, rest, backdrops)) for slot in range(count)]
    arrangements: list[_Slots] = []
    for per_slot in zip(*found, strict=True):
        gains = [gain for gain, _, _, _ in per_slot]
        arrangements.append(
            _Slots(
                gain=sum(gains),
                things=tuple(thing for _, thing, _, _ in per_slot),
                places=tuple(place for _, _, place, _ in per_slot),
                margin=min(margin for _, _, _, margin in per_slot),
                empty=min(gains) <= 0,
            )
        )
    return arrangements


def _best_things(
    count: int, slot: int, channels: Floats, rest: Floats, backdrops: NDArray[np.int64]
) -> Iterator[tuple[float, int, tuple[int, int], float]]:
    """Yield (gain, thing, place, margin) of one slot for each picture.

    The products find the few nearest things pixel by pixel; among these, smoothed differences decide, because
    a picture that was blurred on its way (by an autoencoder, say) is unfair to fine-grained drawings.
    """
    places = _places(count, slot)
    template, _, _ = _templates(SLOT_BOXES[count][slot][2])
    products = (_windows(channels, count, slot) @ template).reshape(len(channels), len(places), -1)
    gains = 2 * products - np.stack([_lengths(int(k), count, slot) for k in backdrops])
    nearest = np.argpartition(gains.max(1), -_FINALISTS, axis=1)[:, -_FINALISTS:]
    for k, things in enumerate(nearest):
        at = [places[p] for p in gains[k][:, things].argmax(0)]
        errors = _smooth_errors(count, slot, rest[k], _backdrop(int(backdrops[k])), things, at)
        first, second = np.argsort(errors[1:])[:2]
        best = float(errors[1 + first])
        margin = _margin(best, float(min(errors[0], errors[1 + second])))
        yield float(errors[0]) - best, int(things[first]), at[first], margin


def _smooth_errors(
    count: int, slot: int, rest: Floats, scenery: Floats, things: NDArray[np.int64], at: list[tuple[int, int]]
) -> Floats:
    """Return squared smoothed differences over a slot's area, float32[1 + things]: empty, then each thing."""
    x0, y0, side = SLOT_BOXES[count][slot]
    left, top = x0 - JITTER[count][0] - 1, y0 - JITTER[count][1] - 1
    right, bottom = x0 + side + JITTER[count][0] + 1, y0 + side + JITTER[count][1] + 1
    areas = np.repeat(rest[None, top:bottom, left:right], 1 + len(things), axis=0)
    for area, thing, (x, y) in zip(areas[1:], things, at, strict=True):
        colour, alpha = _premultiplied(int(thing), side)
        area[y - top : y - top + side, x - left : x - left + side] -= (
            colour - alpha * scenery[y : y + side, x : x + side]
        )
    return (_smooth(areas) ** 2).sum((1, 2, 3))


def _smooth(areas: Floats) -> Floats:
    """Mean over 3 by 3 pixels, without the outermost line: float32[n h w 3] -> float32[n h-2 w-2 3]."""
    lines = areas[:, :-2] + areas[:, 1:-1] + areas[:, 2:]
    return (lines[:, :, :-2] + lines[:, :, 1:-1] + lines[:, :, 2:]) / np.float32(9)


@cache
def _premultiplied(thing: int, side: int) -> tuple[Floats, Floats]:
    """Return colour * alpha and alpha (0..1): float32[side side 3] and float32[side side 1]."""
    pixels = artwork(_NOUNS[thing], side).astype(np.float32)
    alpha = pixels[..., 3:] / np.float32(255)
    return pixels[..., :3] * alpha, alpha


@cache
def _ring() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels a frame covers."""
    ring = np.ones((SIZE, SIZE), dtype=bool)
    ring[FRAME_WIDTH:-FRAME_WIDTH, FRAME_WIDTH:-FRAME_WIDTH] = False
    rows, columns = np.nonzero(ring)
    return rows, columns


def _find_frame(picture: Floats, scenery: Floats) -> tuple[str | None, float]:
    """Return the frame and its margin: none means that the backdrop shows at the border."""
    rows, columns = _ring()
    seen = picture[rows, columns]
    errors = [float(((seen - scenery[rows, columns]) ** 2).sum())]
    errors += [float(((seen - np.array(FRAME_COLOURS[name])) ** 2).sum()) for name in FRAMES]
    best, second = np.argsort(errors)[:2]
    return _FRAMES[best], _margin(errors[best], errors[second])


def _draw(backdrop: str, slots: _Slots, frame: str | None) -> Floats:
    """Draw an arrangement that need not be a scene: float32[64 64 3]."""
    picture = backdrop_pixels(backdrop).astype(np.float32)
    side = SLOT_BOXES[len(slots.things)][0][2]
    for thing, (x, y) in zip(slots.things, slots.places, strict=True):
        colour, alpha = _premultiplied(thing, side)
        window = picture[y : y + side, x : x + side]
        window[...] = colour + window * (1 - alpha)
    if frame is not None:
        rows, columns = _ring()
        picture[rows, columns] = FRAME_COLOURS[frame]
    return picture


def _distance(picture: Floats, drawn: Floats) -> float:
    """Smooth the difference over 3 by 3 pixels, then take its root mean square in the worst square."""
    rest = _smooth(np.pad(picture - drawn, ((1, 1), (1, 1), (0, 0)), mode="edge")[None])[0]
    squares = (rest**2).reshape(SIZE // _BLOCK, _BLOCK, SIZE // _BLOCK, _BLOCK, 3).mean((1, 3, 4))
    return float(np.sqrt(squares.max()))
