"""Four doors, one for each port: a name on the Hugging Face hub, or a folder, becomes a part of the model.

    load_tower     vision tower      open_clip as shipped, CLIP, SigLIP, BLIP-2
    load_language  language model    any causal language model of transformers with a chat template
    load_qformer   connector         the Q-Former of a BLIP-2 checkpoint
    load_painter   painter           the postcard painter, or any text-to-image pipeline of diffusers

Names and folders go the same way, so what is tested with a tiny model in a folder is what runs with a large one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tbcore.errors import CheckpointError
from tbcore.model.blip2 import Blip2Connector, load_blip2_connector
from tbcore.model.painter_port import Painter
from tbcore.model.processor import fit_picture
from tbcore.model.towers import load_transformers_tower
from tbcore.model.vision import FrozenTower, OpenClipTower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["PipelinePainter", "load_language", "load_painter", "load_qformer", "load_tower"]


def load_tower(name: Path | str, *, dtype: torch.dtype = torch.float32, local_only: bool = False) -> FrozenTower:
    """Load a vision tower, frozen.

    Args:
        name: on the hub, or a folder: of transformers, or with open_clip_config.json as this course ships it.
        dtype: of a transformers tower's weights.
        local_only: never ask the hub.

    Raises:
        MissingFileError, CheckpointError: see `tbcore.model.towers.load_transformers_tower`.
    """
    folder = Path(name)
    if not (folder / "open_clip_config.json").is_file():
        return load_transformers_tower(name, dtype=dtype, local_only=local_only)
    from tbcore.weights import zoo

    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    pixels = config.get("preprocess_cfg", {})
    mean, std = pixels.get("mean", zoo.TOWER_MEAN), pixels.get("std", zoo.TOWER_STD)
    return OpenClipTower.from_clip(zoo.load_tower(folder), config=config["model_cfg"], mean=mean, std=std)


def load_language(
    name: Path | str | None = None,
    *,
    dtype: torch.dtype | str = "auto",
    attention: str = "sdpa",
    local_only: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model in eval mode, and its tokenizer.

    Args:
        name: on the hub, or a folder; None: SmolLM2 as `tbcore.weights.smollm` has it.
        dtype: of the weights; "auto": as they were saved, for SmolLM2 whatever this computer multiplies faster.
        attention: of transformers; masks of this course need "sdpa" or "eager".
        local_only: never ask the hub.

    Raises:
        CheckpointError: it cannot be loaded, has no chat template, or attends in a way that takes no mask.
    """
    from tbcore.model.tokens import read_chat_format
    from tbcore.weights import smollm

    if attention not in ("sdpa", "eager"):
        raise CheckpointError(
            f"language model {name}: attention {attention!r} cannot take the mask of caption branches. "
            "Use 'sdpa' or 'eager'."
        )
    if name is None:
        chosen: Any = dtype
        return smollm.load_language_model(chosen, attention=attention)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(name), dtype=dtype, attn_implementation=attention, local_files_only=local_only
        )
        tokenizer = AutoTokenizer.from_pretrained(str(name), local_files_only=local_only)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"language model {name}: cannot be loaded ({error}). Check the name, or the folder: config.json, weights "
            "and tokenizer must be there."
        ) from error
    read_chat_format(tokenizer)
    return model.eval(), tokenizer


def load_qformer(
    name: Path | str, *, text_width: int, text_norm: float = 1.0, local_only: bool = False
) -> Blip2Connector:
    """Load the Q-Former of a BLIP-2 checkpoint; see `tbcore.model.blip2.load_blip2_connector`."""
    return load_blip2_connector(name, text_width=text_width, text_norm=text_norm, local_only=local_only)


class PipelinePainter:
    """Any text-to-image pipeline of diffusers behind the painter's port; with a refiner, as SDXL has one.

    Args:
        pipeline: text to image, such as `StableDiffusionXLPipeline`.
        size: side of the pictures handed on, in pixels; larger ones are made smaller.
        steps: of denoising.
        guidance: guidance scale; None: the pipeline's own default.
        refiner: picture to picture; takes over after `split` of the steps.
        split: share of the steps that the first pipeline takes, when there is a refiner.
        settings: further arguments of the pipeline's call, such as height and width.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        size: int = 64,
        steps: int = 40,
        guidance: float | None = None,
        refiner: Any = None,
        split: float = 0.8,
        **settings: Any,
    ) -> None:
        self.pipeline, self.refiner, self.size = pipeline, refiner, size
        self.steps, self.split = steps, split
        self.settings = settings | ({} if guidance is None else {"guidance_scale": guidance})
        for one in (pipeline, refiner):
            if one is not None:
                one.set_progress_bar_config(disable=True)

    @torch.no_grad()
    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Draw each caption with its own seed: uint8[n size size 3]."""
        if not captions:
            return np.zeros((0, self.size, self.size, 3), dtype=np.uint8)

        def noise() -> list[torch.Generator]:
            return [torch.Generator().manual_seed(seed) for seed in seeds]

        call = {"prompt": list(captions), "num_inference_steps": self.steps, **self.settings}
        if self.refiner is None:
            made = self.pipeline(**call, generator=noise(), output_type="np").images
        else:
            begun = self.pipeline(**call, generator=noise(), denoising_end=self.split, output_type="latent").images
            made = self.refiner(
                prompt=list(captions),
                num_inference_steps=self.steps,
                image=begun,
                denoising_start=self.split,
                generator=noise(),
                output_type="np",
            ).images
        pixels = (np.asarray(made).clip(0, 1) * 255).round().astype(np.uint8)
        return np.stack([fit_picture(one, size=self.size) for one in pixels])


def load_painter(
    name: Path | str | None = None, *, refiner: Path | str | None = None, local_only: bool = False, **settings: Any
) -> Painter:
    """Load a painter.

    Args:
        name: on the hub, or a folder, of a diffusers pipeline or of the postcard painter; None: the one shipped.
        refiner: of a pipeline that finishes the pictures.
        local_only: never ask the hub.
        settings: of `PipelinePainter`, or of `PostcardPainter`.

    Raises:
        MissingFileError, CheckpointError: it is not there, or cannot be loaded.
    """
    if name is None or (Path(name) / "denoiser").is_dir():
        from tbcore.model.painter import pipeline

        return pipeline.PostcardPainter(pipeline.load_painter(None if name is None else Path(name)), **settings)
    loaded = [_pipeline(one, local_only=local_only) for one in (name, refiner) if one is not None]
    return PipelinePainter(loaded[0], refiner=loaded[1] if len(loaded) > 1 else None, **settings)


def _pipeline(name: Path | str, *, local_only: bool) -> Any:
    from diffusers import DiffusionPipeline

    try:
        return DiffusionPipeline.from_pretrained(str(name), local_files_only=local_only)
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"painter {name}: cannot be loaded ({error}). It must be a diffusers pipeline with model_index.json."
        ) from error
