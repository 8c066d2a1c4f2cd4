"""Parts files become models: towers in open_clip's own form, painters with their settings, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

from tbcore.errors import CheckpointError
from tbcore.model.parts import load_open_clip, load_parts, load_parts_painter
from tbcore.model.tiny import byte_tokenizer, tiny_model
from tbcore.parts.catalogue import read_parts
from tests.model.test_hub import save_sdxl, save_tower, seeded

CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 16, "layers": 2, "head_width": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 20, "width": 8, "heads": 2, "layers": 1},
}


def save_open_clip(folder):
    """A random ViT as open_clip publishes one: both sides in one file, configuration and pixels beside it."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir()
    clip = seeded(lambda: open_clip.CLIP(**CLIP))
    save_file(dict(clip.state_dict()), folder / "open_clip_model.safetensors")
    config = {"model_cfg": CLIP, "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return clip


@pytest.fixture
def parts(tmp_path):
    """A parts file of folders, and what its tower was made from."""
    clip = save_open_clip(tmp_path / "vit")
    tiny_model()[0].language.inner.save_pretrained(tmp_path / "lm")
    byte_tokenizer().save_pretrained(tmp_path / "lm")
    save_sdxl(tmp_path)
    text = 'tower = "vit"\nlanguage = "lm"\npainter = "./sdxl"\n'
    text += "qformer = { n_queries = 9, width = 16, n_layers = 1, n_heads = 2 }\n"
    text += "painter_settings = { steps = 2, height = 16, width = 16 }\n"
    (tmp_path / "mine.toml").write_text(text)
    return read_parts(tmp_path / "mine.toml"), clip


def test_a_parts_file_becomes_a_model(parts, pictures):
    chosen, clip = parts
    model, processor = load_parts(chosen, dtype=torch.float32, local_only=True)
    assert (model.config.n_queries, processor.picture_size, processor.n_queries) == (9, 64, 9)
    mean, std = (torch.tensor(x)[:, None, None] for x in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    pixels = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        direct = torch.nn.functional.normalize(clip.visual(pixels), dim=-1)
    torch.testing.assert_close(model.vision.pooled(pictures), direct)
    assert (chosen.tower.patches, chosen.tower.width) == (model.vision.n_patches, model.vision.width)
    assert chosen.language.parameters == sum(p.numel() for p in model.language.inner.parameters())
    again, _ = load_parts(chosen, dtype=torch.float32, local_only=True)
    for here, there in zip(model.connector.parameters(), again.connector.parameters(), strict=True):
        assert torch.equal(here, there)  # the seed fixes a fresh connector


def test_frozen_weights_take_the_precision_and_what_learns_does_not(parts):
    model, _ = load_parts(parts[0], local_only=True)
    assert next(model.language.inner.parameters()).dtype == torch.bfloat16
    assert next(model.vision.parameters()).dtype == torch.bfloat16
    assert next(model.connector.parameters()).dtype == torch.float32


def test_the_painter_draws_what_the_tower_takes(parts):
    painter = load_parts_painter(parts[0], size=48, dtype=torch.float32, local_only=True)
    assert painter.paint(["a cat"], [1]).shape == (1, 48, 48, 3)
    assert painter.steps == 2


def test_a_folder_with_both_forms_goes_through_transformers(parts, pictures, tmp_path):
    folder = tmp_path / "vit"
    visual = save_tower("CLIP", folder)
    model, _ = load_parts(parts[0], dtype=torch.float32, local_only=True)
    assert type(model.vision).__name__ == "TransformersTower"
    assert model.vision.width == visual.config.hidden_size


def test_a_damaged_open_clip_folder_is_refused(parts, tmp_path):
    (tmp_path / "vit" / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be loaded by open_clip"):
        load_open_clip(tmp_path / "vit")


def save_refiner(root):
    """A refiner as SDXL has one: picture to picture, only the larger text encoder, and a wish for beauty."""
    import diffusers as df

    base = df.StableDiffusionXLPipeline.from_pretrained(root / "sdxl")
    sizes = {**base.unet.config, "cross_attention_dim": 16, "projection_class_embeddings_input_dim": 16 + 5 * 4}
    refiner = df.StableDiffusionXLImg2ImgPipeline(
        vae=base.vae,
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=base.text_encoder_2,
        tokenizer_2=base.tokenizer_2,
        unet=seeded(lambda: df.UNet2DConditionModel.from_config(sizes), 3),
        scheduler=base.scheduler,
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    refiner.save_pretrained(root / "refiner")


def test_a_refiner_finishes_the_picture(parts, tmp_path):
    save_refiner(tmp_path)
    plain = load_parts_painter(parts[0], size=32, dtype=torch.float32, local_only=True)
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "two.toml").write_text('refiner = "refiner"\n' + text.replace("steps = 2", "steps = 5"))
    chosen = read_parts(tmp_path / "two.toml")
    painter = load_parts_painter(chosen, size=32, dtype=torch.float32, local_only=True)
    one, again = (painter.paint(["a cat"], [1]) for _ in range(2))
    assert one.shape == (1, 32, 32, 3)
    assert (one == again).all()
    assert (one != plain.paint(["a cat"], [1])).any()
    assert chosen.refiner.parameters == sum(
        p.numel() for m in painter.refiner.components.values() if isinstance(m, torch.nn.Module) for p in m.parameters()
    )
