"""The vision tower's port: pictures in, frozen features out; an open_clip adapter and a fake."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.errors import InputError

__all__ = ["FrozenTower", "HashTower", "OpenClipTower", "VisionTower", "build_tower", "check_pictures"]


@runtime_checkable
class VisionTower(Protocol):
    """What the model needs of a tower. Any object with these answers will do.

    Attributes:
        width: d_vis, numbers per patch.
        n_patches: p, patches per picture, row by row.
        settings: what `build_tower` needs to make the same tower again.
    """

    width: int
    n_patches: int
    settings: dict[str, Any]

    def patches(self, pictures: NDArray[np.uint8]) -> Tensor:
        """uint8[i y x 3] -> float[i p d_vis], for the model."""
        ...

    def pooled(self, pictures: NDArray[np.uint8]) -> Tensor:
        """uint8[i y x 3] -> float[i d], one vector per picture, for clustering."""
        ...


def check_pictures(pictures: NDArray[np.uint8], *, size: int) -> None:
    """Refuse what is not a stack of square RGB pictures of the tower's size.

    Raises:
        InputError: another type or shape.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1:] != (size, size, 3):
        raise InputError(
            f"vision tower: pictures must be uint8[i {size} {size} 3]; got {pictures.dtype}{list(pictures.shape)}. "
            "Fit them into a square of that size first."
        )


class FrozenTower(nn.Module, ABC):
    """A tower that never learns: no gradients, and always in eval mode. Live dropout would not be frozen.

    Attributes:
        width, n_patches, settings: see `VisionTower`.
        size: side of its pictures in pixels.
    """

    width: int
    n_patches: int
    size: int
    settings: dict[str, Any]

    @abstractmethod
    def patches(self, pictures: NDArray[np.uint8]) -> Tensor:
        """uint8[i y x 3] -> float[i p d_vis]."""

    @abstractmethod
    def pooled(self, pictures: NDArray[np.uint8]) -> Tensor:
        """uint8[i y x 3] -> float[i d], of length one."""

    def _freeze(self) -> None:
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> FrozenTower:  # noqa: ARG002 - the switch is kept off on purpose
        """Stay in eval mode whatever is asked."""
        return super().train(False)


class OpenClipTower(FrozenTower):
    """The picture side of an open_clip model. Patches are taken from the last block, before pooling.

    Args:
        visual: `open_clip.CLIP.visual`, a vision transformer.
        settings: {"kind": "open_clip", "config": the open_clip model config, "mean": [3], "std": [3]}.
    """

    def __init__(self, visual: nn.Module, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.visual = visual
        self.settings = dict(settings)
        rows, columns = visual.grid_size  # type: ignore[misc]
        self.n_patches = int(rows * columns)
        self.size = int(visual.image_size[0])  # type: ignore[index]
        self.width = int(visual.conv1.out_channels)  # type: ignore[union-attr,arg-type]
        self._mean, self._std = (tuple(float(x) for x in settings[key]) for key in ("mean", "std"))
        self._freeze()

    @classmethod
    def from_clip(cls, clip: nn.Module, *, config: Mapping[str, Any], mean: Any, std: Any) -> OpenClipTower:
        """Take the picture side of a loaded open_clip model; mean and std are of pixels scaled to 0..1."""
        settings = {"kind": "open_clip", "config": _plain(config), "mean": list(mean), "std": list(std)}
        return cls(clip.visual, settings)  # type: ignore[arg-type]

    def _pixels(self, pictures: NDArray[np.uint8]) -> Tensor:
        check_pictures(pictures, size=self.size)
        weight = self.visual.conv1.weight  # type: ignore[union-attr]
        pixels = torch.from_numpy(np.array(pictures)).to(weight.device)  # type: ignore[arg-type]
        pixels = pixels.permute(0, 3, 1, 2).to(weight.dtype) / 255  # type: ignore[arg-type]
        mean, std = (pixels.new_tensor(values)[None, :, None, None] for values in (self._mean, self._std))
        return (pixels - mean) / std

    @torch.no_grad()
    def patches(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Features of the last block, normalised as the tower does before pooling: float[i p d_vis]."""
        found = self.visual.forward_intermediates(  # type: ignore[operator]
            self._pixels(pictures), indices=1, normalize_intermediates=True, intermediates_only=True, output_fmt="NLC"
        )
        return found["image_intermediates"][-1]

    @torch.no_grad()
    def pooled(self, pictures: NDArray[np.uint8]) -> Tensor:
        """The tower's own summary, of length one: float[i d]."""
        return nn.functional.normalize(self.visual(self._pixels(pictures)), dim=-1)


class HashTower(FrozenTower):
    """A fake without weights: each patch is a fixed random mixture of its own pixels. Good for control flow."""

    def __init__(self, *, width: int = 24, size: int = 64, patch: int = 16) -> None:
        super().__init__()
        if size % patch:
            raise ValueError(f"HashTower: size must be a multiple of patch; got size={size}, patch={patch}")
        self.width, self.size, self.patch = width, size, patch
        self.n_patches = (size // patch) ** 2
        self.settings = {"kind": "hash", "width": width, "size": size, "patch": patch}
        digest = hashlib.sha256(f"{width}:{patch}".encode()).digest()
        rng = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
        mixture = rng.normal(size=(patch * patch * 3, width)) / patch
        self.register_buffer("mixture", torch.from_numpy(mixture).float())
        self._freeze()

    def patches(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Mixtures of the pixels of each patch: float[i p d_vis]."""
        check_pictures(pictures, size=self.size)
        side, patch = self.size // self.patch, self.patch
        cut = pictures.reshape(-1, side, patch, side, patch, 3).swapaxes(2, 3).reshape(-1, side * side, patch**2 * 3)
        mixture: Tensor = self.mixture  # type: ignore[assignment]
        return (torch.from_numpy(cut / 127.5 - 1).to(mixture) @ mixture).contiguous()

    def pooled(self, pictures: NDArray[np.uint8]) -> Tensor:
        """The mean patch, of length one: float[i d_vis]."""
        return nn.functional.normalize(self.patches(pictures).mean(dim=1), dim=-1)


def build_tower(settings: Mapping[str, Any]) -> FrozenTower:
    """An untrained tower of these settings; a checkpoint fills in its weights.

    Raises:
        ValueError: the kind of tower is unknown.
    """
    match settings.get("kind"):
        case "hash":
            return HashTower(**{key: settings[key] for key in ("width", "size", "patch")})
        case "open_clip":
            import open_clip

            return OpenClipTower(open_clip.CLIP(**settings["config"]).visual, settings)
        case "transformers":
            from tbcore.model.towers import TransformersTower

            return TransformersTower.untrained(settings)
        case kind:
            raise ValueError(f"build_tower: kind must be 'open_clip', 'transformers' or 'hash'; got {kind!r}")


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `open_clip.CLIP` among a model config."""
    return {key: config[key] for key in ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu") if key in config}
