"""Between two turns: what is read again, and that it changes nothing. Streams and sampling along the way."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from tbcore.model.decode import DecodeSettings, Memory, Prompt, generate
from tbcore.model.history import History
from tbcore.model.painter_port import SolidPainter
from tbcore.model.replies import Drawn
from tbcore.model.tiny import tiny_model
from tbcore.records import Picture, Turn


def said(reply):
    return [part if isinstance(part, str) else [part.caption] for part in reply.parts]


def letters_only(model, processor):
    """Let the model say letters and the end of a reply: what it says can be read back as it was said."""
    letters = processor.layout.text._encode("abcdefghijklmnopqrstuvwxyz")
    model.slice_head({*letters, processor.layout.text.format.stop})


def next_prompt(prompt, reply, question, *pictures):
    """The conversation after the reply, with another question."""
    turns, shown, captions = list(prompt.turns), list(prompt.pictures), list(prompt.captions)
    parts = []
    for part in reply.parts:
        if isinstance(part, Drawn):
            parts.append(Picture(len(shown)))
            shown.append(part.picture)
            captions.append(part.caption)
        else:
            parts.append(part)
    turns.append(Turn("assistant", tuple(parts)))
    asked = [Picture(len(shown) + number) for number in range(len(pictures))]
    turns.append(Turn("user", (*asked, question)))
    return Prompt(tuple(turns), (*shown, *pictures), (*captions, *("-",) * len(pictures)))


@pytest.mark.parametrize("history", ["drop_caption", "keep_caption"])
def test_nothing_is_read_twice_and_nothing_changes(follow, pictures, history):
    """Three turns, the later ones from memory: every state of the model is that of reading all afresh."""
    model, processor = tiny_model(history=history)
    memory, prompt = Memory(), Prompt((Turn("user", (Picture(0), "hi")),), (pictures[0],), ("-",))
    for turn, text in enumerate(("ok<a cat>so$", "<b><c>$", "only words$")):
        columns, kept = len(processor.prompt(prompt.turns, prompt.captions)), len(memory.columns)
        warm = follow(model, processor, text)
        reply = generate(model, processor.layout, [prompt], painter=SolidPainter(), memory=memory)[0]
        cold = follow(model, processor, text)
        generate(model, processor.layout, [prompt], painter=SolidPainter())
        torch.testing.assert_close(torch.cat(warm), torch.cat(cold), atol=2e-4, rtol=1e-4)
        assert memory.reused == kept  # nothing that was read or written is read again
        assert memory.read == columns - kept
        assert memory.history.lengths.tolist() == [len(memory.columns)]
        assert (turn == 0) == (kept == 0)
        prompt = next_prompt(prompt, reply, "and?", pictures[1])


def test_pictures_in_memory_are_not_looked_at_again(monkeypatch, pictures):
    model, processor = tiny_model()
    letters_only(model, processor)
    looked = []
    patches = type(model.vision).patches
    monkeypatch.setattr(type(model.vision), "patches", lambda self, p: looked.append(len(p)) or patches(self, p))
    settings = DecodeSettings(max_tokens=6, max_pictures=0)
    memory, prompt = Memory(), Prompt((Turn("user", (Picture(0), "hi")),), (pictures[0],))
    reply = generate(model, processor.layout, [prompt], painter=None, settings=settings, memory=memory)[0]
    assert looked == [1]
    generate(model, processor.layout, [next_prompt(prompt, reply, "x")], painter=None, settings=settings, memory=memory)
    assert looked == [1]


def test_an_edited_turn_is_read_from_where_it_differs(pictures):
    model, processor = tiny_model()
    settings = DecodeSettings(max_tokens=4, max_pictures=0)
    memory = Memory()

    def ask(picture, text):
        prompt = Prompt((Turn("user", (Picture(0), text)),), (picture,))
        warm = generate(model, processor.layout, [prompt], painter=None, settings=settings, memory=memory)[0]
        cold = generate(model, processor.layout, [prompt], painter=None, settings=settings)[0]
        assert said(warm) == said(cold)
        return memory.reused

    assert ask(pictures[0], "hello") == 0
    before = len(processor.layout.text.format.before)
    assert ask(pictures[0], "help") == before + 4 + 3  # the picture and three letters
    assert ask(pictures[1], "help") == before  # another picture at the same place
    whole = len(processor.prompt((Turn("user", (Picture(0), "help")),)))
    assert ask(pictures[1], "help") == whole - 1  # asked again: only the column that the answer follows from
    other, _ = tiny_model()
    prompt = Prompt((Turn("user", ("help",)),))
    generate(other, processor.layout, [prompt], painter=None, settings=settings, memory=memory)
    assert memory.reused == 0  # a memory of another model is worth nothing
    with pytest.raises(ValueError, match="a memory is of one conversation; got 2 prompts"):
        generate(model, processor.layout, [prompt, prompt], painter=None, memory=memory)


def test_a_drawing_costs_one_reading_of_its_columns(monkeypatch, follow, tiny):
    """Taking the caption back reads nothing; then the picture's columns are read once."""
    model, processor = tiny
    fed = []
    feed = History.feed_all
    monkeypatch.setattr(History, "feed_all", lambda self, x, n: fed.append(x.shape[1]) or feed(self, x, n))
    follow(model, processor, "a<bc><d>e$")
    prompt = Prompt((Turn("user", ("hi",)),))
    generate(model, processor.layout, [prompt], painter=SolidPainter())
    q = processor.layout.n_queries
    assert fed[1:] == [1, 1, 1, 1, q, 1, 1, q, 1]  # a < b c, picture, < d, picture, e


