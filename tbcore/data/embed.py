"""Pictures to vectors: what a frozen vision tower makes of each picture, of length one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError

__all__ = ["Encoder", "HashingEncoder", "TowerEncoder", "embed"]


class Encoder(Protocol):
    """Whatever turns pictures into vectors."""

    @property
    def name(self) -> str:
        """Goes into manifests: other vectors come from another name."""
        ...

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One vector [d] for each picture [y x 3]; any length but zero."""
        ...


class HashingEncoder:
    """A stand-in without weights: the average colour of each cell of a 4 x 4 grid, around its mean."""

    name = "colour-grid-4"

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Vectors of 49 numbers; the last one keeps a plain grey picture from being all zeros."""
        vectors = np.ones((len(pictures), 49), np.float32)
        for row, picture in enumerate(pictures):
            cells = [
                cell.mean(axis=(0, 1)) / 255 - 0.5
                for band in np.array_split(picture, 4, axis=0)
                for cell in np.array_split(band, 4, axis=1)
            ]
            vectors[row, :48] = np.concatenate(cells)
        return vectors


class TowerEncoder:
    """The shipped open_clip tower, or any open_clip model with its pixel mean and deviation.

    A large tower's pooled vector says what a picture is about. The shipped one has 128 numbers in which every fact
    counts alike, the frame as much as the things; the average of its patches tells topics better, so that is what
    it gives by default.

    Args:
        model: an open_clip model; the shipped one when left out.
        mean, std: per colour, for pixels from 0 to 1.
        name: goes into manifests.
        pooled: give the projected vector that the contrastive loss trained; False: the average patch. None: the
            average patch for the shipped tower, the projected vector for any other model.
    """

    def __init__(
        self,
        model: Any = None,
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
        *,
        name: str = "tower:postcards",
        pooled: bool | None = None,
    ) -> None:
        self._pooled = (model is not None) if pooled is None else pooled
        if model is None:
            from tbcore.weights.zoo import TOWER_MEAN, TOWER_STD, load_tower

            model, mean, std = load_tower(), TOWER_MEAN, TOWER_STD
        if len(mean) != 3 or len(std) != 3:
            raise InputError(f"TowerEncoder: mean and std need three numbers each; got {mean} and {std}.")
        self.name = name
        self._model = model.eval()
        self._mean, self._std = tuple(mean), tuple(std)

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One vector per picture; pictures must share the size the tower was trained on."""
        import torch

        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        mean = torch.tensor(self._mean).view(1, 3, 1, 1)
        std = torch.tensor(self._std).view(1, 3, 1, 1)
        with torch.inference_mode():
            if self._pooled:
                return self._model.encode_image((pixels - mean) / std).float().numpy()
            seen = self._model.visual.forward_intermediates(
                (pixels - mean) / std, indices=1, normalize_intermediates=True, intermediates_only=True
            )
            return seen["image_intermediates"][-1].mean(dim=(2, 3)).float().numpy()


def embed(pictures: Iterable[NDArray[np.uint8]], encoder: Encoder, *, batch_size: int = 64) -> NDArray[np.float16]:
    """Vectors [n d] of length one, in the order of the pictures, half precision as they are stored.

    Raises:
        InputError: there are no pictures, or the encoder gives something else than one finite, non-zero
            vector for each; the message names the first such picture by its place.
    """
    rows: list[NDArray[np.float16]] = []
    done = 0
    for batch in _batches(pictures, batch_size):
        vectors = np.asarray(encoder.encode(batch), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(batch):
            raise InputError(
                f"embed: encoder {encoder.name!r} must give one vector per picture; got shape {vectors.shape} "
                f"for {len(batch)} pictures."
            )
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (good := np.isfinite(length[:, 0]) & (length[:, 0] > 0)).all():
            raise InputError(
                f"embed: encoder {encoder.name!r} gave no usable vector for picture {done + int(np.argmin(good))} "
                "(counting from 0): it is zero or not finite. Leave the picture out."
            )
        rows.append((vectors / length).astype(np.float16))
        done += len(batch)
    if not rows:
        raise InputError("embed: there are no pictures. Look at the rejections of the pairs.")
    return np.concatenate(rows)


def _batches(pictures: Iterable[NDArray[np.uint8]], size: int) -> Iterator[list[NDArray[np.uint8]]]:
    left = iter(pictures)
    while batch := list(islice(left, size)):
        yield batch
