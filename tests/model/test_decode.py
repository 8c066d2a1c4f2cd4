"""Writing replies: the memory after a drawing, the batch, and every way a caption can go wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tbcore.errors import DialogueError
from tbcore.model.decode import DecodeSettings, Drawn, Prompt, generate
from tbcore.model.history import History
from tbcore.model.painter_port import SolidPainter
from tbcore.model.tiny import tiny_model
from tbcore.records import Picture, Turn


def script(monkeypatch, model, processor, text):
    """Replies follow `text`: '<' and '>' are the control tokens, '$' ends; one dialogue."""
    layout = processor.layout
    marks = {"<": layout.start_id, ">": layout.end_id, "$": layout.text.format.stop}
    ids = iter([marks[c] if c in marks else layout.text._encode(c)[0] for c in text])
    size = processor.vocab_size + 3

    def logits(hidden):
        wanted = torch.zeros(len(hidden), size)
        for row in range(len(hidden)):
            wanted[row, next(ids)] = 10.0
            wanted[row, layout.text.format.stop] += 5.0
        return wanted

    monkeypatch.setattr(model.language, "logits", logits)


def said(reply):
    return [part if isinstance(part, str) else [part.caption] for part in reply.parts]


HELLO = Prompt((Turn("user", ("hi",)),))


@pytest.mark.parametrize(
    ("text", "parts", "finish"),
    [
        ("ok<cat>yes$", ["ok", ["cat"], "yes"], "stop"),
        ("<a><b>$", [["a"], ["b"]], "stop"),
        ("a>b$", ["a"], "stop"),  # a stray end cannot be chosen; the stop comes second here
        ("<a<b>$", [["ab"]], "stop"),
        ("<abcdefgh$", [["abcdefgh"]], "stop"),
    ],
)
def test_what_becomes_of_the_marks(monkeypatch, text, parts, finish):
    model, processor = tiny_model()
    script(monkeypatch, model, processor, text)
    settings = DecodeSettings(max_tokens=40, max_caption=8)
    if text == "<a<b>$":  # a nested start cannot be chosen either: the next likely token is taken
        layout = processor.layout
        ordinary = layout.text._encode("a")[0]
        inner = model.language.logits

        def logits(hidden):
            wanted = inner(hidden)
            wanted[:, layout.text.format.stop] -= 5
            wanted[:, ordinary] += 1
            return wanted

        monkeypatch.setattr(model.language, "logits", logits)
        parts = [["aab"]]
    if text.startswith("<abcdefgh"):
        script(monkeypatch, model, processor, "<abcdefgh$$")
    reply = generate(model, processor.layout, [HELLO], painter=SolidPainter(), settings=settings)[0]
    assert said(reply) == parts
    assert reply.finish == finish


def test_limits_inside_a_caption_and_of_pictures(monkeypatch):
    model, processor = tiny_model()
    script(monkeypatch, model, processor, "ok<cat")
    reply = generate(model, processor.layout, [HELLO], painter=SolidPainter(), settings=DecodeSettings(max_tokens=5))[0]
    assert (said(reply), reply.finish) == (["ok"], "length")
    script(monkeypatch, model, processor, "<a><")
    settings = DecodeSettings(max_pictures=1)
    reply = generate(model, processor.layout, [HELLO], painter=SolidPainter(), settings=settings)[0]
    assert (said(reply), reply.finish) == ([["a"]], "stop")


def test_a_blank_caption_paints_nothing(monkeypatch):
    model, processor = tiny_model()
    painter = SolidPainter()
    script(monkeypatch, model, processor, "a<  >b$")
    reply = generate(model, processor.layout, [HELLO], painter=painter)[0]
    assert (said(reply), painter.asked) == (["a", "b"], [])


def test_without_a_painter_nothing_is_drawn(monkeypatch):
    model, processor = tiny_model()
    script(monkeypatch, model, processor, "<$")
    assert said(generate(model, processor.layout, [HELLO], painter=None)[0]) == []


@pytest.mark.parametrize("history", ["drop_caption", "keep_caption"])
@pytest.mark.parametrize("drawings", [1, 3])
def test_memory_after_drawing_is_that_of_a_fresh_reading(monkeypatch, history, drawings):
    """Next-token logits and length of the memory agree with reading the visible conversation afresh."""
    model, processor = tiny_model(history=history)
    truth = model.language.logits
    states, lengths = [], []
    text = "so" + "<cat>" * drawings + "x$"
    script(monkeypatch, model, processor, text)
    scripted = model.language.logits

    def recording(hidden):
        states.append(hidden.clone())
        return scripted(hidden)

    monkeypatch.setattr(model.language, "logits", recording)
    feed = History.feed

    def measuring(self, inputs, counts):
        out = feed(self, inputs, counts)
        lengths.append(int(self.lengths[0]))
        assert self.cache.get_seq_length() == self.seen.shape[1]
        return out

    monkeypatch.setattr(History, "feed", measuring)
    settings = DecodeSettings(max_pictures=3)
    reply = generate(model, processor.layout, [HELLO], painter=SolidPainter(), settings=settings)[0]
    monkeypatch.setattr(History, "feed", feed)
    assert len(reply.drawings) == drawings

    parts = ["so", *(Picture(k) for k in range(drawings)), "x"]
    turns = (*HELLO.turns, Turn("assistant", tuple(parts)), Turn("user", ("-",)))
    fresh = processor.prompt(turns, ("cat",) * drawings)
    end = int(fresh.slots[-1, -1]) + 1
    from tbcore.model.mim import splice

    seen = model.vision.patches(np.stack([drawn.picture for drawn in reply.drawings]))
    words = model.language.embed(torch.from_numpy(fresh.ids)[None])
    inputs = splice(words, model.connector(seen), torch.from_numpy(fresh.slots))[:, :end]
    mask = torch.ones(1, end, end, dtype=torch.bool).tril()
    hidden, _ = model.language.hidden(inputs, mask, torch.arange(end)[None])
    torch.testing.assert_close(truth(states[-2]), truth(hidden[:, -1]), atol=2e-4, rtol=1e-4)
    assert lengths[-2] == end


def test_rollback_cuts_the_cache_and_only_backwards(tiny):
    model, _ = tiny
    history = History(model.language, 2)
    inputs = model.language.embed(torch.randint(3, 200, (2, 9)))
    history.feed(inputs, torch.tensor([9, 6]))
    history.rollback(torch.tensor([4, 6]))
    assert history.lengths.tolist() == [4, 6]
    assert history.cache.get_seq_length() == 6
    with pytest.raises(ValueError, match="must not exceed"):
        history.rollback(torch.tensor([5, 6]))


def test_together_is_as_alone(pictures):
    model, processor = tiny_model(seed=3)
    with torch.no_grad():
        model.language.control[1:] *= 4  # a model that draws a lot
    prompts = [
        Prompt((Turn("user", (Picture(0), "a rather long question about it")),), (pictures[0],)),
        HELLO,
        Prompt((Turn("user", ("x",)), Turn("assistant", ("y", Picture(0))), Turn("user", ("z",))), (pictures[1],)),
    ]
    for top_p in (None, 0.9):
        settings = DecodeSettings(max_tokens=24, max_caption=5, max_pictures=2, top_p=top_p)
        together = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=settings)
        alone = generate(model, processor.layout, prompts[:1], painter=SolidPainter(), settings=settings)
        assert said(together[0]) == said(alone[0])
        if top_p is None:
            for prompt, reply in zip(prompts, together, strict=True):
                one = generate(model, processor.layout, [prompt], painter=SolidPainter(), settings=settings)[0]
                assert said(reply) == said(one)
        assert any(isinstance(part, Drawn) for reply in together for part in reply.parts)


def test_a_missing_picture_is_named(tiny):
    model, processor = tiny
    with pytest.raises(DialogueError, match="picture 0, but 0 are attached"):
        generate(model, processor.layout, [Prompt((Turn("user", (Picture(0),)),))], painter=None)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="top_p must be"):
        DecodeSettings(top_p=0.0)
    with pytest.raises(ValueError, match="must be positive"):
        DecodeSettings(max_tokens=0)
