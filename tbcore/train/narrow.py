"""A checkpoint in fewer bytes, for what is shipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tbcore.errors import MissingFileError
from tbcore.store import read_json, write_text

__all__ = ["eight_bits"]

_LARGE = 1 << 13


def eight_bits(source: Path, target: Path) -> None:
    """Write a checkpoint again with its large matrices in 8-bit floats (e4m3) and all else in 16 bits.

    Loading it needs nothing special: the values are widened where they go. What is rounded is off by about one
    part in forty, at random.

    Args:
        source: a folder with `delta.safetensors` and `mim.json`.
        target: gets the same two.

    Raises:
        MissingFileError: there is no checkpoint in `source`.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if not (source / "delta.safetensors").is_file():
        raise MissingFileError(f"{source}: no checkpoint. Run notebook 06 to its end first.")
    target.mkdir(parents=True, exist_ok=True)
    tensors = load_file(source / "delta.safetensors")
    narrow = {
        name: value.to(torch.float8_e4m3fn if _is_large_matrix(name, value.shape) else torch.float16)
        for name, value in tensors.items()
    }
    save_file(narrow, target / "delta.safetensors")
    config = read_json(source / "mim.json")
    write_text(target / "mim.json", json.dumps(config, ensure_ascii=False, separators=(",", ":")) + "\n")


def _is_large_matrix(name: str, shape: Sequence[int]) -> bool:
    return len(shape) == 2 and (shape[0] * shape[1] >= _LARGE or "lora_" in name)
