"""What lies in a folder of weights: how many numbers, how many bytes; read from headers, so nothing is loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbcore.errors import InputError, MissingFileError

__all__ = ["folder_facts", "safetensors_size"]

_MAX_HEADER = 100_000_000  # bytes; the format's own limit
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def safetensors_size(path: Path) -> tuple[int, str]:
    """Count the numbers in a safetensors file and name their most frequent type.

    Args:
        path: of the file.

    Returns:
        Numbers in all, and for example "bfloat16".

    Raises:
        InputError: the header is not that of a safetensors file.
    Source: https://huggingface.co/docs/safetensors, "Format".
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _MAX_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
        counts: dict[str, int] = {}
        for key, tensor in header.items():
            if key != "__metadata__":
                counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + math.prod(tensor["shape"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no safetensors file ({error}). Save the weights with save_pretrained.") from error
    if not counts:
        return 0, "float32"
    most = max(counts, key=counts.__getitem__)
    return sum(counts.values()), _DTYPES.get(most, most.lower())


def folder_facts(folder: Path, *, port: str) -> dict[str, Any]:
    """Facts about the part in a folder, under the names of the catalogue.

    Args:
        folder: as `save_pretrained` writes it: of a model, or of a pipeline with model_index.json.
        port: "tower", "language", "connector", "painter", "refiner" or "teacher".

    Raises:
        MissingFileError: there are no safetensors in it, or no configuration.
        InputError: a file in it cannot be read.
    """
    weights = sorted(folder.rglob("*.safetensors") if port in ("painter", "refiner") else folder.glob("*.safetensors"))
    if not weights:
        raise MissingFileError(f"{folder}: no *.safetensors lie here. Name the folder that save_pretrained wrote.")
    sizes = [safetensors_size(path) for path in weights]
    facts: dict[str, Any] = {"parameters": sum(count for count, _ in sizes), "file_dtype": sizes[0][1]}
    config = _config(folder)
    if port in ("language", "teacher"):
        facts |= _language_facts(folder, config)
    elif port == "tower":
        facts |= _tower_facts(config)
    return facts


def _config(folder: Path) -> dict[str, Any]:
    for name in ("config.json", "open_clip_config.json", "model_index.json"):
        path = folder / name
        if path.is_file():
            try:
                value = json.loads(path.read_text("utf-8"))
            except ValueError as error:
                raise InputError(f"{path}: is no JSON ({error}). Save the part again.") from error
            if isinstance(value, dict):
                return value
    raise MissingFileError(f"{folder}: neither config.json nor open_clip_config.json nor model_index.json lies here.")


def _language_facts(folder: Path, config: Mapping[str, Any]) -> dict[str, int]:
    try:
        width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        head = int(config.get("head_dim") or width // heads)
        return {
            "layers": int(config["num_hidden_layers"]),
            "width": width,
            "inner": int(config["intermediate_size"]),
            "kv_width": int(config.get("num_key_value_heads") or heads) * head,
            "vocab": int(config["vocab_size"]),
        }
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{folder}/config.json: is not that of a causal language model: {error!r}.") from error


def _tower_facts(config: Mapping[str, Any]) -> dict[str, int]:
    """Sizes of a vision tower; of the picture side where the folder holds both."""
    inner = config.get("model_cfg") or config  # open_clip's own layout
    side = inner.get("vision_config") or inner.get("vision_cfg") or inner
    size, patch = int(side.get("image_size", 224)), int(side.get("patch_size", 16))
    return {
        "layers": int(side.get("num_hidden_layers") or side.get("layers") or 12),
        "width": int(side.get("hidden_size") or side.get("width") or 768),
        "patches": (size // patch) ** 2,
    }
