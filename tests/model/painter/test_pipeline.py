from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.painter.autoencoder import PostcardAutoencoder
from tbcore.model.painter.denoiser import PostcardDenoiser
from tbcore.model.painter.pipeline import PostcardPainter, PostcardPipeline
from tbcore.model.painter.text import CaptionEncoder, build_tokenizer, word_ids
from tbcore.train.postcards import fresh_postcards
from tbcore.train.pretrain_painter import save_painter, to_pixels


def tiny() -> PostcardPipeline:
    tokenizer = build_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = PostcardDenoiser(latent_channels=4, width=32, layers=1)
        torch.nn.init.normal_(denoiser.leave.weight, std=0.1)
        return PostcardPipeline(
            PostcardAutoencoder(latent_channels=4),
            CaptionEncoder(len(tokenizer), width=32, layers=1),
            denoiser,
            tokenizer,
            FlowMatchEulerDiscreteScheduler(),
        )


def test_each_picture_has_its_own_seed() -> None:
    painter = PostcardPainter(tiny(), steps=2)
    captions = ["a tiger at sunset", "a car in the desert", "a tiger at sunset"]
    together = painter.paint(captions, [1, 2, 1])
    assert together.shape == (3, 64, 64, 3)
    assert together.dtype == np.uint8
    assert (together[0] == together[2]).all()
    alone = painter.paint(captions[1:2], [2])[0].astype(int)
    assert np.abs(alone - together[1]).max() <= 1  # batching may round differently
    assert (painter.paint(captions[:1], [3])[0] != together[0]).any()
    assert painter.paint([], []).shape == (0, 64, 64, 3)


def test_diffusers_interface() -> None:
    pipeline, seen = tiny(), []
    made = pipeline(
        "a tiger at sunset",
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(0),
        callback_on_step_end=lambda step, latents: seen.append((step, pipeline.preview(latents).shape)),
    )
    assert made.images[0].size == (64, 64)
    assert seen == [(k, (1, 64, 64, 3)) for k in range(3)]
    with pytest.raises(ValueError, match="got 1 for 2 prompts"):
        pipeline(["a", "b"], generator=[torch.Generator()])


def test_no_words_means_anything() -> None:
    pipeline = tiny()
    vectors = pipeline.text_encoder(word_ids(pipeline.tokenizer, ["", "a tiger at sunset"]))
    torch.testing.assert_close(vectors[0], pipeline.text_encoder.nothing)
    assert (vectors[1] - vectors[0]).abs().max() > 0.1


def test_padding_changes_nothing() -> None:
    pipeline = tiny()
    long = "an egg, a drum and a hot dog, from left to right, at sunset"
    both = pipeline.text_encoder(word_ids(pipeline.tokenizer, ["a tiger at sunset", long]))
    alone = pipeline.text_encoder(word_ids(pipeline.tokenizer, ["a tiger at sunset"]))
    torch.testing.assert_close(both[0], alone[0], atol=1e-5, rtol=1e-5)


def test_every_word_of_the_world_has_an_id() -> None:
    tokenizer = build_tokenizer()
    known = tokenizer(["a purple framed postcard of a bow and arrow on the left, on a rainy day"])["input_ids"][0]
    assert tokenizer.unk_token_id not in known
    assert tokenizer(["a unicorn"])["input_ids"][0][1] == tokenizer.unk_token_id


def test_saving_and_loading(tmp_path: Path) -> None:
    pipeline = tiny()
    save_painter(pipeline, tmp_path)
    loaded = PostcardPipeline.from_pretrained(tmp_path)
    one = PostcardPainter(pipeline, steps=2).paint(["a tiger at sunset"], [1]).astype(int)
    two = PostcardPainter(loaded, steps=2).paint(["a tiger at sunset"], [1]).astype(int)
    assert np.abs(one - two).max() <= 3  # stored in half precision
    (tmp_path / "denoiser" / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="this part of the painter cannot be loaded"):
        PostcardPipeline.from_pretrained(tmp_path)
    with pytest.raises(MissingFileError, match="this part of the painter is missing"):
        PostcardPipeline.from_pretrained(tmp_path / "nowhere")


def test_the_autoencoder_is_the_best_linear_one() -> None:
    cards = next(fresh_postcards(0, "test/autoencoder", batch=64))
    pixels = to_pixels(cards.pictures)
    full, half = PostcardAutoencoder(192), PostcardAutoencoder(24)
    assert float(full.fit(pixels)) == pytest.approx(1.0)
    torch.testing.assert_close(full(pixels), pixels, atol=1e-3, rtol=0)
    share = float(half.fit(pixels))
    assert 0.9 < share < 0.99
    lost = (half(pixels) - pixels).square().sum() / (pixels - _mean_patch(pixels)).square().sum()
    assert float(lost) == pytest.approx(1 - share, abs=1e-3)
    latents = half.encode(pixels)
    assert latents.shape == (64, 24, 8, 8)
    assert float(latents.var(dim=(0, 2, 3)).mean()) == pytest.approx(1.0, rel=0.05)


def _mean_patch(pixels: torch.Tensor) -> torch.Tensor:
    mean = torch.nn.functional.pixel_unshuffle(pixels, 8).mean((0, 2, 3), keepdim=True)
    return torch.nn.functional.pixel_shuffle(mean.expand(1, -1, 8, 8), 8)
