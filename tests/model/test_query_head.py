"""Drawing without words: the branch of output tokens, its loss, and the way to the painter."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.batch import collate
from tbcore.model.decode import DecodeSettings, Prompt, generate
from tbcore.model.pack import IGNORED
from tbcore.model.painter_port import SolidPainter
from tbcore.model.query_head import (
    QueryHead,
    TellablePainter,
    load_query_head,
    query_columns,
    query_example,
    query_forward,
    save_query_head,
)
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn


class TwoNumbers:
    """A painter whose captions become three vectors of two numbers, and whose pictures show the first."""

    def tell(self, captions):
        seeds = [zlib.crc32(caption.encode()) for caption in captions]
        return torch.stack([torch.randn(3, 2, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def paint(self, captions, seeds):
        return self.paint_told(self.tell(captions), seeds)

    def paint_told(self, told, seeds):
        pictures = np.zeros((len(told), 64, 64, 3), np.uint8)
        for picture, one in zip(pictures, told, strict=True):
            picture[..., :2] = ((one[0].numpy() * 40 + 128).clip(0, 255)).astype(np.uint8)
        return pictures


def small_head(**changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return QueryHead(text_width=32, n_told=3, told_width=2, n_tokens=4, width=16, n_heads=2, **changes)


def query_batch(model, processor, dialogues, pictures, **settings):
    end = processor.layout.end_id
    examples = [query_example(processor.example(one), n_tokens=4, end_id=end) for one in dialogues]
    return collate(examples, [model.vision.patches(pictures[: len(e.pictures)]) for e in examples], **settings)


def test_words_give_way_to_output_tokens(tiny, story):
    _, processor = tiny
    plain = processor.example(story)
    other = query_example(plain, n_tokens=4, end_id=processor.layout.end_id)
    main = int((plain.segment == 0).sum())
    for name in ("ids", "targets", "position", "segment", "anchor"):
        np.testing.assert_array_equal(getattr(other, name)[:main], getattr(plain, name)[:main])
    assert other.segment[main:].tolist() == [1] * 5 + [2] * 5 + [3] * 5
    assert set(other.targets[main:].tolist()) == {IGNORED}
    first = plain.segment.tolist().index(1)
    assert other.anchor[main:][::5].tolist() == [plain.anchor[plain.segment == k][0] for k in (1, 2, 3)]
    assert other.position[main : main + 5].tolist() == [plain.position[first] + k for k in range(5)]
    assert (other.ids == processor.layout.start_id).sum() == 3


def test_packed_branches_of_tokens_equal_those_alone(story, pictures):
    model, processor = tiny_model()
    head = small_head()
    short = Dialogue("short", (Turn("user", ("go",)), Turn("assistant", (Picture(0),))), ("x",))
    wanted = torch.zeros(4, 3, 2)
    both = query_batch(model, processor, [story, short], pictures, columns=400)
    assert len(both.ids) == 1
    assert tuple(query_columns(both, n_tokens=4, start_id=processor.layout.start_id).shape) == (4, 4)
    packed = query_forward(model, head, both, wanted)
    order = [3, 0, 1, 2] if both.names[0] == "short" else [0, 1, 2, 3]
    alone = torch.cat(
        [
            query_forward(model, head, query_batch(model, processor, [story], pictures), wanted[:3]).told,
            query_forward(model, head, query_batch(model, processor, [short], pictures), wanted[:1]).told,
        ]
    )
    torch.testing.assert_close(packed.told, alone[order], atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="has 4 branches, but 2 were told"):
        query_forward(model, head, both, wanted[:2])


def test_the_head_learns_what_to_tell_and_when(pictures):
    """Two requests, two pictures: after some steps the right one is painted without a word."""
    model, processor = tiny_model(width=32)
    painter, head = TwoNumbers(), small_head()
    captions = ("red", "blue")
    dialogues = [
        Dialogue(name, (Turn("user", (name,)), Turn("assistant", ("ok", Picture(0)))), (name,)) for name in captions
    ]
    batch = query_batch(model, processor, dialogues, pictures)
    wanted = painter.tell(captions)
    model.requires_grad_(False)
    model.language.inner.requires_grad_(True)
    model.language.control.requires_grad_(True)
    learning = [p for p in (*head.parameters(), *model.parameters()) if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=5e-3)
    first = query_forward(model, head, batch, wanted)
    assert first.loss.item() == pytest.approx(first.words.item() + first.distance.item())
    for _ in range(70):
        optimizer.zero_grad()
        out = query_forward(model, head, batch, wanted)
        out.loss.backward()
        optimizer.step()
    assert out.distance < 0.1 * first.distance
    prompts = [Prompt(one.turns[:1]) for one in dialogues]
    settings = DecodeSettings(max_tokens=8, max_pictures=1)
    replies = generate(model, processor.layout, prompts, painter=painter, settings=settings, head=head)
    truth = painter.paint(captions, [0, 0])
    for reply, right in zip(replies, truth, strict=True):
        assert [part if isinstance(part, str) else part.caption for part in reply.parts] == ["ok", ""]
        apart = np.abs(reply.drawings[0].picture.astype(int) - right.astype(int)).max()
        assert apart < np.abs(truth[0].astype(int) - truth[1].astype(int)).max() / 2


def test_the_branch_of_tokens_leaves_no_trace(monkeypatch, follow, tiny):
    """Only the picture stays in memory, where a caption would have been taken back."""
    from tbcore.model.history import History

    model, processor = tiny
    rolled = []
    rollback = History.rollback
    monkeypatch.setattr(
        History, "rollback", lambda self, to: rolled.append((self.lengths.item(), to.item())) or rollback(self, to)
    )
    prompt = Prompt((Turn("user", ("hi",)),))
    wordless = follow(model, processor, "a<b$")
    reply = generate(model, processor.layout, [prompt], painter=TwoNumbers(), head=small_head())[0]
    assert [before - after for before, after in rolled] == [5]  # `<start>` and four tokens

    class Same(SolidPainter):
        def paint(self, captions, seeds):
            return reply.drawings[0].picture[None]

    worded = follow(model, processor, "a<x>b$")
    generate(model, processor.layout, [prompt], painter=Same())
    torch.testing.assert_close(wordless[-1], worded[-1], atol=2e-4, rtol=1e-4)


def test_only_some_painters_can_be_told(follow, tiny):
    model, processor = tiny
    assert isinstance(TwoNumbers(), TellablePainter)
    assert not isinstance(SolidPainter(), TellablePainter)
    keeping, other = tiny_model(history="keep_caption")
    prompt = Prompt((Turn("user", ("hi",)),))
    with pytest.raises(ValueError, match="a query head writes no captions to keep"):
        generate(keeping, other.layout, [prompt], painter=TwoNumbers(), head=small_head())
    follow(model, processor, "<$")
    with pytest.raises(ValueError, match="SolidPainter takes captions only"):
        generate(model, processor.layout, [prompt], painter=SolidPainter(), head=small_head())


def test_a_head_is_saved_and_found_again(tmp_path):
    head = small_head()
    save_query_head(head, tmp_path / "head")
    other = load_query_head(tmp_path / "head")
    hidden = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(other(hidden), head.eval()(hidden), rtol=1e-5, atol=1e-6)
    assert torch.equal(other.tokens, head.tokens)
    assert not other.training
    assert not any(weight.requires_grad for weight in other.parameters())
    with pytest.raises(MissingFileError, match="there is no query head here"):
        load_query_head(tmp_path)
    weights = tmp_path / "head" / "query_head.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="Train it again"):
        load_query_head(tmp_path / "head")
