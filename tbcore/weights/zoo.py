"""Where the shipped parts come from: folders of safetensors beside this file, checked by hash.

zoo/tower/    an open_clip model: open_clip_config.json, open_clip_model.safetensors, kept_tokens.json
zoo/painter/  a diffusers pipeline (tbcore.model.painter)
zoo/reader/   the second reader (tbcore.model.trained_reader)
zoo/qformer/  a delta checkpoint of the connector (tbcore.train.checkpoint)
zoo/hashes.json  file -> SHA-256, written by `make pretrain`
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.store import sha256_of

if TYPE_CHECKING:
    import torch
    from open_clip.model import CLIP
    from open_clip.tokenizer import SimpleTokenizer

__all__ = [
    "TOWER_MEAN",
    "TOWER_STD",
    "ZOO",
    "load_tower",
    "load_tower_tokenizer",
    "save_tower",
    "verify_zoo",
    "write_hashes",
]

ZOO = Path(__file__).parent / "zoo"
"""The folder of shipped weights."""

TOWER_MEAN = (0.5, 0.5, 0.5)
TOWER_STD = (0.25, 0.25, 0.25)

FULL_VOCABULARY = 49_408
"""Rows of CLIP's token table; the file keeps only rows of tokens that occur in captions."""


def write_hashes(folder: Path = ZOO) -> None:
    """Write hashes.json for all files of the parts, each a folder below `folder`."""
    files = sorted(path for path in folder.glob("*/**/*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    (folder / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


def verify_zoo(part: str, folder: Path = ZOO) -> None:
    """Check every file of one part against hashes.json.

    Raises:
        MissingFileError: hashes.json or a named file is not there.
        CheckpointError: a file has other bytes than the hash says.
    """
    listing = folder / "hashes.json"
    remedy = "Restore the folder from the repository (`git checkout -- tbcore/weights/zoo`) or run `make pretrain`."
    if not listing.is_file():
        raise MissingFileError(f"{listing}: the list of shipped weights is missing. {remedy}")
    for name, expected in json.loads(listing.read_text(encoding="utf-8")).items():
        if not name.startswith(f"{part}/"):
            continue
        path = folder / name
        if not path.is_file():
            raise MissingFileError(f"{path}: a shipped weights file is missing. {remedy}")
        if (found := sha256_of(path)) != expected:
            raise CheckpointError(f"{path}: SHA-256 must be {expected[:12]}..., got {found[:12]}... {remedy}")


@cache
def load_tower_tokenizer(context_length: int) -> SimpleTokenizer:
    """Return CLIP's own byte-pair tokenizer (its table ships inside open_clip)."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=context_length)


def save_tower(model: CLIP, kept: list[int], model_cfg: dict[str, Any], folder: Path) -> None:
    """Write a tower whose token table has one row per id in `kept`, in fp16.

    Args:
        model: a `CLIP` with a vocabulary of len(kept).
        kept: ids of CLIP's tokenizer, ascending; row k of the table belongs to kept[k].
        model_cfg: open_clip's own configuration (embed_dim, vision_cfg, text_cfg).
        folder: written to; made when missing.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    preprocess = {"mean": list(TOWER_MEAN), "std": list(TOWER_STD), "size": [64, 64]}
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (folder / "kept_tokens.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")


def load_tower(folder: Path | None = None) -> CLIP:
    """Load the shipped vision tower: a real open_clip model, 64 px, patch 8, in fp32 and eval mode.

    Pixels are normalised with `TOWER_MEAN` and `TOWER_STD`. The token table is expanded to CLIP's full vocabulary;
    tokens never seen in training get the mean row.

    Raises:
        MissingFileError: the weights are not there.
        CheckpointError: they are damaged, or do not fit their own configuration.
    """
    from open_clip.model import CLIP
    from safetensors.torch import load_file

    if folder is None:
        verify_zoo("tower")
        folder = ZOO / "tower"
    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]
    kept = json.loads((folder / "kept_tokens.json").read_text(encoding="utf-8"))
    state = {name: tensor.float() for name, tensor in load_file(folder / "open_clip_model.safetensors").items()}
    state["token_embedding.weight"] = _full_table(state["token_embedding.weight"], kept)
    config["text_cfg"]["vocab_size"] = FULL_VOCABULARY
    model = CLIP(embed_dim=config["embed_dim"], vision_cfg=config["vision_cfg"], text_cfg=config["text_cfg"])
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: the weights do not fit open_clip_config.json: {error}") from error
    return model.eval().requires_grad_(False)


def _full_table(rows: torch.Tensor, kept: list[int]) -> torch.Tensor:
    """Put the kept rows back at their ids: [len(kept) d] -> [FULL_VOCABULARY d]."""
    if len(rows) != len(kept):
        raise CheckpointError(f"kept_tokens.json names {len(kept)} tokens, but the table has {len(rows)} rows")
    table = rows.mean(0, keepdim=True).repeat(FULL_VOCABULARY, 1)
    table[kept] = rows
    return table
