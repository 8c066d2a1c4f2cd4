from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file, save_file

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.painter.autoencoder import PostcardAutoencoder
from tbcore.model.painter.pipeline import PostcardPainter, PostcardPipeline
from tbcore.model.painter.text import build_tokenizer, word_ids
from tbcore.train.painter_updates import to_pixels
from tbcore.train.postcards import fresh_postcards
from tbcore.train.pretrain_painter import save_painter, scene_exact
from tests.model.painter.small import small_painter


def test_each_picture_has_its_own_seed() -> None:
    painter = PostcardPainter(small_painter(), steps=2)
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
    pipeline, seen = small_painter(), []
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
    pipeline = small_painter()
    vectors = pipeline.text_encoder(word_ids(pipeline.tokenizer, ["", "a tiger at sunset"]))
    torch.testing.assert_close(vectors[0], pipeline.text_encoder.nothing)
    assert (vectors[1] - vectors[0]).abs().max() > 0.1
    alone = word_ids(pipeline.tokenizer, ["", ""])
    assert alone.tolist() == [[0], [0]]
    torch.testing.assert_close(pipeline.text_encoder(alone)[1], pipeline.text_encoder.nothing)
    assert PostcardPainter(pipeline, steps=1).paint([""], [0]).shape == (1, 64, 64, 3)


def test_padding_changes_nothing() -> None:
    pipeline = small_painter()
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
    pipeline = small_painter()
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


def test_weights_that_are_lacking_are_not_drawn_at_random(tmp_path: Path) -> None:
    save_painter(small_painter(), tmp_path)
    file = tmp_path / "denoiser" / "diffusion_pytorch_model.safetensors"
    kept = load_file(file)
    save_file({name: tensor for name, tensor in kept.items() if not name.startswith("sum_up")}, file)
    with pytest.raises(CheckpointError, match=r"denoiser.*weights lack .*sum_up"):
        PostcardPipeline.from_pretrained(tmp_path)
    save_file(kept | {"more": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match=r"'more'\] too many"):
        PostcardPipeline.from_pretrained(tmp_path)


def test_diffusers_own_files_keep_every_bit(tmp_path: Path) -> None:
    pipeline = small_painter()
    pipeline.save_pretrained(tmp_path)
    assert (tmp_path / "model_index.json").is_file()
    loaded = PostcardPipeline.from_pretrained(tmp_path)
    for name in ("autoencoder", "text_encoder", "denoiser"):
        one, two = getattr(pipeline, name).state_dict(), getattr(loaded, name).state_dict()
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    told = ["a tiger at sunset", "a drum in the desert"]
    assert (
        PostcardPainter(pipeline, steps=2).paint(told, [1, 2]) == PostcardPainter(loaded, steps=2).paint(told, [1, 2])
    ).all()


def test_half_precision_is_reached_once_and_leaves_the_painter_as_it_was(tmp_path: Path) -> None:
    pipeline = small_painter()
    before = {key: tensor.clone() for key, tensor in pipeline.denoiser.state_dict().items()}
    save_painter(pipeline, tmp_path / "one")
    assert all(torch.equal(before[key], tensor) for key, tensor in pipeline.denoiser.state_dict().items())
    save_painter(PostcardPipeline.from_pretrained(tmp_path / "one"), tmp_path / "two")
    for part in ("autoencoder", "text_encoder", "denoiser"):
        file = f"{part}/diffusion_pytorch_model.safetensors"
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_guidance_costs_a_second_look_and_one_is_none() -> None:
    pipeline, looks = small_painter(), []
    pipeline.denoiser.register_forward_hook(lambda _, given, __: looks.append(len(given[0])))
    drawn = {}
    for scale in (1.0, 2.0, 4.0):
        looks.clear()
        drawn[scale] = PostcardPainter(pipeline, steps=3, guidance=scale).paint(["a tiger at sunset"], [5])
        assert looks == [1 if scale == 1 else 2] * 3
    assert (drawn[1.0] != drawn[2.0]).any()
    assert (drawn[2.0] != drawn[4.0]).any()


@pytest.mark.parametrize("fresh", [True, False])
def test_steps_follow_the_flow_by_hand(fresh: bool) -> None:
    pipeline = small_painter()
    if not fresh:
        pipeline = PostcardPipeline(**{**pipeline.components, "scheduler": FlowMatchEulerDiscreteScheduler()})
    source = torch.Generator().manual_seed(3)
    with torch.no_grad():
        told = pipeline.text_encoder(word_ids(pipeline.tokenizer, ["a tiger at sunset"]))
        free = pipeline.text_encoder.nothing[None]
        latents = torch.randn((1, 4, 8, 8), generator=source)
        pipeline.scheduler.set_timesteps(4)
        levels = [float(level) for level in pipeline.scheduler.sigmas]
        assert levels == pytest.approx([1, 0.857, 0.602, 0.009, 0] if fresh else [1, 0.667, 0.334, 0.001, 0], abs=1e-3)
        for now, after in pairwise(levels):
            sigma = torch.full((1,), now)
            with_words, without = pipeline.denoiser(latents, sigma, told), pipeline.denoiser(latents, sigma, free)
            velocity = without + 3.0 * (with_words - without)
            picture = latents - now * velocity
            noise = torch.randn(latents.shape, generator=source) if fresh else picture + velocity
            latents = (1 - after) * picture + after * noise
    by_hand = pipeline.preview(latents).astype(int)
    painted = PostcardPainter(pipeline, steps=4, guidance=3.0).paint(["a tiger at sunset"], [3]).astype(int)
    assert np.abs(by_hand - painted).max() <= 1


def test_scenes_are_counted_per_number_of_things() -> None:
    shares = scene_exact(small_painter(), n=2, batch=2, num_inference_steps=1)
    assert shares == {1: 0.0, 2: 0.0, 3: 0.0}  # an untrained painter draws nothing that can be read


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
