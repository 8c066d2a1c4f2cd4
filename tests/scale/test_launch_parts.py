"""A launch on parts of one's own: a parts file names them, and the checkpoint finds them again."""

from __future__ import annotations

import pytest
import torch

from tbcore.model.tiny import byte_tokenizer, tiny_model
from tbcore.scale.launch import Launch
from tbcore.scale.launch_parts import build_parts, load_trained
from tests.model.test_load_parts import save_open_clip
from tests.scale.test_launch import losses, together
from tests.scale.training_dialogues import some_shards

FILE = """
base = "gpu"
tower = "./vit"
language = "./lm"
qformer = { n_queries = 4, width = 16, n_layers = 1, n_heads = 2 }
"""


@pytest.fixture
def mine(tmp_path):
    save_open_clip(tmp_path / "vit")
    tiny_model()[0].language.inner.save_pretrained(tmp_path / "lm")
    byte_tokenizer().save_pretrained(tmp_path / "lm")
    (tmp_path / "mine.toml").write_text(FILE)
    return str(tmp_path / "mine.toml")


def test_a_parts_file_is_trained_and_found_again(mine, tmp_path):
    fresh, _ = build_parts(mine, full=True)
    assert fresh.config.n_queries == 4
    assert next(fresh.language.inner.parameters()).dtype == torch.float32
    shards = some_shards(tmp_path)
    settings = Launch(stage="1", data=shards.folder, out=tmp_path / "run", parts=mine, dialogues=4, steps=1, full=True)
    together(settings, 1)
    assert len(losses(settings)) == 1
    model, processor = load_trained(settings.out / "checkpoint")
    assert processor.n_queries == 4
    pairs = zip(model.connector.parameters(), fresh.connector.parameters(), strict=True)
    assert not all(torch.equal(now, was) for now, was in pairs)
