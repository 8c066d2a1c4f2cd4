"""Many conversations in memory at once: whatever the company, every reply is that of reading all afresh."""

from __future__ import annotations

import pytest
import torch

from tbcore.model.decode import DecodeSettings, Prompt, generate
from tbcore.model.history import History
from tbcore.model.memory import PrefixCache, empty_history, lay_together, take_row
from tbcore.model.painter_port import SolidPainter
from tbcore.model.replies import Drawn
from tbcore.model.tiny import tiny_model
from tbcore.records import Picture, Turn

SETTINGS = DecodeSettings(max_tokens=14, max_caption=4, max_pictures=2)


class Darker(SolidPainter):
    """Another painter."""

    def paint(self, captions, seeds):
        return super().paint(captions, seeds) // 2


def said(reply):
    return [part if isinstance(part, str) else (part.caption, part.picture.tobytes()) for part in reply.parts]


def drawing_model(history="drop_caption"):
    """A model that says letters, and draws a lot."""
    model, processor = tiny_model(history=history, seed=3)
    letters = processor.layout.text._encode("abcdefghijklmnopqrstuvwxyz")
    model.slice_head({*letters, processor.layout.text.format.stop})
    with torch.no_grad():
        model.language.control[1:] *= 4
    return model, processor


def begin(pictures):
    return [
        Prompt((Turn("user", (Picture(0), "a rather long question about it")),), (pictures[0],), ("-",)),
        Prompt((Turn("user", ("hi",)),)),
        Prompt((Turn("user", ("what is ", Picture(0), " this?")),), (pictures[1],), ("-",)),
        Prompt((Turn("user", ("draw me a picture of something nice please",)),)),
    ]


def after(prompt, reply, question):
    turns, shown, captions, parts = list(prompt.turns), list(prompt.pictures), list(prompt.captions), []
    for part in reply.parts or ("x",):
        if isinstance(part, Drawn):
            parts.append(Picture(len(shown)))
            shown.append(part.picture)
            captions.append(part.caption)
        else:
            parts.append(part)
    turns += [Turn("assistant", tuple(parts)), Turn("user", (question,))]
    return Prompt(tuple(turns), tuple(shown), tuple(captions))


@pytest.mark.parametrize("history", ["drop_caption", "keep_caption"])
def test_three_exchanges_in_changing_company(pictures, history):
    model, processor = drawing_model(history)
    cache, prompts, drawn = PrefixCache(), begin(pictures), 0
    for turn, company in enumerate(([[0, 1, 2, 3]], [[3, 0], [1, 2]], [[2, 3, 1], [0]])):
        for rows in company:
            here = [prompts[k] for k in rows]
            warm = generate(model, processor.layout, here, painter=SolidPainter(), settings=SETTINGS, memory=cache)
            for k, prompt, reply in zip(rows, here, warm, strict=True):
                cold = generate(model, processor.layout, [prompt], painter=SolidPainter(), settings=SETTINGS)[0]
                assert said(reply) == said(cold)
                prompts[k] = after(prompt, reply, "and then" * turn + "?")
                drawn += len(reply.drawings)
    assert drawn > 4
    assert cache.reused > cache.read > 0


def test_states_are_those_of_a_fresh_reading(monkeypatch, pictures):
    """What the first token follows from, row by row: half read before, unequally long, pictures among it."""
    model, processor = drawing_model()
    cache, prompts = PrefixCache(), begin(pictures)
    replies = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=SETTINGS, memory=cache)
    nexts = [after(prompt, reply, "so?") for prompt, reply in zip(prompts, replies, strict=True)]
    nexts[1] = Prompt((Turn("user", ("something else",)),))  # begins as nothing before it but the format
    states, logits = [], model.language.logits
    monkeypatch.setattr(model.language, "logits", lambda hidden: states.append(hidden.clone()) or logits(hidden))

    def first(asked, memory):
        states.clear()
        generate(model, processor.layout, asked, painter=SolidPainter(), settings=SETTINGS, memory=memory)
        return states[0]

    warm = first(nexts, cache)
    cold = torch.cat([first([prompt], None) for prompt in nexts])
    torch.testing.assert_close(warm, cold, atol=2e-4, rtol=1e-4)
    assert not torch.allclose(warm[0], warm[1], atol=0.1)  # rows differ, so a mix-up would show


def test_many_are_read_by_length_and_stay_in_their_rows(monkeypatch, pictures):
    """More than are read abreast, of all lengths, some begun: rows and states keep their order."""
    model, processor = drawing_model()
    cache, layout = PrefixCache(), processor.layout
    prompts = [Prompt((Turn("user", ("ab" * (7 * k % 19 + 1), Picture(0))),), (pictures[k % 6],)) for k in range(18)]
    settings = DecodeSettings(max_tokens=3, max_pictures=0)
    generate(model, layout, prompts[3:6], painter=None, settings=settings, memory=cache)
    widths, feed = [], History.feed_all
    monkeypatch.setattr(History, "feed_all", lambda self, x, n: widths.append(x.shape[:2]) or feed(self, x, n))
    together = generate(model, layout, prompts, painter=None, settings=settings, memory=cache)
    assert [rows for rows, _ in widths[:2]] == [16, 2]
    assert widths[0][1] < widths[1][1]
    alone = [generate(model, layout, [one], painter=None, settings=settings)[0] for one in prompts]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert len({reply.text for reply in alone}) > 1


