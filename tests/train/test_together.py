"""Several processes, self-drawn history, and the mixture: what a step reads, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tbcore.model.pack import IGNORED
from tbcore.model.painter_port import SolidPainter
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn
from tbcore.store import read_json
from tbcore.train.corpus import Corpus, dialogue_source, plain_chat
from tbcore.train.features import FeatureBank
from tbcore.train.loop import Training, backward, train
from tbcore.train.redrawn import redraw
from tbcore.train.stages import ALIGN, Budget, Stage

STAGE = Stage(name="both", learns={"connector.*": 1e-3, "language.control": 1e-3}, columns=500, row=200)


def made(story, pictures, *, history="drop_caption", stage=STAGE, **settings):
    model, processor = tiny_model(history=history)
    bank = FeatureBank(model.vision)
    talk = Dialogue("talk", (Turn("user", (Picture(0), "q")), Turn("assistant", ("a longer answer",))), ("x",))
    pairs = [(story, pictures[:4]), (talk, pictures[4:5])]
    source = dialogue_source("two", pairs, processor=processor, bank=bank, max_columns=None)
    words = dialogue_source("chat", [(d, ()) for d in plain_chat()[:3]], processor=processor, bank=bank)
    return model, processor, Corpus([source, words], bank, stage, **settings)


def gradients(run, batch):
    loss = backward(run, batch)
    found = {n: p.grad.clone() for n, p in run.model.named_parameters() if p.grad is not None}
    run.optimizer.zero_grad()
    return loss, found


def _one_of_two(story, pictures, place):
    """What each of two processes does: gradients of one step, then two whole steps."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    model, _, corpus = made(story, pictures)
    run = Training(model, STAGE, Budget(steps=2), accelerator=accelerator)
    share = corpus.shard(accelerator.process_index, 2)
    loss, found = gradients(run, share(0, 0.0))
    steps = list(train(run, share))
    weights = {f"after {n}": p.detach() for n, p in model.named_parameters() if p.requires_grad}
    losses = torch.tensor([loss, *(step.loss for step in steps)])
    save_file({**found, **weights, "losses": losses}, place / f"{accelerator.process_index}.safetensors")


def test_two_processes_learn_what_one_does(tmp_path, story, pictures):
    from accelerate import debug_launcher

    debug_launcher(_one_of_two, (story, pictures, tmp_path), num_processes=2)
    one, other = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    model, _, corpus = made(story, pictures)
    run = Training(model, STAGE, Budget(steps=2))
    loss, found = gradients(run, corpus.batch(0, 0.0))
    losses = [loss, *(step.loss for step in train(run, corpus.batch))]
    assert found.keys() == {n for n, p in model.named_parameters() if p.requires_grad}
    for name, gradient in found.items():
        assert torch.equal(one[name], other[name])
        torch.testing.assert_close(one[name], gradient, atol=1e-6, rtol=1e-4)
    for name in found:
        assert torch.equal(one[f"after {name}"], other[f"after {name}"])
    torch.testing.assert_close(one["losses"], torch.tensor(losses), atol=1e-5, rtol=1e-5)


def test_shares_of_processes_make_up_the_batch(story, pictures):
    _, _, corpus = made(story, pictures)
    whole = corpus.batch(3, 0.0)
    shares = [corpus.shard(rank, 3)(3, 0.0) for rank in range(3)]
    assert sorted(name for share in shares for name in share.names) == sorted(whole.names)
    assert sum(share.n_supervised for share in shares) == whole.n_supervised
    assert len({len(share.names) for share in shares}) <= 2


def test_the_stage_says_how_sources_mix(story, pictures):
    _, _, corpus = made(story, pictures)
    assert corpus.mixture == {"two": 0.5, "chat": 0.5}
    _, _, corpus = made(story, pictures, stage=replace(STAGE, mixture={"chat": 3.0, "absent": 9.0}))
    assert corpus.mixture == {"two": 0.25, "chat": 0.75}
    _, _, corpus = made(story, pictures, stage=replace(STAGE, mixture={"two": 0.0}))
    assert corpus.mixture == {"chat": 1.0}


def test_a_state_says_all_that_the_run_was(tmp_path, story, pictures):
    model, _, corpus = made(story, pictures, seed=4, stage=replace(STAGE, mixture={"chat": 3.0}))
    run = Training(model, corpus.stage, Budget(steps=2), data=corpus.digest, seed=corpus.seed)
    next(train(run, corpus.batch))
    torch.manual_seed(11)
    run.save(tmp_path / "state")
    expected = torch.rand(3)
    facts = read_json(tmp_path / "state" / "state.json")
    assert (facts["seed"], facts["data"], facts["sampler"]) == (4, corpus.digest, {"next_step": 1})
    assert facts["settings"]["mixture"] == {"chat": 3.0}
    assert facts["settings"]["learns"] == dict(STAGE.learns)
    torch.manual_seed(12)
    run.resume(tmp_path / "state")
    assert torch.equal(torch.rand(3), expected)  # the generator goes on where it was


@pytest.mark.parametrize("history", ["drop_caption", "keep_caption"])
def test_own_drawings_take_their_pictures_place(story, pictures, history):
    model, processor, corpus = made(story, pictures, history=history)
    painter = SolidPainter()
    twins = redraw(corpus.sources, corpus.bank, painter, layout=processor.layout, seed=5, batch=2)
    assert [caption for caption, _ in painter.asked] == ["a red cat", "two", "a boat"]
    assert [seed for _, seed in painter.asked] == [5, 6, 7]
    assert set(twins) == {1, 2, 3}  # never the user's own picture
    twin = painter.paint(["two"], [6])
    torch.testing.assert_close(corpus.bank[[twins[2]]].float(), model.vision.patches(twin), atol=2e-3, rtol=2e-3)
    late = Corpus(corpus.sources, corpus.bank, STAGE, redrawn=twins | {0: 1, 4: 1}, redrawn_share=1.0)
    before, after = late.batch(0, 0.79), late.batch(0, 0.8)
    assert before.names == after.names
    assert "story" in before.names
    apart = (before.features != after.features).flatten(1).any(dim=1)
    own = {int(slot) for row in [after.slots[apart]] for slot in row[:, 0]}
    image, start = processor.layout.image_id, processor.layout.start_id
    flat = before.targets.flatten()
    for first in before.slots[:, 0].tolist():
        drawn = flat[first - 1] == start or before.ids.flatten()[first - 1] == processor.layout.end_id
        assert drawn == (first in own)
        assert before.ids.flatten()[first] == image
    some = redraw(corpus.sources, corpus.bank, painter, layout=processor.layout, most=1)
    assert set(some) == {1}


def test_what_is_ignored_changes_nothing(story, pictures):
    """A wrong id in a column that learns nothing cannot move the loss: there is none to put it."""
    model, _, corpus = made(story, pictures, stage=replace(ALIGN, columns=200, row=200))
    batch = corpus.batch(0, 0.0)
    loss = model(**batch).loss
    supervised = batch.targets != IGNORED
    hidden = ~supervised & (batch.dialogue >= 0)
    noisy = batch.ids.clone()
    padding = batch.dialogue < 0
    noisy[padding] = 7
    torch.testing.assert_close(model(**{**batch, "ids": noisy}).loss, loss)
    assert hidden.any()
    moved = batch.targets.masked_fill(hidden, 9)
    assert abs(model(**{**batch, "targets": moved}).loss - loss) > 1e-3  # the mutant that supervises all
    assert np.isfinite(float(loss))
