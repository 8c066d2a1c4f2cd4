"""A citizen of the Hugging Face libraries: Auto classes, bfloat16, peft, merged adapters, messages with pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tbcore.errors import InputError
from tbcore.model.batch import collate
from tbcore.model.config import MIMConfig
from tbcore.model.decode import DecodeSettings, generate
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.pack import Example
from tbcore.model.painter_port import SolidPainter
from tbcore.model.processor import MIMProcessor
from tbcore.model.tiny import tiny_model
from tbcore.records import Picture, Turn
from tbcore.train.checkpoint import frozen_hashes, load_delta, save_delta


def batch_of(model, processor, story, pictures):
    return collate([processor.example(story)], [model.vision.patches(pictures[:4])])


def awake_adapters(model):
    """Adapters as training leaves them: not silent any more."""
    model.add_lora(rank=2, alpha=4)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(generator=torch.Generator().manual_seed(len(name)))
    return model


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_merged_adapters_say_the_same(tmp_path, kind, story, pictures):
    model, processor = tiny_model(kind=kind)
    silent = batch_of(model, processor, story, pictures)
    plain = model(**silent).logits
    awake_adapters(model)
    beside = model(**silent).logits
    assert (beside - plain).abs().max() > 1e-2
    save_delta(model, tmp_path / "delta")
    model.merge_lora()
    torch.testing.assert_close(model(**silent).logits, beside, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name or "base_layer" in name for name in model.state_dict())
    model.save_pretrained(tmp_path / "whole")
    whole = MIMForConditionalGeneration.from_pretrained(tmp_path / "whole")
    fresh, _ = tiny_model(kind=kind)
    load_delta(fresh, tmp_path / "delta")
    torch.testing.assert_close(whole(**silent).logits, fresh(**silent).logits, atol=1e-4, rtol=1e-4)
    assert frozen_hashes(whole) != frozen_hashes(fresh)  # the adapters are in the weights now
    with pytest.raises(ValueError, match="merge_lora: the model has no adapters"):
        model.merge_lora()


def test_auto_classes_know_it(tmp_path, story, pictures):
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

    model, processor = tiny_model()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), MIMConfig)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, MIMProcessor)
    batch = batch_of(model, again, story, pictures)
    for door in (AutoModel, AutoModelForImageTextToText):
        loaded = door.from_pretrained(tmp_path)
        assert isinstance(loaded, MIMForConditionalGeneration)
        torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)


def test_bfloat16_reads_writes_and_learns(tmp_path, story, pictures):
    model, processor = tiny_model()
    batch = batch_of(model, processor, story, pictures)
    exact = model(**batch).loss
    model.save_pretrained(tmp_path)
    half = MIMForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in half.language.inner.parameters()} == {torch.bfloat16}
    out = half(**batch)
    assert out.logits.dtype == torch.float32
    assert out.loss.item() == pytest.approx(exact.item(), rel=0.05)
    out.loss.backward()
    assert torch.isfinite(half.connector.projection.weight.grad).all()
    prompt = processor([{"role": "user", "content": [{"type": "image", "image": pictures[0]}]}])
    settings = DecodeSettings(max_tokens=4)
    assert generate(half, processor.layout, [prompt], painter=SolidPainter(), settings=settings)[0].finish


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")  # a name that transformers will change
def test_gradients_are_the_same_with_checkpointing(story, pictures):
    model, processor = tiny_model()
    batch = batch_of(model, processor, story, pictures)
    model.connector.requires_grad_(True)
    model(**batch).loss.backward()
    expected = model.connector.projection.weight.grad.clone()
    model.zero_grad()
    model.gradient_checkpointing_enable()
    model.train()
    model(**batch).loss.backward()
    torch.testing.assert_close(model.connector.projection.weight.grad, expected, atol=1e-6, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")  # peft still asks by the old name
def test_a_folder_of_peft_is_a_delta(tmp_path, story, pictures):
    """Adapters on the language model alone, the connector saved beside them."""
    from peft import LoraConfig, PeftModel, get_peft_model

    model, processor = tiny_model()
    batch = batch_of(model, processor, story, pictures)
    config = LoraConfig(
        r=2,
        target_modules=r"language\.inner\..*\.(q_proj|v_proj)",
        modules_to_save=["connector"],
        init_lora_weights=False,
    )
    tuned = get_peft_model(model, config)
    woken = {name for name, value in tuned.named_parameters() if value.requires_grad}
    assert all("lora_" in name or "connector.modules_to_save" in name for name in woken)
    assert not any(".vision." in name for name in woken)
    with torch.no_grad():
        for name, value in tuned.named_parameters():
            if "connector.modules_to_save" in name:
                value += 0.1
    expected = tuned(**batch).logits
    tuned.save_pretrained(tmp_path)
    fresh, _ = tiny_model()
    again = PeftModel.from_pretrained(fresh, tmp_path).eval()
    torch.testing.assert_close(again(**batch).logits, expected)
    assert (expected - tiny_model()[0](**batch).logits).abs().max() > 1e-2


def test_messages_with_pictures(tmp_path, tiny, pictures):
    _, processor = tiny
    file = tmp_path / "a.png"
    Image.fromarray(pictures[1]).save(file)
    messages = [
        {"role": "user", "content": [{"type": "image", "image": pictures[0]}, {"type": "text", "text": "who?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "this: "}, {"type": "image", "image": file}]},
        {"role": "user", "content": "and <image> <|im_end|>?"},
    ]
    text = processor.apply_chat_template(messages)
    slots = "<image>" * 4
    assert text == (
        f"<|im_start|>user\n{slots}who?<|im_end|>\n<|im_start|>assistant\nthis:{slots}<|im_end|>\n"
        "<|im_start|>user\nand <image> <|im_end|>?<|im_end|>\n<|im_start|>assistant\n"
    )
    prompt = processor(messages)
    assert prompt.turns[1] == Turn("assistant", ("this: ", Picture(1)))
    np.testing.assert_array_equal(prompt.pictures[1], pictures[1])
    columns = processor.apply_chat_template(messages, tokenize=True)
    assert isinstance(columns, Example)
    assert columns.ids.tolist() == processor.prompt(prompt.turns).ids.tolist()
    assert (columns.ids == processor.layout.image_id).sum() == 8  # what the user typed is no slot
    assert (columns.ids == 2).sum() == 3  # nor does it end a turn
    with pytest.raises(InputError, match="message 0: a part must be of type 'text' or 'image'; got 'video'"):
        processor([{"role": "user", "content": [{"type": "video"}]}])


@pytest.mark.parametrize("bad", ["<|im_end|>", "<|im_start|>assistant\n", "<start>x<end>", "<image>"])
def test_no_caption_and_no_file_name_becomes_a_mark(tmp_path, tiny, pictures, bad):
    """Words of captions are letters like any others; the names of files are never read."""
    from tbcore.records import Dialogue

    _, processor = tiny
    file = tmp_path / f"{bad.replace('/', '').strip()}.png"
    Image.fromarray(pictures[0]).save(file)
    np.testing.assert_array_equal(processor.picture(file), pictures[0])
    turns = (Turn("user", (bad,)), Turn("assistant", (bad, Picture(0))))
    example = processor.example(Dialogue("d", turns, (bad,), (str(file),)))
    plain = processor.example(Dialogue("d", (Turn("user", ("a",)), Turn("assistant", ("b", Picture(0)))), ("c",)))
    marks = [0, 1, 2, *range(processor.vocab_size, processor.vocab_size + 3)]
    for mark in marks:
        assert (example.ids == mark).sum() == (plain.ids == mark).sum()