def test_only_what_is_new_is_read(monkeypatch, pictures):
    model, processor = drawing_model()
    cache, prompts = PrefixCache(), begin(pictures)[1:2]
    reply = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=SETTINGS, memory=cache)[0]
    follow = after(prompts[0], reply, "ok?")
    columns = len(processor.prompt(follow.turns, follow.captions))
    fed, feed = [], History.feed_all
    monkeypatch.setattr(History, "feed_all", lambda self, x, n: fed.append(int(n.sum())) or feed(self, x, n))
    read, reused = cache.read, cache.reused
    generate(model, processor.layout, [follow], painter=SolidPainter(), settings=SETTINGS, memory=cache)
    marks = processor.layout.text.format
    unread = int(reply.finish == "length")  # the last word of a reply that was cut was never fed
    assert fed[0] == cache.read - read == unread + len(marks.to_user) + len("ok?") + len(marks.to_assistant)
    assert cache.reused - reused == columns - fed[0]


def test_what_was_said_before_a_picture_is_not_written_for_another_painter(monkeypatch, pictures):
    model, processor = drawing_model()
    cache, prompts = PrefixCache(), begin(pictures)
    layout = processor.layout
    first = generate(model, layout, prompts, painter=SolidPainter(), settings=SETTINGS, memory=cache)
    fresh = generate(model, layout, prompts, painter=Darker(), settings=SETTINGS)
    asked, logits = [], model.language.logits
    monkeypatch.setattr(model.language, "logits", lambda hidden: asked.append(len(hidden)) or logits(hidden))

    def tokens(**more):
        asked.clear()
        chosen = DecodeSettings(**{"max_tokens": 14, "max_caption": 4, "max_pictures": 2, **more})
        return generate(model, layout, prompts, painter=Darker(), settings=chosen, memory=cache), sum(asked)

    again, few = tokens()
    assert [said(reply) for reply in again] == [said(reply) for reply in fresh]
    assert [said(reply) for reply in again] != [said(reply) for reply in first]
    assert tokens(max_tokens=13)[1] > few  # another limit may say something else: all is written anew
    assert tokens(top_p=0.9)[1] > few


def test_who_waits_for_a_picture_is_fed_nothing(monkeypatch, pictures):
    model, processor = drawing_model()
    fed, feed = [], History.feed_all
    monkeypatch.setattr(History, "feed_all", lambda self, x, n: fed.append((x.shape, n.tolist())) or feed(self, x, n))
    replies = generate(model, processor.layout, begin(pictures), painter=SolidPainter(), settings=SETTINGS)
    assert sum(len(reply.drawings) for reply in replies) > 2
    steps = [counts for shape, counts in fed if shape[1] == 1]
    assert all(all(counts) for counts in steps)
    assert len({len(counts) for counts in steps}) > 1


def test_memory_is_limited_and_belongs_to_one_model(pictures):
    model, processor = drawing_model()
    prompts = begin(pictures)
    small = PrefixCache(max_bytes=40_000)
    for _ in range(2):
        warm = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=SETTINGS, memory=small)
        assert 0 < small.n_bytes <= 40_000
    cold = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=SETTINGS)
    assert [said(reply) for reply in warm] == [said(reply) for reply in cold]
    other, _ = drawing_model()
    reused = small.reused
    generate(other, processor.layout, prompts, painter=SolidPainter(), settings=SETTINGS, memory=small)
    assert small.reused == reused


def test_a_cache_with_room_is_a_cache(tiny):
    """Column by column beyond its room, with rows dropped and cut back on the way: what one pass gives."""
    model, _ = tiny
    inputs = model.language.embed(torch.randint(3, 200, (3, 150), generator=torch.Generator().manual_seed(0)))
    whole = History(model.language, 3).feed_all(inputs, torch.tensor([150, 150, 150]))
    history = empty_history(model.language, 3)
    history.feed(inputs[:, :80], torch.tensor([80, 80, 80]))
    history.keep(torch.tensor([0, 2]))
    history.rollback(torch.tensor([60, 70]))
    rows = [(take_row(history, 1), 70), (take_row(history, 0), 60)]
    history = lay_together(model.language, rows)
    assert history.lengths.tolist() == [70, 60]
    last = torch.stack([inputs[2, 70:150], torch.cat([inputs[0, 60:130], inputs[0, :10]])])
    for column in range(70):
        state = history.feed(last[:, column : column + 1], torch.tensor([1, 1]))
    torch.testing.assert_close(state[1], whole[0, 129], atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(state[0], whole[2, 139], atol=2e-4, rtol=1e-4)
