"""The laptop's model in one call: the shipped tower, SmolLM2, a fresh connector, and the processor that fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, cast

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.config import MIMConfig, QFormerConfig
from tbcore.model.mim import MIMForConditionalGeneration, build_mim
from tbcore.model.processor import MIMProcessor
from tbcore.model.vision import OpenClipTower
from tbcore.store import read_json
from tbcore.train.checkpoint import load_delta
from tbcore.weights import smollm, zoo

__all__ = ["assemble", "load_model", "load_shipped_qformer", "shipped_tower"]


def shipped_tower(folder: Path | None = None) -> OpenClipTower:
    """The tower pre-trained on postcards, frozen.

    Args:
        folder: where it lies; None: the one that is shipped.

    Raises:
        MissingFileError, CheckpointError: see `tbcore.weights.zoo.load_tower`.
    """
    place = zoo.ZOO / "tower" if folder is None else folder
    clip = zoo.load_tower(folder)
    config = json.loads((place / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]
    return OpenClipTower.from_clip(clip, config=config, mean=zoo.TOWER_MEAN, std=zoo.TOWER_STD)


def assemble(
    *,
    qformer: QFormerConfig | None = None,
    dtype: smollm.Precision = "auto",
    history: Literal["drop_caption", "keep_caption"] = "drop_caption",
    tower: OpenClipTower | None = None,
    seed: int = 0,
) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """Put the model together, untrained between tower and language model.

    Args:
        qformer: sizes of the connector; None: the laptop's.
        dtype: of the language model's weights; "auto": whichever this computer multiplies faster.
        history: what becomes of captions, see `MIMConfig`.
        tower: None: the shipped one.
        seed: for the connector's weights.
    """
    inner, tokenizer = smollm.load_language_model(dtype)
    model = build_mim(tower or shipped_tower(), inner, qformer=qformer, history=history, seed=seed)
    return model, MIMProcessor.for_model(model, tokenizer)


def load_shipped_qformer(model: MIMForConditionalGeneration) -> dict[str, Any]:
    """Put the Q-Former that ships with the course into a freshly assembled model, in place.

    The paper starts from BLIP-2's; ours was pre-aligned by `tbcore.train.pretrain_qformer`.

    Returns:
        How it was made: "updates", "scenes", "words" and "seed".

    Raises:
        MissingFileError, CheckpointError: it is missing or damaged, or belongs to another tower or language model.
    """
    zoo.verify_zoo("qformer")
    return load_delta(model, zoo.ZOO / "qformer")


def load_model(checkpoint: Path | str) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """Put tower, connector and language model together as a checkpoint says, and load what was learned.

    Raises:
        MissingFileError: there is no checkpoint, or a part of it is missing.
        CheckpointError: it is damaged, or was trained on other parts than these.
    """
    place = Path(checkpoint) / "mim.json"
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no checkpoint here. Train a model first (notebook 06).")
    value: Any = read_json(place)
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        raise CheckpointError(f"{place}: must hold a JSON object with the field 'config'. Write it again.")
    saved = MIMConfig(**{key: one for key, one in value["config"].items() if key != "model_type"})
    model, processor = assemble(qformer=cast(QFormerConfig, saved.qformer), history=saved.history)
    load_delta(model, checkpoint)
    return model.eval(), processor
