"""Vision towers of transformers: CLIP, SigLIP, and the tower of BLIP-2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.errors import CheckpointError
from tbcore.model.vision import FrozenTower, check_pictures

__all__ = ["TOWER_KINDS", "TransformersTower", "load_transformers_tower"]

TOWER_KINDS: Mapping[str, tuple[str, bool]] = {
    "clip": ("CLIPVisionModel", False),
    "clip_vision_model": ("CLIPVisionModel", False),
    "siglip": ("SiglipVisionModel", False),
    "siglip_vision_model": ("SiglipVisionModel", False),
    "blip-2": ("Blip2VisionModel", True),
    "blip_2_vision_model": ("Blip2VisionModel", True),
}
"""Model type -> class in transformers, and whether the class token counts as a patch. BLIP-2's Q-Former learned to
read it; a grid of queries has no place for it."""


class TransformersTower(FrozenTower):
    """The picture side of CLIP, SigLIP or BLIP-2. Patches are the last block's, before pooling.

    Args:
        visual: a vision model of transformers, with `last_hidden_state` and `pooler_output`.
        settings: {"kind": "transformers", "config": the vision configuration, "mean": [3], "std": [3]}.
    """

    def __init__(self, visual: nn.Module, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.visual = visual
        self.settings = dict(settings)
        config: Any = visual.config
        self.size, self.width = int(config.image_size), int(config.hidden_size)
        self._with_class = TOWER_KINDS[str(config.model_type)][1]
        grid = (self.size // int(config.patch_size)) ** 2
        self.n_patches = grid + 1 if self._with_class else grid
        self._grid = grid
        self._mean, self._std = (tuple(float(x) for x in settings[key]) for key in ("mean", "std"))
        self._freeze()

    @classmethod
    def untrained(cls, settings: Mapping[str, Any]) -> TransformersTower:
        """A tower of these settings; a checkpoint fills in its weights."""
        import transformers

        config = dict(settings["config"])
        kind = config.pop("model_type")
        name, _ = _class_of(kind, "tower settings")
        visual = getattr(transformers, name)
        return cls(visual(visual.config_class(**config)), settings)

    def _seen(self, pictures: NDArray[np.uint8]) -> Any:
        check_pictures(pictures, size=self.size)
        weight = next(self.visual.parameters())
        pixels = torch.from_numpy(np.ascontiguousarray(pictures)).to(weight.device).permute(0, 3, 1, 2)
        pixels = pixels.to(torch.float32) / 255
        mean, std = (pixels.new_tensor(values)[None, :, None, None] for values in (self._mean, self._std))
        return self.visual(pixel_values=((pixels - mean) / std).to(weight.dtype))

    @torch.no_grad()
    def patches(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Features of the last block: float[i p d_vis]."""
        found = self._seen(pictures).last_hidden_state
        return found if self._with_class else found[:, found.shape[1] - self._grid :]

    @torch.no_grad()
    def pooled(self, pictures: NDArray[np.uint8]) -> Tensor:
        """The tower's own summary, of length one: float[i d_vis]."""
        return nn.functional.normalize(self._seen(pictures).pooler_output, dim=-1)


def load_transformers_tower(
    name: Path | str, *, dtype: torch.dtype = torch.float32, local_only: bool = False
) -> TransformersTower:
    """Load a tower by its name on the hub, or from a folder that `save_pretrained` wrote; both go the same way.

    The folder may hold the whole two-sided model (CLIP, SigLIP, BLIP-2) or its picture side alone, and must hold the
    image processor's settings: a tower that is fed other means and deviations than it learned with sees fog.

    Args:
        name: of the repository, or the folder.
        dtype: of the weights.
        local_only: never ask the hub.

    Raises:
        CheckpointError: neither configuration nor weights nor image processor can be read, or the kind is unknown.
    """
    import transformers

    place: Any = str(name)
    try:
        kind = transformers.AutoConfig.from_pretrained(place, local_files_only=local_only).model_type
        visual_class = getattr(transformers, _class_of(kind, place)[0])
        visual = visual_class.from_pretrained(place, dtype=dtype, local_files_only=local_only)
        pixels = transformers.AutoImageProcessor.from_pretrained(place, local_files_only=local_only)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"vision tower {name}: cannot be loaded ({error}). It needs config.json, weights and "
            "preprocessor_config.json; check the name, or the folder."
        ) from error
    settings = {
        "kind": "transformers",
        "config": visual.config.to_diff_dict() | {"model_type": visual.config.model_type},
        "mean": [float(x) for x in pixels.image_mean],
        "std": [float(x) for x in pixels.image_std],
    }
    return TransformersTower(visual, settings)


def _class_of(kind: str, where: str) -> tuple[str, bool]:
    if kind not in TOWER_KINDS:
        raise CheckpointError(
            f"vision tower {where}: model type {kind!r} is none of {sorted(TOWER_KINDS)}. Take one of these, or write "
            "an adapter with `patches` and `pooled` (tbcore.model.vision.VisionTower)."
        )
    return TOWER_KINDS[kind]
