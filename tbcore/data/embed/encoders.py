"""Who turns pictures into vectors: the shipped tower, any open_clip model by name, a stand-in without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.store import sha256_of

__all__ = ["Encoder", "HashingEncoder", "OpenClipEncoder", "TowerEncoder"]


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


class OpenClipEncoder:
    """Any open_clip model, by its name and the name or file of its weights, with its own preprocessing.

    Args:
        name: as open_clip lists it, such as "ViT-B-32"; "hf-hub:owner/name" and "local-dir:folder" bring their weights.
        pretrained: a tag that open_clip lists, such as "laion2b_s34b_b79k", or a file of weights.
        device: where the model runs.

    Raises:
        InputError: no weights are named. A model of random numbers would sort pictures without a warning.
    """

    def __init__(self, name: str, pretrained: str | Path = "", *, device: str = "cpu") -> None:
        import open_clip

        if not pretrained and not name.startswith(("hf-hub:", "local-dir:")):
            raise InputError(
                f"OpenClipEncoder: model {name!r} needs pretrained=, a tag of open_clip.list_pretrained() or a file."
            )
        model, _, preprocess = open_clip.create_model_and_transforms(
            name, pretrained=str(pretrained) or None, device=device
        )
        self._model, self._device, self._preprocess = model.eval(), device, preprocess
        # Two files may share a name, so a file is known by its bytes.
        weights = sha256_of(pretrained)[:12] if pretrained and Path(pretrained).is_file() else str(pretrained)
        self.name = f"open_clip:{name}:{weights}"
        # The transform prints its steps with all their numbers; its functions' addresses change with every run.
        steps = " ".join(word for word in repr(preprocess).split() if not word.startswith("0x"))
        self.preprocessing = f"open_clip-{hashlib.sha256(steps.encode()).hexdigest()[:12]}"

    def prepare(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Resize, crop and normalise one picture [y x 3] to [3 y x]: worker threads do this ahead of the model."""
        from PIL import Image

        return np.asarray(self._preprocess(Image.fromarray(picture)), np.float32)  # pyright: ignore

    def encode(self, pictures: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """One vector for each picture, prepared or not, of any size."""
        import torch

        ready = [self.prepare(one) if one.dtype == np.uint8 else one for one in pictures]
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(ready)).to(self._device)
            return self._model.encode_image(pixels).float().cpu().numpy()  # pyright: ignore
