"""Parts of the hub's classes, tiny and random, saved to folders and loaded through the doors that take hub names."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tbcore.errors import CheckpointError
from tbcore.model.batch import collate
from tbcore.model.config import QFormerConfig
from tbcore.model.connectors import PixelShuffleConnector
from tbcore.model.decode import DecodeSettings, Prompt, generate
from tbcore.model.hub import PipelinePainter, load_language, load_painter, load_qformer, load_tower
from tbcore.model.mim import MIMForConditionalGeneration, build_mim
from tbcore.model.painter_port import Painter, SolidPainter
from tbcore.model.processor import MIMProcessor
from tbcore.model.tiny import byte_tokenizer, tiny_model
from tbcore.model.vision import HashTower, build_tower
from tbcore.records import Picture, Turn

VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
}
TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


def seeded(make, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()


def save_tower(kind, folder, *, whole=True):
    """A random CLIP or SigLIP with its image processor, both sides or the picture side alone."""
    import transformers as tf

    config = getattr(tf, f"{kind}Config")(vision_config=VISION, text_config=TEXT)
    made = f"{kind}Model" if whole else f"{kind}VisionModel"
    model = seeded(lambda: getattr(tf, made)(config if whole else config.vision_config))
    model.save_pretrained(folder)
    getattr(tf, f"{kind}ImageProcessor")(image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]).save_pretrained(folder)
    return model.vision_model if whole else model


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_towers_of_transformers(tmp_path, pictures, kind, whole):
    visual = save_tower(kind, tmp_path, whole=whole)
    tower = load_tower(tmp_path, local_only=True)
    mean, std = (torch.tensor(x)[:, None, None] for x in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    pixels = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        direct = visual(pixel_values=pixels)
    assert (tower.n_patches, tower.width, tower.size) == (16, 16, 64)
    torch.testing.assert_close(tower.patches(pictures), direct.last_hidden_state[:, -16:])
    torch.testing.assert_close(tower.pooled(pictures), torch.nn.functional.normalize(direct.pooler_output, dim=-1))
    assert not any(p.requires_grad for p in tower.parameters())
    again = build_tower(json.loads(json.dumps(tower.settings)))
    again.load_state_dict(tower.state_dict())
    torch.testing.assert_close(again.patches(pictures), tower.patches(pictures))


def save_blip2(folder, *, shards=None):
    import transformers as tf

    qformer = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "encoder_hidden_size": 16,
        "vocab_size": 30,
    }
    text = {"model_type": "opt", "hidden_size": 32, "ffn_dim": 32, "word_embed_proj_dim": 32, "vocab_size": 40}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
    config = tf.Blip2Config(vision_config=VISION, qformer_config=qformer, text_config=text, num_query_tokens=6)
    model = seeded(lambda: tf.Blip2ForConditionalGeneration(config))
    with torch.no_grad():
        model.query_tokens.normal_(generator=torch.Generator().manual_seed(1))
    model.save_pretrained(folder, **({} if shards is None else {"max_shard_size": shards}))
    tf.BlipImageProcessor().save_pretrained(folder)
    return model


@pytest.mark.parametrize("shards", [None, "30KB"])
def test_blip2_tower_and_qformer(tmp_path, pictures, shards):
    model = save_blip2(tmp_path, shards=shards)
    assert (tmp_path / "model.safetensors.index.json").is_file() == (shards is not None)
    tower = load_tower(tmp_path, local_only=True)
    connector = load_qformer(tmp_path, text_width=32, local_only=True)
    assert (tower.n_patches, connector.n_queries) == (17, 6)  # sixteen patches and the class token
    with torch.no_grad():
        seen = tower.patches(pictures)
        asked = model.qformer(query_embeds=model.query_tokens.expand(6, -1, -1), encoder_hidden_states=seen)
        expected = model.language_projection(asked.last_hidden_state)
        torch.testing.assert_close(connector(seen), expected)
    other = load_qformer(tmp_path, text_width=20, text_norm=2.0, local_only=True)
    assert torch.equal(other.query_tokens, connector.query_tokens)
    assert other.language_projection.out_features == 20  # another language model: a fresh linear layer
    assert tuple(other(seen[:0]).shape) == (0, 6, 20)
    with pytest.raises(ValueError, match="patches must have width 16; got 7"):
        connector(torch.zeros(1, 17, 7))


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_language_models_by_folder(tmp_path, kind):
    model, _ = tiny_model(kind=kind)
    model.language.inner.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    inner, tokenizer = load_language(tmp_path, local_only=True)
    assert inner.config.model_type == kind
    ids = torch.tensor([[4, 5, 6]])
    torch.testing.assert_close(inner(input_ids=ids).logits, model.language.inner(input_ids=ids).logits)
    assert tokenizer("a").input_ids == byte_tokenizer()("a").input_ids
    with pytest.raises(CheckpointError, match="attention 'flash_attention_2' cannot take the mask"):
        load_language(tmp_path, attention="flash_attention_2")


def test_doors_name_what_is_missing(tmp_path):
    for door in (load_tower, load_language, load_painter):
        with pytest.raises(CheckpointError, match="cannot be loaded"):
            door(tmp_path / "nowhere", local_only=True)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_qformer(tmp_path / "nowhere", text_width=8, local_only=True)
    tiny_model()[0].language.inner.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="model type 'llama' is none of"):
        load_tower(tmp_path, local_only=True)
    with pytest.raises(CheckpointError, match="its model type is 'llama'"):
        load_qformer(tmp_path, text_width=8, local_only=True)


def save_sdxl(folder):
    """A StableDiffusionXL pipeline of a few thousand weights."""
    import diffusers as df
    import transformers as tf

    (parts := folder / "sdxl").mkdir()
    words = {
        w: i for i, w in enumerate(["<|startoftext|>", "<|endoftext|>", *"abcdefgh", *(f"{c}</w>" for c in "abcdefgh")])
    }
    tokenizers = [tf.CLIPTokenizer(vocab=words, merges=[], model_max_length=16) for _ in range(2)]
    text = {
        **TEXT,
        "hidden_size": 16,
        "projection_dim": 16,
        "max_position_embeddings": 16,
        "vocab_size": len(words),
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    unet = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 4,
        "transformer_layers_per_block": (1, 1),
        "projection_class_embeddings_input_dim": 16 + 6 * 4,
        "cross_attention_dim": 32,
        "norm_num_groups": 4,
    }
    vae = {
        "block_out_channels": (8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 4,
        "sample_size": 16,
        "norm_num_groups": 4,
    }
    pipeline = df.StableDiffusionXLPipeline(
        vae=seeded(lambda: df.AutoencoderKL(**vae)),
        text_encoder=seeded(lambda: tf.CLIPTextModel(tf.CLIPTextConfig(**text))),
        text_encoder_2=seeded(lambda: tf.CLIPTextModelWithProjection(tf.CLIPTextConfig(**text)), 1),
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=seeded(lambda: df.UNet2DConditionModel(**unet)),
        scheduler=df.EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"),
        add_watermarker=False,
    )
    pipeline.save_pretrained(parts)
    return parts, pipeline


def test_stable_diffusion_xl_paints(tmp_path, pictures):
    folder, built = save_sdxl(tmp_path)
    painter = load_painter(folder, local_only=True, steps=2, height=16, width=16)
    assert isinstance(painter, PipelinePainter)
    assert isinstance(painter, Painter)
    assert type(painter.pipeline).__name__ == "StableDiffusionXLPipeline"
    one, two, again = painter.paint(["ab", "cd", "ab"], [3, 3, 3])
    assert one.shape == (64, 64, 3)
    assert (one == again).all()
    assert (one != two).any()
    direct = PipelinePainter(built, steps=2, height=16, width=16).paint(["ab"], [3])
    np.testing.assert_array_equal(direct[0], one)
    assert painter.paint([], []).shape == (0, 64, 64, 3)


def test_the_whole_model_of_hub_parts_answers_and_is_saved(tmp_path, pictures, story):
    """SigLIP tower, BLIP-2 layout, Qwen2, each from a folder; then one folder of all."""
    save_blip2(tmp_path / "blip2")
    tiny_model(kind="qwen2")[0].language.inner.save_pretrained(tmp_path / "lm")
    byte_tokenizer().save_pretrained(tmp_path / "lm")
    tower = load_tower(tmp_path / "blip2", local_only=True)
    inner, tokenizer = load_language(tmp_path / "lm", local_only=True)
    connector = load_qformer(tmp_path / "blip2", text_width=inner.config.hidden_size, local_only=True)
    model = build_mim(tower, inner, connector=connector)
    processor = MIMProcessor.for_model(model, tokenizer)
    assert model.config.n_queries == 6
    prompt = Prompt((Turn("user", (Picture(0), "hi")),), (pictures[0],))
    settings = DecodeSettings(max_tokens=5)
    reply = generate(model, processor.layout, [prompt], painter=SolidPainter(), settings=settings)[0]
    model.save_pretrained(tmp_path / "whole")
    processor.save_pretrained(tmp_path / "whole")
    again = MIMForConditionalGeneration.from_pretrained(tmp_path / "whole")
    other = MIMProcessor.from_pretrained(tmp_path / "whole")
    batch = collate([other.example(story)], [again.vision.patches(pictures[:4])])
    torch.testing.assert_close(again(**batch).logits, model(**batch).logits)
    same = generate(again, other.layout, [prompt], painter=SolidPainter(), settings=settings)[0]
    assert same.text == reply.text


def test_pixel_shuffle_by_config(tmp_path, pictures):
    inner = tiny_model()[0].language.inner
    model = build_mim(HashTower(), inner, qformer=QFormerConfig(n_queries=4), connector="pixel_shuffle")
    assert isinstance(model.connector, PixelShuffleConnector)
    model.save_pretrained(tmp_path)
    again = MIMForConditionalGeneration.from_pretrained(tmp_path)
    seen = model.vision.patches(pictures)
    torch.testing.assert_close(again.vectors(seen), model.vectors(seen))
    model.config.connector = {"kind": "x"}
    with pytest.raises(ValueError, match=r"connector must be .*; got 'x'"):
        MIMForConditionalGeneration(model.config)
