"""Checkpoints in fewer bytes."""

from __future__ import annotations

import torch

from tbcore.model.tiny import tiny_model
from tbcore.train import narrow
from tbcore.train.checkpoint import delta_tensors, load_delta, save_delta


def test_a_checkpoint_in_eight_bits_loads_with_nearly_the_same_values(tmp_path, monkeypatch):
    monkeypatch.setattr(narrow, "_LARGE", 256)
    model, _ = tiny_model()
    save_delta(model, tmp_path / "full", notes={"stage": "one"})
    narrow.eight_bits(tmp_path / "full", tmp_path / "small")
    other, _ = tiny_model()
    for value in delta_tensors(other).values():
        value.zero_()
    assert load_delta(other, tmp_path / "small") == {"stage": "one"}
    sizes = [(tmp_path / one / "delta.safetensors").stat().st_size for one in ("full", "small")]
    assert sizes[1] < 0.5 * sizes[0]
    wanted, got = delta_tensors(model), delta_tensors(other)
    for name, value in wanted.items():
        off = (got[name] - value).pow(2).mean().sqrt() / value.pow(2).mean().sqrt().clamp_min(1e-9)
        assert off < 0.06, name
    assert any(not torch.equal(wanted[name], got[name]) for name in wanted)
