"""Put together what a parts file names: each part through its door in `tbcore.model.hub`, hub name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tbcore.errors import CheckpointError
from tbcore.model.config import QFormerConfig
from tbcore.model.hub import PipelinePainter, load_language, load_painter, load_qformer, load_tower
from tbcore.model.mim import MIMForConditionalGeneration, build_mim
from tbcore.model.processor import MIMProcessor
from tbcore.model.towers import load_transformers_tower
from tbcore.model.vision import FrozenTower, OpenClipTower

if TYPE_CHECKING:
    from tbcore.model.painter_port import Painter
    from tbcore.parts.catalogue import Part, Parts

__all__ = ["load_open_clip", "load_parts", "load_parts_painter"]


def load_parts(
    parts: Parts,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    local_only: bool = False,
    seed: int = 0,
) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """Load tower, language model and connector; untrained between them unless a Q-Former is named.

    Args:
        parts: see `tbcore.parts.catalogue.read_parts`.
        device: of torch.
        dtype: of the frozen weights; the connector is float32, for it learns.
        local_only: never ask the hub.
        seed: of a fresh connector.

    Raises:
        MissingFileError, CheckpointError: a part cannot be loaded, or does not fit the others.
    """
    tower = _tower(parts.tower, dtype=dtype, local_only=local_only)
    inner, tokenizer = load_language(parts.language.name, dtype=dtype, local_only=local_only)
    if parts.connector is None:
        model = build_mim(tower, inner, qformer=QFormerConfig(**parts.qformer), seed=seed)
    else:
        table: Any = inner.get_input_embeddings().weight
        norm = float(table.detach().float().norm(dim=-1).mean())
        made = load_qformer(parts.connector.name, text_width=int(table.shape[1]), text_norm=norm, local_only=local_only)
        model = build_mim(tower, inner, connector=made, seed=seed)
    placed: Any = model
    return placed.to(device), MIMProcessor.for_model(model, tokenizer)


def load_parts_painter(
    parts: Parts, *, size: int, device: str = "cpu", dtype: torch.dtype = torch.bfloat16, local_only: bool = False
) -> Painter:
    """Load the painter, and the refiner if one is named, onto a device.

    Args:
        parts: see `tbcore.parts.catalogue.read_parts`.
        size: side in pixels that the model's tower takes (`model.vision.size`): it looks at what was drawn.
        device: of torch.
        dtype: of the weights once they are there; the files are read in their own.
        local_only: never ask the hub.

    Raises:
        MissingFileError, CheckpointError: it cannot be loaded.
    """
    settings = {"size": size, **parts.painter_settings}
    if parts.painter.steps:
        settings.setdefault("steps", parts.painter.steps)
        if parts.painter.passes == 1:
            settings.setdefault("guidance", 0.0)  # distilled to draw without guidance
    refiner = None if parts.refiner is None else parts.refiner.name
    painter = load_painter(parts.painter.name, refiner=refiner, local_only=local_only, **settings)
    if isinstance(painter, PipelinePainter):
        for pipeline in (painter.pipeline, painter.refiner):
            if pipeline is not None:
                pipeline.to(device, dtype)
    return painter


def load_open_clip(folder: Path | str) -> OpenClipTower:
    """Load a folder as open_clip publishes it: open_clip_config.json and open_clip_model.safetensors.

    Args:
        folder: such as a snapshot of a repository of laion.

    Raises:
        CheckpointError: it cannot be loaded, or its picture side is not open_clip's own vision transformer.
    """
    import json

    import open_clip

    try:
        config = json.loads((Path(folder) / "open_clip_config.json").read_text("utf-8"))
        clip = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
        pixels = config.get("preprocess_cfg", {})
        mean = pixels.get("mean", open_clip.OPENAI_DATASET_MEAN)
        std = pixels.get("std", open_clip.OPENAI_DATASET_STD)
        return OpenClipTower.from_clip(clip, config=config["model_cfg"], mean=mean, std=std)
    except (OSError, ValueError, LookupError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"vision tower {folder}: cannot be loaded by open_clip ({error}). It needs open_clip_config.json and "
            "open_clip_model.safetensors of one of open_clip's own vision transformers."
        ) from error


def _tower(part: Part, *, dtype: torch.dtype, local_only: bool) -> FrozenTower:
    """A folder may hold the same tower in both libraries' forms; that of transformers is taken."""
    folder = Path(part.name)
    published = (folder / "open_clip_config.json").is_file() and not (folder / "kept_tokens.json").is_file()
    if not published:
        return load_tower(part.name, dtype=dtype, local_only=local_only)
    if (folder / "config.json").is_file():
        return load_transformers_tower(folder, dtype=dtype, local_only=local_only)
    return load_open_clip(folder).to(dtype)