def test_watching_a_batch(pictures):
    model, processor = tiny_model(seed=3)
    letters_only(model, processor)
    with torch.no_grad():
        model.language.control[1:] *= 4
    settings = DecodeSettings(max_tokens=10, max_caption=4, max_pictures=2)
    prompts = [Prompt((Turn("user", (text,)),)) for text in ("hi", "a longer one")]
    pieces = []
    replies = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=settings, watch=pieces.append)
    for number, reply in enumerate(replies):
        own = [piece for piece in pieces if piece.dialogue == number]
        assert [piece.drawn for piece in own if piece.kind == "drawing"] == list(reply.drawings)
        assert "".join(piece.text for piece in own if piece.kind == "text") == reply.text.replace(" ", "")
        assert (own[-1].kind, own[-1].text) == ("end", reply.finish)


def test_sampling_is_that_of_transformers():
    """Greedy, warped and penalised tokens are those of `generate` of the language model alone."""
    model, processor = tiny_model(seed=1)
    layout = processor.layout
    prompt = Prompt((Turn("user", ("tell me",)),))
    ids = torch.from_numpy(processor.prompt(prompt.turns).ids)[None]
    special = [*{*layout.text.tokenizer.all_special_ids} - {layout.text.format.stop}]
    for wanted in ({}, {"repetition_penalty": 3.0}):
        pieces = generate(model, layout, [prompt], painter=None, settings=DecodeSettings(max_tokens=12, **wanted))
        notes = pytest.warns(UserWarning, match="newly generated tokens") if wanted else nullcontext()
        with notes:
            fresh = model.language.inner.generate(
                inputs_embeds=model.language.embed(ids),
                attention_mask=torch.ones_like(ids),
                max_new_tokens=12,
                do_sample=False,
                suppress_tokens=special,
                pad_token_id=2,
                eos_token_id=layout.text.format.stop,
                **wanted,
            )[0]
        assert pieces[0].text == layout.text.decode([int(i) for i in fresh if i > 2]).strip()


def test_warpers_leave_one_or_many():
    model, processor = tiny_model(seed=1)
    prompt = Prompt((Turn("user", ("tell me",)),))

    def write(**settings):
        chosen = DecodeSettings(max_tokens=12, **settings)
        return generate(model, processor.layout, [prompt], painter=None, settings=chosen)[0].text

    greedy = write()
    assert write(top_k=1) == write(min_p=1.0) == write(top_p=1e-9) == write(temperature=1e-4) == greedy
    hot = {write(temperature=5.0, seed=seed) for seed in range(4)}
    assert len(hot) == 4
    assert write(temperature=5.0, seed=1) in hot
    with pytest.raises(ValueError, match="temperature must be above 0 or None; got 0"):
        DecodeSettings(temperature=0)


def test_processors_of_transformers_are_heard():
    from transformers import SuppressTokensLogitsProcessor

    model, processor = tiny_model(seed=1)
    letters_only(model, processor)
    layout, prompt = processor.layout, Prompt((Turn("user", ("tell me",)),))
    settings = DecodeSettings(max_tokens=8)
    first = generate(model, layout, [prompt], painter=None, settings=settings)[0].text[0]
    column = int(model.language.columns_of(torch.tensor(layout.text._encode(first)))[0])
    rule = SuppressTokensLogitsProcessor([column])
    text = generate(model, layout, [prompt], painter=None, settings=settings, processors=[rule])[0].text
    assert first not in text != ""
