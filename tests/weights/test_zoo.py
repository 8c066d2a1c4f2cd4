from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.train.pretrain_tower import TOWER_CONFIG, caption_tokens, recall_at_1
from tbcore.weights.zoo import (
    FULL_VOCABULARY,
    ZOO,
    load_tower,
    load_tower_tokenizer,
    save_tower,
    verify_zoo,
    write_hashes,
)


def test_the_shipped_tower_finds_captions() -> None:
    assert recall_at_1(load_tower(), n=100) > 0.8


def test_every_caption_embeds_as_with_the_kept_rows(tmp_path: Path) -> None:
    from open_clip.model import CLIP

    kept = caption_tokens()
    text = TOWER_CONFIG["text_cfg"] | {"vocab_size": len(kept)}
    config = TOWER_CONFIG | {"text_cfg": text}
    small = CLIP(embed_dim=config["embed_dim"], vision_cfg=config["vision_cfg"], text_cfg=text).half().float()
    save_tower(small, kept, config, tmp_path)
    full = load_tower(tmp_path)
    assert full.token_embedding.weight.shape[0] == FULL_VOCABULARY
    ids = load_tower_tokenizer(48)(["a tiger to the left of an apple on a sandy beach, in a blue frame"])
    row_of = torch.zeros(FULL_VOCABULARY, dtype=torch.int64)
    row_of[kept] = torch.arange(len(kept))
    torch.testing.assert_close(full.encode_text(ids), small.encode_text(row_of[ids]), atol=2e-3, rtol=2e-3)


def test_damage_is_found_by_hash(tmp_path: Path) -> None:
    shutil.copytree(ZOO / "tower", tmp_path / "tower")
    with pytest.raises(MissingFileError, match=r"hashes\.json: the list of shipped weights is missing"):
        verify_zoo("tower", tmp_path)
    write_hashes(tmp_path)
    verify_zoo("tower", tmp_path)
    weights = tmp_path / "tower" / "open_clip_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"open_clip_model\.safetensors: SHA-256 must be"):
        verify_zoo("tower", tmp_path)
    weights.unlink()
    with pytest.raises(MissingFileError, match="a shipped weights file is missing"):
        verify_zoo("tower", tmp_path)


def test_a_tower_of_another_shape_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ZOO / "tower", tmp_path / "tower")
    path = tmp_path / "tower" / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["model_cfg"]["vision_cfg"]["width"] = 96
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"do not fit open_clip_config\.json"):
        load_tower(tmp_path / "tower")


PARTS = ("tower", "painter", "reader", "qformer")


def test_shipped_weights_are_small() -> None:
    size = {part: sum(path.stat().st_size for path in (ZOO / part).rglob("*") if path.is_file()) for part in PARTS}
    assert sum(size.values()) - size["qformer"] <= 25e6
    assert size["qformer"] <= 2.4e6
    assert {path.name for path in ZOO.iterdir() if path.is_dir()} == set(PARTS)
