"""How fast the model learns, packs, writes and resumes: ratios within one run.

python -m tests.benchmarks.model --out runs/bench/model.json [--quick]

step.share_of_peak       time of a step's matrix products, each as fast as it goes alone, over the time of the step
step.speedup_baseline    a step as the released code takes it (tests/benchmarks/model_baseline.py) over ours
step.loss_gap            difference of their losses in float32, on dialogues where both are defined
pack.speedup_baseline    from a dialogue of `columns` columns and four pictures to tensors and mask
decode.share_of_generate tokens per second over those of `generate` of transformers on the same language model
resume.identical         runs stopped at a random step that went on with the same losses, of `resume.trials`
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tbcore.model.batch import collate
from tbcore.model.config import QFormerConfig
from tbcore.model.decode import DecodeSettings, Prompt, generate
from tbcore.model.masks import visible
from tbcore.model.mim import MIMForConditionalGeneration, build_mim
from tbcore.model.processor import MIMProcessor
from tbcore.model.tiny import tiny_model
from tbcore.model.vision import HashTower
from tbcore.records import Dialogue, Picture, Turn
from tbcore.seeds import stream
from tbcore.store import write_json
from tbcore.train.corpus import Corpus, dialogue_source, kept_ids
from tbcore.train.features import FeatureBank
from tbcore.train.loop import Training, backward, train
from tbcore.train.stages import INSTRUCT, Budget
from tests.benchmarks.model_baseline import baseline_batch, baseline_lists, baseline_loss
from tests.benchmarks.model_peak import Products, best_seconds

__all__ = ["decode_share", "loss_gap", "main", "pack_speedup", "parts", "resume_trials", "step_ratios"]

Told = Sequence[tuple[Dialogue, Sequence[NDArray[np.uint8]]]]


def parts(name: str, dtype: str) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """The model that is measured: "smollm2" with the shipped tower, or "tiny" with random weights."""
    if name == "smollm2":
        from tbcore.train.build import assemble

        return assemble(dtype=dtype)  # type: ignore[arg-type]
    small, processor = tiny_model(width=64, n_queries=16)
    inner = small.language.inner.to(getattr(torch, dtype))
    model = build_mim(HashTower(patch=8), inner, qformer=QFormerConfig(n_queries=16, width=32, n_heads=2))
    return model, processor


def conversations(n: int, seed: int = 0) -> Told:
    """Simulated conversations and their pictures."""
    from tbcore.world.dialogues import simulate
    from tbcore.world.render import render_many

    return [(one.dialogue, list(render_many(one.scenes))) for one in simulate(seed, n)]


def step_ratios(
    model: MIMForConditionalGeneration, processor: MIMProcessor, told: Told, *, repeats: int
) -> dict[str, float]:
    """A stage-2 step: share of its products' peak, and speed against the baseline's step on the same dialogues."""
    model.add_lora()
    bank = FeatureBank(model.vision)
    source = dialogue_source("told", told, processor=processor, bank=bank, max_columns=None)
    run = Training(model, INSTRUCT, Budget(steps=1))
    kept = kept_ids([source], vocab_size=processor.vocab_size)
    features = [bank[list(rows)] for rows in source.rows]

    def ours() -> None:
        model.slice_head(kept)
        backward(run, collate(source.examples, features, columns=512))
        run.optimizer.step()
        run.optimizer.zero_grad()

    def baseline() -> None:
        model.slice_head(None)
        baseline_loss(model, processor.layout, told).backward()
        run.optimizer.step()
        run.optimizer.zero_grad()

    with Products() as products:
        ours()
    baseline()
    fast, slow, alone = [], [], []
    for _ in range(repeats):  # in turns, so that a slower minute of the computer hits all three
        fast.append(best_seconds(ours, 1))
        slow.append(best_seconds(baseline, 1))
        alone.append(products.seconds(repeats=2))
    columns = sum(len(example) for example in source.examples)
    return {
        "step.share_of_peak": min(alone) / min(fast),
        "step.speedup_baseline": min(slow) / min(fast),
        "step.columns": columns,
        "step.columns_per_s": columns / min(fast),
        "step.gflops_of_products": products.flops() / min(alone) / 1e9,
    }


def loss_gap(model: MIMForConditionalGeneration, processor: MIMProcessor, told: Told) -> float:
    """Largest difference of the two losses where the baseline leaks nothing and cuts nothing: one drawing at most."""
    bank = FeatureBank(model.vision)
    fair = [(d, pictures) for d, pictures in told if sum(len(t.pictures) for t in d.turns[1::2]) <= 1]
    model.slice_head(None)
    gaps = [0.0]
    with torch.no_grad():
        for dialogue, pictures in fair:
            source = dialogue_source("one", [(dialogue, pictures)], processor=processor, bank=bank, max_columns=None)
            if not source.examples or len(source.examples[0]) > 768:
                continue
            shown = [pictures[k] for k in source.examples[0].pictures]
            seen = model.vision.patches(np.stack(shown)) if shown else bank[[]].float()
            loss = model(**collate(source.examples, [seen])).loss
            gaps.append(abs(float(loss) - float(baseline_loss(model, processor.layout, [(dialogue, pictures)]))))
    return max(gaps)


def pack_speedup(processor: MIMProcessor, *, columns: int, pictures: int, repeats: int) -> dict[str, float]:
    """From a dialogue to the tensors of a step, mask included; words are tokenised before the clock starts."""
    turns: list[Turn] = []
    captions = tuple(f"a picture of thing {k}" for k in range(pictures))
    for k in range(pictures):
        turns += [Turn("user", (f"draw {k}",)), Turn("assistant", ("here", Picture(k), "so it is"))]
    layout = processor.layout
    filler, first = "word ", turns[0]
    count = 1
    while (example := processor.example(Dialogue("pack", tuple(turns), captions))) and len(example) < columns:
        count += max(1, (columns - len(example)) // 8)
        turns[0] = Turn("user", (f"{first.text} {filler * count}",))
    dialogue = Dialogue("pack", tuple(turns), captions)
    nothing = torch.zeros(pictures, 1, 1)

    def ours() -> None:
        made = processor.example(dialogue)
        assert made is not None
        batch = collate([made], [nothing])
        visible(batch.dialogue, batch.segment, batch.anchor)

    def baseline() -> None:
        baseline_batch([baseline_lists(dialogue, layout, limit=10 * columns)])

    ours()
    baseline()
    fast, slow = best_seconds(ours, repeats), best_seconds(baseline, repeats)
    made = processor.example(dialogue)
    return {"pack.speedup_baseline": slow / fast, "pack.columns": len(made or ()), "pack.pictures": pictures}


def decode_share(
    model: MIMForConditionalGeneration, processor: MIMProcessor, *, tokens: int, repeats: int
) -> dict[str, float]:
    """Greedy tokens per second over those of transformers, one conversation, the end of the reply barred in both."""
    from transformers import SuppressTokensLogitsProcessor

    model.slice_head(None)
    layout = processor.layout
    prompt = Prompt((Turn("user", ("Tell me a long story about a fox on a postcard.",)),))
    ids = torch.from_numpy(processor.prompt(prompt.turns).ids)[None]
    special = sorted({*layout.text.tokenizer.all_special_ids})
    barred = SuppressTokensLogitsProcessor(special)
    settings = DecodeSettings(max_tokens=tokens)

    def ours() -> None:
        generate(model, layout, [prompt], painter=None, settings=settings, processors=[barred])

    def theirs() -> None:
        inner: Any = model.language.inner
        out = inner.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            do_sample=False,
            suppress_tokens=special,
            pad_token_id=layout.text.format.stop,
        )
        assert out.shape[1] == ids.shape[1] + tokens

    ours()
    theirs()
    mine, known = [], []
    for _ in range(repeats):
        mine.append(best_seconds(ours, 1))
        known.append(best_seconds(theirs, 1))
    return {"decode.share_of_generate": min(known) / min(mine), "decode.tokens_per_s": tokens / min(mine)}


def resume_trials(trials: int, *, steps: int = 6, seed: int = 0) -> dict[str, float]:
    """Stop a tiny model's run at a random step, go on in a fresh one, and compare the losses bit by bit."""
    stage = replace(INSTRUCT, columns=300, row=200)
    told = conversations(4, seed)

    def fresh() -> tuple[Training, Corpus]:
        model, processor = tiny_model()
        model.add_lora(rank=2, alpha=4)
        bank = FeatureBank(model.vision)
        source = dialogue_source("told", told, processor=processor, bank=bank, max_columns=None)
        corpus = Corpus([source], bank, stage, seed=seed)
        return Training(model, stage, Budget(steps=steps), data=corpus.digest, seed=seed), corpus

    run, corpus = fresh()
    straight = [step.loss for step in train(run, corpus.batch)]
    rng, identical = stream(seed, "stops"), 0
    for _ in range(trials):
        stop = int(rng.integers(1, steps))
        with tempfile.TemporaryDirectory() as folder:
            run, corpus = fresh()
            begun = [step.loss for step in islice(train(run, corpus.batch), stop)]
            run.save(Path(folder) / "state")
            run, corpus = fresh()
            run.resume(Path(folder) / "state")
            identical += begun + [step.loss for step in train(run, corpus.batch)] == straight
    return {"resume.trials": trials, "resume.identical": identical}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, write and return the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--quick", action="store_true", help="a tiny model and few repeats")
    parser.add_argument("--model", choices=("tiny", "smollm2"))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"))
    parser.add_argument("--dialogues", type=int)
    parser.add_argument("--columns", type=int, default=768)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--trials", type=int)
    chosen = parser.parse_args(argv)
    small, large = ("tiny", "float32", 4, 24, 2, 3), ("smollm2", "bfloat16", 8, 64, 5, 20)
    for name, few, many in zip(
        ("model", "dtype", "dialogues", "tokens", "repeats", "trials"), small, large, strict=True
    ):
        if getattr(chosen, name) is None:
            setattr(chosen, name, few if chosen.quick else many)
    exact, processor = parts(chosen.model, "float32")
    told = conversations(chosen.dialogues)
    found: dict[str, Any] = {"step.loss_gap": loss_gap(exact, processor, conversations(2 * chosen.dialogues, 1))}
    found |= pack_speedup(processor, columns=chosen.columns, pictures=4, repeats=3 * chosen.repeats)
    found |= decode_share(exact, processor, tokens=chosen.tokens, repeats=chosen.repeats)
    if chosen.dtype != "float32":
        exact, processor = parts(chosen.model, chosen.dtype)
    found |= step_ratios(exact, processor, told, repeats=chosen.repeats)
    found |= resume_trials(chosen.trials)
    found["settings"] = {k: v for k, v in vars(chosen).items() if k != "out"} | {"threads": torch.get_num_threads()}
    if chosen.out is not None:
        write_json(chosen.out, found)
    return found


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
