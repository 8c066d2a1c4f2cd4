"""What parts ask of a machine: the counts hold for real modules, and what does not fit is refused."""

from __future__ import annotations

import dataclasses

import pytest

from tbcore import profiles
from tbcore.errors import ProfileError
from tbcore.parts.catalogue import Part, gpus, named_parts, sets
from tbcore.parts.cost import (
    UTILISATION,
    activation_bytes,
    fitting_parts,
    lora_parameters,
    need,
    qformer_parameters,
    work,
)

TINY = Part(
    key="tiny",
    port="language",
    name="tiny",
    licence="",
    parameters=1,
    file_dtype="bfloat16",
    layers=4,
    width=64,
    inner=128,
    kv_width=32,
    vocab=99,
)


def llama(layers):
    """A Llama of TINY's sizes in bfloat16, frozen, with this course's adapters."""
    import torch
    import transformers as tf

    from tbcore.model.language import LanguageModel, add_lora

    config = tf.LlamaConfig(
        hidden_size=TINY.width,
        intermediate_size=TINY.inner,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=TINY.vocab,
    )
    inner = tf.LlamaForCausalLM(config).to(torch.bfloat16).requires_grad_(False)
    language = LanguageModel(inner)
    return language, add_lora(language, rank=8, alpha=16, targets=["q_proj", "v_proj"], seed=0)


def kept_bytes(language, columns):
    """What torch keeps for the backward pass of the blocks, each storage once, weights left out."""
    import torch

    own = {p.untyped_storage()._cdata for p in language.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    inputs = torch.randn(1, columns, TINY.width, dtype=torch.bfloat16, requires_grad=True)
    mask = torch.ones(1, columns, columns, dtype=torch.bool).tril()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = language.hidden(inputs, mask, torch.arange(columns)[None])
    del out
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("columns", [32, 128])
def test_activations_are_what_torch_keeps(columns):
    (two, _), (four, learning) = llama(2), llama(4)
    measured = (kept_bytes(four, columns) - kept_bytes(two, columns)) / 2 / columns
    assert activation_bytes(TINY, row=columns) == pytest.approx(measured, rel=0.1)
    assert learning == lora_parameters(TINY, rank=8)


def test_qformer_numbers_are_those_of_the_module():
    from tbcore.model.config import QFormerConfig
    from tbcore.model.connectors import QFormerConnector

    sizes = {"n_queries": 5, "width": 24, "n_layers": 3, "n_heads": 4}
    made = QFormerConnector(QFormerConfig(**sizes), patch_width=10, n_patches=9, text_width=14)
    expected = sum(one.numel() for one in made.parameters())
    assert qformer_parameters(**sizes, patches=9, d_vis=10, d_lm=14) == expected


def test_need_is_the_sum_of_its_pieces():
    found = need(named_parts("gpu"))
    assert found.training["language model"] == pytest.approx(2 * 1.711376384)
    assert found.gpu == pytest.approx(max(sum(one.values()) for one in (found.training, found.chat, found.teacher)))
    assert found.download == pytest.approx(sum(p.download_bytes for p in named_parts("gpu").all()) / 1e9)
    needs = [need(one).gpu for one in sets().values()]
    assert needs == sorted(needs)


def test_what_does_not_fit_names_the_next_smaller():
    wanted = need(named_parts("gpu-large")).gpu
    assert fitting_parts(named_parts("gpu-large"), gpu_gb=wanted).name == "gpu-large"
    with pytest.raises(
        ProfileError, match=r"'gpu-large': need \d+ GB of GPU memory, this one has 24 GB\. Use parts 'gpu'"
    ):
        fitting_parts(named_parts("gpu-large"), gpu_gb=24)
    with pytest.raises(ProfileError, match=r"Use parts 'gpu-small'\."):
        fitting_parts(named_parts("gpu-large"), gpu_gb=8)
    with pytest.raises(ProfileError, match=r"this one has 2 GB\. Use profile 'laptop'"):
        fitting_parts(named_parts("gpu"), gpu_gb=2)
    with pytest.raises(ProfileError, match=r"this machine has none\. Use profile 'laptop'"):
        fitting_parts(named_parts("gpu"), gpu_gb=0)


def test_hours_follow_from_operations():
    parts, gpu = named_parts("gpu"), gpus()["A100"]
    found = work(parts)
    for name, hours in found.hours(gpu).items():
        assert hours * 3600 * 312e12 * UTILISATION == pytest.approx(found.flops[name])
    sizes = profiles.PROFILES["gpu"]
    twice = work(parts, profile=dataclasses.replace(sizes, stage2_steps=2 * sizes.stage2_steps))
    assert twice.flops["stage 2"] == pytest.approx(2 * found.flops["stage 2"])
    columns = sizes.stage2_steps * sizes.stage2_batch * sizes.max_positions
    assert found.flops["stage 2"] >= columns * 4 * parts.language.parameters


BUILT = {
    "siglip-b": (
        "SiglipVisionModel",
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "image_size": 224, "patch_size": 16},
    ),
    "siglip-so400m": (
        "SiglipVisionModel",
        {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_attention_heads": 16,
            "image_size": 384,
            "patch_size": 14,
        },
    ),
    "clip-l": (
        "CLIPVisionModel",
        {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "image_size": 224,
            "patch_size": 14,
        },
    ),
    "smollm2-360m": ("LlamaForCausalLM", {"num_attention_heads": 15, "num_key_value_heads": 5}),
    "smollm2-1.7b": ("LlamaForCausalLM", {"num_attention_heads": 32, "num_key_value_heads": 32}),
    "llama-3.2-3b": ("LlamaForCausalLM", {"num_attention_heads": 24, "num_key_value_heads": 8, "head_dim": 128}),
    "qwen2.5-1.5b": ("Qwen2ForCausalLM", {"num_attention_heads": 12, "num_key_value_heads": 2}),
    "qwen2.5-7b": (
        "Qwen2ForCausalLM",
        {"num_attention_heads": 28, "num_key_value_heads": 4, "tie_word_embeddings": False},
    ),
}


