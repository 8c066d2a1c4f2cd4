"""Stages, loop, checkpoints, corpus: who learns, what is saved, and that it goes on where it stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tbcore.errors import CheckpointError, InputError, MissingFileError
from tbcore.model.batch import collate
from tbcore.model.decode import DecodeSettings, Prompt, generate
from tbcore.model.painter_port import SolidPainter
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Pair, Picture, Turn
from tbcore.train.checkpoint import frozen_hashes, load_delta, save_delta
from tbcore.train.corpus import Corpus, caption_dialogues, dialogue_source, kept_ids, plain_chat, plain_text
from tbcore.train.features import FeatureBank
from tbcore.train.loop import DivergedError, Training, train
from tbcore.train.stages import ALIGN, INSTRUCT, Budget, Stage, wake


@pytest.fixture
def corpus_of(pictures, story):
    """A corpus of two dialogues for a model."""

    def make(model, processor, stage, **settings):
        bank = FeatureBank(model.vision)
        talk = Dialogue("talk", (Turn("user", (Picture(0), "q")), Turn("assistant", ("an answer",))), ("x",))
        source = dialogue_source(
            "two", [(story, pictures[:4]), (talk, pictures[4:5])], processor=processor, bank=bank, max_columns=None
        )
        return Corpus([source], bank, stage, **settings)

    return make


def small(stage, **changes):
    from dataclasses import replace

    return replace(stage, columns=200, row=200, **changes)


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def changed(model, before):
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("stage", [ALIGN, INSTRUCT])
def test_only_what_the_stage_names_moves(corpus_of, stage):
    model, processor = tiny_model()
    if stage is INSTRUCT:
        model.add_lora(rank=2, alpha=4)
    corpus = corpus_of(model, processor, small(stage))
    before = snapshot(model)
    run = Training(model, corpus.stage, Budget(steps=2))
    steps = list(train(run, corpus.batch))
    assert [step.number for step in steps] == [0, 1]
    moved = changed(model, before)
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert moved <= learning
    silent = {name for name in learning - moved if not name.endswith("tell.bias")}  # a key's bias cannot matter
    assert silent == set()
    assert not model.vision.training
    if stage is ALIGN:
        assert {name.split(".")[0] for name in moved} == {"connector"}


def test_wake_counts_and_names_what_is_missing(tiny):
    model, _ = tiny
    assert wake(model, {"language.control": 1.0}) == {"language.control": 3 * 32}
    with pytest.raises(ValueError, match=r"pattern 'langage\.\*' matches no parameter; the parts are \['vision'"):
        wake(model, {"langage.*": 1.0})


def test_budgets_and_rates():
    assert Budget(steps=10, seconds=5).progress(steps=1, seconds=4) == 0.8
    with pytest.raises(ValueError, match="give steps, seconds or both"):
        Budget()
    stage = Stage(name="x", learns={"a": 1.0}, warm_up=0.1)
    factors = [stage.factor(k / 100) for k in range(101)]
    assert max(factors) == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.0)
    assert factors[5] == pytest.approx(0.5)
    assert factors[55] == pytest.approx(0.5)
    assert Stage(name="x", learns={}, decay="linear", warm_up=0.0).factor(0.25) == 0.75


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, corpus_of):
    def fresh():
        model, processor = tiny_model()
        model.add_lora(rank=2, alpha=4)
        corpus = corpus_of(model, processor, small(INSTRUCT))
        return model, corpus, Training(model, corpus.stage, Budget(steps=5), data=corpus.digest)

    model, corpus, run = fresh()
    losses = [step.loss for step in train(run, corpus.batch)]
    other, corpus, run = fresh()
    for step in train(run, corpus.batch):
        if step.number == 2:
            run.save(tmp_path / "state")
            break
    third, corpus, run = fresh()
    run.resume(tmp_path / "state")
    assert [step.loss for step in train(run, corpus.batch)] == losses[3:]
    assert changed(third, snapshot(model)) == set()
    del other
    run.data = "other"
    with pytest.raises(CheckpointError, match="its data is"):
        run.resume(tmp_path / "state")


def test_a_whole_language_model_is_no_delta(tmp_path):
    model, _ = tiny_model()
    run = Training(model, Stage(name="all", learns={"language.*": 1e-3}), Budget(steps=1))
    with pytest.raises(CheckpointError, match=r"'language\.inner\S+' learns, but a delta holds"):
        run.save(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_not_a_number_names_the_dialogues(corpus_of):
    model, processor = tiny_model()
    corpus = corpus_of(model, processor, small(ALIGN))
    run = Training(model, corpus.stage, Budget(steps=2))
    with torch.no_grad():
        model.connector.projection.bias[0] = math.nan
    with pytest.raises(DivergedError, match=r"step 0 of stage 'align': loss nan.*(story|talk)"):
        list(train(run, corpus.batch))


def test_delta_round_trip_and_refusals(tmp_path, story, pictures):
    model, processor = tiny_model()
    model.add_lora(rank=2, alpha=4)
    model.slice_head(set(range(240)))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name or name.startswith("connector"):
                value += 0.1
    save_delta(model, tmp_path / "delta", notes={"minutes": 1})
    batch = collate([processor.example(story)], [model.vision.patches(pictures[:4])])
    again, _ = tiny_model()
    assert load_delta(again, tmp_path / "delta") == {"minutes": 1}
    torch.testing.assert_close(again(**batch).logits, model(**batch).logits)
    assert again.language.kept.tolist() == list(range(240))

    other, _ = tiny_model(seed=1)
    with pytest.raises(CheckpointError, match="trained on another language part"):
        load_delta(other, tmp_path / "delta")
    wider, _ = tiny_model(n_queries=9)
    with pytest.raises(CheckpointError, match=r"tensor 'connector\.\S+' has shape \[.*\], wanted \["):
        load_delta(wider, tmp_path / "delta")
    keeping, _ = tiny_model(history="keep_caption")
    with pytest.raises(CheckpointError, match="trained with history 'drop_caption'"):
        load_delta(keeping, tmp_path / "delta")
    with pytest.raises(MissingFileError, match=r"delta\.safetensors is missing"):
        load_delta(model, tmp_path)
    file = tmp_path / "delta" / "delta.safetensors"
    tensors = load_file(file)
    del tensors["language.control"]
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=r"'language\.control' has shape missing, wanted \[3, 32\]"):
        load_delta(tiny_model()[0], tmp_path / "delta")
    file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_delta(tiny_model()[0], tmp_path / "delta")


def test_hashes_ignore_precision_and_adapters():
    model, _ = tiny_model()
    before = frozen_hashes(model)
    model.add_lora(rank=2, alpha=4)
    assert frozen_hashes(model) == before
    model.language.inner.to(torch.bfloat16)
    assert frozen_hashes(model) == before


def test_cached_features_are_live_features(tiny, pictures):
    model, _ = tiny
    bank = FeatureBank(model.vision, batch=2)
    assert bank.add(pictures) == [0, 1, 2, 3, 4, 5]
    assert bank.add(pictures[[3, 1]]) == [3, 1]
    live = model.vision.patches(pictures[[3, 1]])
    torch.testing.assert_close(bank[[3, 1]].float(), live, atol=2e-3, rtol=2e-3)
    assert len(bank) == 6


def test_batches_belong_to_their_step(corpus_of):
    model, processor = tiny_model()
    corpus = corpus_of(model, processor, small(ALIGN), seed=3)
    assert corpus.batch(4, 0.0).names == corpus.batch(4, 0.0).names
    assert {corpus.batch(k, 0.0).names for k in range(8)} > {corpus.batch(0, 0.0).names}
    assert corpus.batch(0, 0.0).ids.numel() <= 400
    assert corpus.digest == corpus_of(model, processor, small(ALIGN), seed=3).digest
    assert corpus.digest != corpus_of(model, processor, small(ALIGN), seed=4).digest


def test_own_drawings_come_late(corpus_of):
    model, processor = tiny_model()
    corpus = corpus_of(model, processor, small(ALIGN), redrawn={k: 5 - k for k in range(5)}, redrawn_share=1.0)
    corpus.bank.add(np.full((1, 64, 64, 3), 7, np.uint8))
    early, late = corpus.batch(0, 0.79), corpus.batch(0, 0.8)
    assert early.names == late.names
    assert not torch.equal(early.features, late.features)


def test_sources_count_what_they_skip(tiny, story, pictures):
    _, processor = tiny
    model, _ = tiny
    bank = FeatureBank(model.vision)
    source = dialogue_source("s", [(story, pictures[:4])], processor=processor, bank=bank, max_columns=10)
    assert (source.examples, source.skipped) == ((), ("story",))
    with pytest.raises(InputError, match="4 captions, but 2 pictures came"):
        dialogue_source("s", [(story, pictures[:2])], processor=processor, bank=bank)
    with pytest.raises(InputError, match="no source has an example"):
        Corpus([source], bank, ALIGN)


def test_captions_become_questions_and_answers():
    pairs = [Pair(f"p{k}", "x.png", f"caption {k}", "s") for k in range(20)]
    dialogues = caption_dialogues(pairs, seed=0)
    assert [d.turns[1].text for d in dialogues] == [pair.caption for pair in pairs]
    assert len({d.turns[0].parts for d in dialogues}) > 5
    assert dialogues == caption_dialogues(pairs, seed=0)


def test_kept_ids_hold_all_that_is_emitted(tiny):
    model, processor = tiny
    chat = dialogue_source(
        "c", [(d, ()) for d in plain_chat()], processor=processor, bank=FeatureBank(model.vision), max_columns=None
    )
    kept = kept_ids([chat], vocab_size=259, common=3)
    emitted = {int(i) for e in chat.examples for i in e.targets if 0 <= i < 259}
    assert emitted <= kept
    assert len(kept) < 259
    assert not set(plain_text()) & {d.turns[1].text for d in plain_chat()}


def test_two_dialogues_are_learned_by_heart(pictures):
    """Text, where the pictures go, and their captions come back exactly."""
    model, processor = tiny_model(width=48)
    bank = FeatureBank(model.vision)
    dialogues = [
        Dialogue("a", (Turn("user", (Picture(0), "?")), Turn("assistant", ("ab", Picture(1), "c"))), ("-", "red")),
        Dialogue("b", (Turn("user", (Picture(0), "?")), Turn("assistant", (Picture(1), "yes"))), ("-", "blue")),
    ]
    pairs = [(dialogues[0], pictures[:2]), (dialogues[1], pictures[2:4])]
    source = dialogue_source("two", pairs, processor=processor, bank=bank)
    stage = Stage(name="all", learns={"connector.*": 3e-3, "language.*": 3e-3}, columns=120, row=120)
    corpus = Corpus([source], bank, stage)
    for step in train(Training(model, stage, Budget(steps=120)), corpus.batch):
        last = step.loss
    assert last < 0.1
    prompts = [Prompt((d.turns[0],), (p[0],)) for d, p in pairs]
    replies = generate(model, processor.layout, prompts, painter=SolidPainter(), settings=DecodeSettings(max_tokens=30))
    said = [[part if isinstance(part, str) else [part.caption] for part in reply.parts] for reply in replies]
    assert said == [["ab", ["red"], "c"], [["blue"], "yes"]]
