"""The trained model behind the port: on tiny random parts, what it is given and what comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tbcore.demo.assistant import MIMAssistant
from tbcore.demo.conversation import Conversation, Drawing
from tbcore.demo.engine import Ask, Stopped, StreamedParts, unwatched
from tbcore.demo.inside import Inside
from tbcore.demo.shelf import Kept
from tbcore.demo.transcript import Transcript
from tbcore.errors import InputError
from tbcore.model.decode import DecodeSettings, Drawn, Reply
from tbcore.model.painter_port import SolidPainter
from tbcore.records import Picture, Turn

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


def test_what_the_model_draws_comes_back_with_its_caption(parts, monkeypatch):
    asked = []

    def answer(model, layout, prompts, *, painter, settings, watch, memory):
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


def watched(parts, **more):
    return MIMAssistant(*parts, SolidPainter(), settings=DecodeSettings(max_tokens=24, max_caption=3), **more)


def test_what_is_told_piece_by_piece_is_the_reply(tiny):
    engine, checked = watched(tiny), 0
    for seed in range(6):
        heard = StreamedParts()
        history = Transcript().adding("user", [card(seed), "what is it"])
        answer = engine.answer(history, Ask(temperature=1.5, seed=seed), heard.take)
        assert [p if isinstance(p, str) else p.caption for p in heard.parts] == [
            p if isinstance(p, str) else p.caption for p in answer.parts
        ]
        checked += len(answer.parts)
        assert answer.usage.seconds["first"] <= answer.usage.seconds["total"]
    assert checked >= 6


def test_a_conversation_with_a_name_is_not_read_again(tiny):
    engine, plain = watched(tiny), watched(tiny)
    chat, twin = Conversation(engine), Conversation(plain)
    for number, message in enumerate(([card(3), "what is it"], "hello", [card(250), "again"])):
        twin.id = ""  # no name: nothing is kept
        chat.send(message)
        twin.send(message)
        usage = chat.latest.usage
        assert (usage.reused > 0) == (number > 0)
        assert twin.latest.usage.reused == 0
        assert usage.prompt == twin.latest.usage.prompt
    assert chat.transcript.to_json() == twin.transcript.to_json()
    assert (len(engine.shelf), len(plain.shelf)) == (1, 0)
    chat.edit(2, "another")  # what was said before it stays in memory
    assert chat.latest.usage.reused > 0


def test_what_had_to_be_read_again_is_counted():
    kept = Kept(turns=(Turn("user", ("a",)), Turn("assistant", ("b",))), columns=30)
    kept.memory.reused = 27
    assert kept.surplus((*kept.turns, Turn("user", ("c",)))) == 3
    assert kept.surplus((Turn("user", ("other",)),)) == 0  # an edited conversation is another one
    kept.memory.reused = 30
    assert kept.surplus((*kept.turns, Turn("user", ("c",)))) == 0
    assert Kept().surplus(kept.turns) == 0


def test_memories_that_do_not_fit_are_forgotten_the_oldest_first(tiny):
    engine = watched(tiny)
    for name in ("a", "b"):
        engine.answer(Transcript().adding("user", ["hello"]), Ask(conversation=name), unwatched)
    assert len(engine.shelf) == 2
    engine.shelf.max_bytes = engine.shelf.n_bytes
    assert engine.shelf.n_bytes > 0
    engine.answer(Transcript().adding("user", ["hello you"]), Ask(conversation="c"), unwatched)
    assert engine.shelf.n_bytes <= engine.shelf.max_bytes
    assert engine.shelf.take("a").memory.history is None
    assert engine.shelf.take("c").memory.history is not None
    engine.forget("c")
    engine.forget("never heard of")
    assert engine.shelf.take("c").memory.history is None


def test_a_reply_can_be_stopped_and_the_next_one_is_right(tiny):
    engine, fresh = watched(tiny), watched(tiny)

    def enough(event):
        raise Stopped

    history = Transcript().adding("user", ["hello"])
    answer = engine.answer(history, Ask(conversation="c"), enough)
    assert answer.finish == "stopped"
    again = engine.answer(history, Ask(conversation="c"), unwatched)
    assert again.text == fresh.answer(history, Ask(), unwatched).text
    assert again.usage.reused > 0


def test_asked_again_it_says_something_else(tiny):
    chat = Conversation(watched(tiny))
    chat.send("hello")
    first = chat.turns[1]
    others = {chat.regenerate() for _ in range(3)}
    assert others - {first}
    assert len(chat.branches) == 4


def test_look_inside_gives_every_token_its_probability(tiny):
    engine = watched(tiny)
    talk = Transcript().adding("user", [card(9), "hi"])
    talk = talk.adding("assistant", ["ok", Drawing("a cat", card(7)), "so", Drawing("dog", card(8))])
    inside = engine.look_inside(talk)
    words = ["".join(t.text for t in inside.tokens if t.branch == branch) for branch in range(3)]
    assert words == ["ok<start>so<start><|im_end|>", "a cat<end>", "dog<end>"]
    assert all(0 <= token.probability <= 1 for token in inside.tokens)
    for token in inside.tokens:
        assert token.probability <= token.others[0][1] + 1e-6
        chances = dict(token.others)
        assert token.text not in chances or chances[token.text] == pytest.approx(token.probability)
    assert [glance.picture for glance in inside.glances] == [0, 1, 2]
    for glance in inside.glances:
        assert len(glance.weights) == engine.model.config.n_queries
        assert all(len(line) == glance.side**2 and sum(line) == pytest.approx(1, abs=1e-4) for line in glance.weights)
    assert [(one.asked, one.agrees) for one in inside.read_outs] == [("a cat", None), ("dog", None)]
    assert Inside.from_json(json.loads(json.dumps(inside.to_json()))) == inside
    with pytest.raises(InputError, match="must end with a reply"):
        engine.look_inside(talk.until(1))


def test_probabilities_are_those_of_writing_it(parts):
    """The likeliest token at each place is what was written greedily; words that may not be said are no rivals."""
    engine = assistant(parts)
    history = Transcript().adding("user", ["hello"])
    answer = engine.answer(history, Ask(max_pictures=0), unwatched)
    inside = engine.look_inside(history.adding("assistant", answer.parts))
    said = [token for token in inside.tokens if token.text != "<|im_end|>"]
    assert len(said) >= 3
    for token in said:
        rivals = [word for word, _ in token.others if not word.startswith("<")]
        assert rivals[0] == token.text


def test_an_exact_reader_tells_whether_the_drawing_is_what_was_asked():
    from tbcore.demo.looking import read_outs
    from tbcore.world.captions import caption
    from tbcore.world.render import render
    from tbcore.world.scenes import Scene

    scene, other = Scene("sandy beach", ("tiger",)), Scene("sandy beach", ("panda",))
    talk = Transcript().adding("user", ["draw"])
    talk = talk.adding("assistant", [Drawing(caption(scene), render(scene)), Drawing(caption(other), render(scene))])
    right, wrong = read_outs(talk)
    assert (right.agrees, right.found) == (True, caption(scene))
    assert (wrong.agrees, wrong.found) == (False, caption(scene))
