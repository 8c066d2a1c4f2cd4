"""The trained model behind the port: on tiny random parts, what it is given and what comes back."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.demo.assistant import MIMAssistant, load_model
from tbcore.demo.conversation import Conversation, Drawing
from tbcore.errors import InputError, MissingFileError
from tbcore.model.decode import DecodeSettings, Drawn, Reply
from tbcore.model.painter_port import SolidPainter
from tbcore.records import Picture

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def parts():
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from tbcore.model.config import QFormerConfig
    from tbcore.model.mim import build_mim
    from tbcore.model.processor import MIMProcessor
    from tbcore.model.vision import HashTower
    from tbcore.weights.smollm import CHAT_TEMPLATE

    words = ["<unk>", "<|im_start|>", "<|im_end|>", "user", "assistant", "\n", "hello", "what", "is", "it", "again"]
    words += ["a", "cat", "-"]
    core = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    settings = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    qformer = QFormerConfig(n_queries=4, width=16, n_layers=1, n_heads=2)
    model = build_mim(HashTower(width=8, patch=32), LlamaForCausalLM(settings).eval(), qformer=qformer)
    return model, MIMProcessor.for_model(model, tokenizer)


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def assistant(parts, **more) -> MIMAssistant:
    return MIMAssistant(*parts, SolidPainter(), settings=DecodeSettings(max_tokens=12, max_caption=3, **more))


def test_a_conversation_of_several_turns_with_pictures_goes_through(parts):
    chat = Conversation(assistant(parts))
    for message in ([card(3), "what is it"], "hello", [card(250), "again"]):
        chat.send(message)
    assert len(chat.turns) == 6
    drawn = [d for turn in chat.turns for d in chat.transcript.drawings(turn)]
    assert all(isinstance(d, Drawing) and d.caption and d.picture.shape == (64, 64, 3) for d in drawn)


def test_the_same_conversation_gets_the_same_reply(parts):
    told = []
    for _ in range(2):
        chat = Conversation(assistant(parts, top_p=0.9))
        chat.send([card(3), "what is it"])
        chat.send("again")
        told.append(chat.transcript.to_json())
    assert told[0] == told[1]


def test_the_oldest_exchanges_are_forgotten_first(parts):
    chat = Conversation(assistant(parts))
    for shade in range(4):
        chat.send([card(shade), "hello"])
    short = assistant(parts)
    whole = chat.transcript.adding("user", ["what is it"])
    assert short.remembered(whole) is not None
    short.max_columns = len(short.processor.prompt(whole.since(4).turns)) + 1
    kept = short.remembered(whole)
    assert len(kept.turns) == len(whole.turns) - 4
    assert kept.turns[-1].text == "what is it"
    short.max_columns = 2
    with pytest.raises(InputError, match="too long to be read, more than 2 tokens"):
        short.remembered(whole)


def test_without_a_checkpoint_it_says_which_notebook_to_run(tmp_path):
    with pytest.raises(MissingFileError, match=r"no checkpoint here. Run the training notebook \(06\) first"):
        load_model(tmp_path)


def test_what_the_model_draws_comes_back_with_its_caption(parts, monkeypatch):
    asked = []

    def answer(model, layout, prompts, *, painter, settings):
        asked.append((prompts[0], settings.seed))
        return [Reply(("hello", Drawn("a cat", card(7), settings.seed), "is it"), "stop")]

    monkeypatch.setattr("tbcore.demo.assistant.generate", answer)
    chat = Conversation(assistant(parts, seed=5))
    chat.send([card(3), "what is it"])
    chat.send("again")
    assert chat.turns[1].parts == ("hello", Picture(1), "is it")
    assert chat.transcript.captions == ("", "a cat", "a cat")
    prompt = asked[1][0]
    assert [turn.pictures for turn in prompt.turns] == [(0,), (1,), ()]
    assert [int(picture[0, 0, 0]) for picture in prompt.pictures] == [3, 7]
    assert [seed for _, seed in asked] == [105, 305]  # another seed in each turn
