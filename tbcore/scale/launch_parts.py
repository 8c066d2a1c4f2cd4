"""Which model a launch trains, by one word; and the way back from what it wrote to a model on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tbcore.errors import CheckpointError, InputError
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.parts import load_parts
from tbcore.model.processor import MIMProcessor
from tbcore.parts.catalogue import named_parts, read_parts, sets
from tbcore.store import read_json
from tbcore.train.build import assemble, load_model
from tbcore.train.checkpoint import load_delta

__all__ = ["build_parts", "load_trained"]


def build_parts(name: str, *, full: bool = False) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """A model that no stage has trained yet, the same in every process.

    Args:
        name: "tiny" (random, for trying things out), "laptop" (the shipped tower and SmolLM2), a set of the catalogue
            ("gpu"), or a parts file ("mine.toml", see `tbcore.parts.catalogue`).
        full: the whole language model will learn, so its weights are held in full precision.

    Raises:
        InputError: the name is none of these.
        MissingFileError, CheckpointError: a part is not there, or cannot be loaded.
    """
    if name == "tiny":
        from tbcore.model.tiny import tiny_model

        return tiny_model()
    if name == "laptop":
        return assemble(dtype="float32" if full else "auto")
    if name.endswith(".toml") or name in sets():
        wanted = read_parts(name) if name.endswith(".toml") else named_parts(name)
        return load_parts(wanted, dtype=torch.float32 if full else torch.bfloat16)
    raise InputError(
        f"parts {name!r}: must be 'tiny', 'laptop', a set of the catalogue ({', '.join(sets())}), or a parts file "
        "(.toml), which names parts of the hub and folders; tbcore/parts/catalogue.py shows how."
    )


def load_trained(checkpoint: Path | str) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """The model of a checkpoint that `tbcore.scale.launch` wrote, on one machine, in eval mode.

    A delta on the laptop's parts goes through `tbcore.train.build.load_model`, the course's own door.

    Raises:
        MissingFileError, CheckpointError: it is not there, damaged, or its parts are not.
    """
    place = Path(checkpoint)
    if (place / "config.json").is_file():
        whole = MIMForConditionalGeneration.from_pretrained(place)
        return whole.eval(), MIMProcessor.from_pretrained(place)
    notes: Any = read_json(place / "mim.json").get("notes", {})
    parts = notes.get("parts")
    if not isinstance(parts, str):
        raise CheckpointError(
            f"checkpoint {place}: it does not say its parts. Load it with tbcore.train.build.load_model."
        )
    if parts == "laptop":
        return load_model(place)
    model, processor = build_parts(parts)
    load_delta(model, place)
    return model.eval(), processor
