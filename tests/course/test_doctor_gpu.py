"""Profile gpu before the GPU: every part of its classes, tiny and random, from folders, through the whole command."""

from __future__ import annotations

import json

import pytest

from tbcore import __main__ as command
from tbcore.course import doctor_gpu
from tbcore.parts.accelerator import Accelerator
from tbcore.parts.catalogue import named_parts
from tests.model.test_hub import save_blip2, save_sdxl, save_tower


def told(parts, gpu_gb):
    found = doctor_gpu.part_looks(parts, found=Accelerator("cuda", "a GPU", gpu_gb))
    return {one.matter: one for one in found}


def test_what_would_be_fetched_is_listed():
    found = told(named_parts("gpu"), 80.0)
    assert found["tower"].found == "laion/CLIP-ViT-L-14-laion2B-s32B-b82K, MIT, 1.7 GB to fetch"
    assert found["language"].found == "HuggingFaceTB/SmolLM2-1.7B-Instruct, Apache-2.0, 3.4 GB to fetch"
    assert found["download"].found.startswith("25.5 GB in all")
    assert not found["GPU"].remedy
    assert "not run" in found["hours"].found
    assert "T4" not in found["hours"].found  # too small for these parts


def test_gated_parts_say_what_to_do(monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    one = told(named_parts("gpu-large"), 80.0)["language"]
    assert one.remedy.startswith("Accept its terms")
    assert not one.must
    monkeypatch.setenv("HF_TOKEN", "x")
    assert not told(named_parts("gpu-large"), 80.0)["language"].remedy


def test_what_does_not_fit_names_the_smaller_parts():
    assert told(named_parts("gpu-large"), 24.0)["GPU"].remedy.endswith("Use parts 'gpu'.")
    assert "this machine has none" in told(named_parts("gpu"), 0.0)["GPU"].remedy


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tower, a language model and a painter of the classes of profile gpu, with processors and tokenizers."""
    from tbcore.model.tiny import byte_tokenizer, tiny_model

    root = tmp_path_factory.mktemp("parts")
    save_tower("Siglip", root / "siglip")
    tiny_model()[0].language.inner.save_pretrained(root / "llama")
    byte_tokenizer().save_pretrained(root / "llama")
    save_sdxl(root)
    save_blip2(root / "blip2")
    return root


SMALL = """
language = "llama"
painter = "./sdxl"
columns = 300
painter_settings = { steps = 2, height = 16, width = 16 }
"""


@pytest.mark.parametrize(
    "tower",
    [
        'tower = "siglip"\nqformer = { n_queries = 4, width = 16, n_layers = 1, n_heads = 2 }',
        'tower = "blip2"\nconnector = "blip2"',
    ],
)
def test_profile_gpu_trains_a_step_answers_and_paints(folders, tmp_path, capsys, tower):
    path = folders / "mine.toml"
    path.write_text(tower + SMALL)
    status = command.main(["doctor", "--profile", "gpu", "--parts", str(path), "--rehearse", "--quick", "--json"])
    found = {one["matter"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found["language"]["found"].endswith("M numbers, lies here")
    assert found["download"]["found"].startswith("0.0 GB in all")
    loss = float(found["training step"]["found"].removeprefix("loss ").partition(",")[0])
    assert 0 < loss < 20
    assert found["reply"]["found"].startswith("ended by ")
    assert found["picture"]["found"].startswith("64 x 64 pixels")
    assert status == int(any(one["remedy"] and one["must"] for one in found.values()))