def part_of(key):
    return next(p for one in sets().values() for p in one.all() if p.key == key)


@pytest.mark.long
@pytest.mark.parametrize("key", BUILT)
def test_numbers_of_the_catalogue_are_those_of_the_classes(key):
    """Built without weights: the class and sizes that the hub's configuration names, and nothing is fetched."""
    import torch
    import transformers as tf
    from torch.utils.flop_counter import FlopCounterMode

    part = part_of(key)
    name, sizes = BUILT[key]
    made = getattr(tf, name)
    known = {"num_hidden_layers": part.layers}
    if part.port != "tower":
        known |= {"hidden_size": part.width, "intermediate_size": part.inner, "vocab_size": part.vocab}
        known |= {"tie_word_embeddings": True}
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        model = made(made.config_class(**(known | sizes)))
        if part.port == "tower":
            side = sizes["image_size"]
            model(pixel_values=torch.zeros(1, 3, side, side))
    assert sum(one.numel() for one in model.parameters()) == part.parameters
    if part.port == "tower":
        assert counter.get_total_flops() / 1e9 == pytest.approx(part.gflops, abs=0.1)
        assert (side // sizes["patch_size"]) ** 2 == part.patches
    else:
        assert model.model.layers[0].self_attn.k_proj.out_features == part.kv_width


UNETS = {
    "sd-turbo": {
        "block_out_channels": (320, 640, 1280, 1280),
        "attention_head_dim": (5, 10, 20, 20),
        "cross_attention_dim": 1024,
    },
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
WORDS = {  # numbers of the text encoders: CLIP ViT-H's of SD 2.1; CLIP ViT-L's and ViT-bigG's of SDXL
    "sd-turbo": 340_387_840,
    "sdxl": 123_060_480 + 694_659_840,
}


@pytest.mark.long
@pytest.mark.parametrize("key", UNETS)
def test_painters_of_the_catalogue_are_those_of_the_classes(key):
    import diffusers as df
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    part, sizes = part_of(key), UNETS[key]
    grid = part.side // 8
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    with torch.device("meta"), torch.no_grad():
        unet = df.UNet2DConditionModel(sample_size=grid, use_linear_projection=True, **sizes)
        vae = df.AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, **blocks)
        given = {"text_embeds": torch.zeros(1, 1280), "time_ids": torch.zeros(1, 6)}
        with FlopCounterMode(display=False) as step:
            words = torch.zeros(1, 77, sizes["cross_attention_dim"])
            unet(torch.zeros(1, 4, grid, grid), torch.zeros(1), words, added_cond_kwargs=given)
        with FlopCounterMode(display=False) as decoder:
            vae.decode(torch.zeros(1, 4, grid, grid))
    numbers = sum(p.numel() for module in (unet, vae) for p in module.parameters())
    assert numbers + WORDS[key] == part.parameters
    assert step.get_total_flops() / 1e9 == pytest.approx(part.gflops, abs=0.1)
    assert decoder.get_total_flops() / 1e9 == pytest.approx(part.decode_gflops, abs=0.1)
