"""Training a stage in a folder: the curve and the state are kept on the way, the delta at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.store import read_jsonl, write_jsonl
from tbcore.train.checkpoint import save_delta
from tbcore.train.corpus import Corpus
from tbcore.train.loop import Step, Training, train
from tbcore.train.stages import Budget, Stage

__all__ = ["CURVE", "train_in"]

CURVE = "curve.jsonl"
"""Where the folder keeps its steps, one JSON object each."""

_STATE = "state"


def train_in(
    folder: Path | str,
    model: MIMForConditionalGeneration,
    stage: Stage,
    corpus: Corpus,
    budget: Budget,
    *,
    every: int = 25,
) -> Iterator[Step]:
    """Yield every step; a run that was interrupted goes on at the last state it saved.

    When the last step has been taken, the folder holds the delta and the curve, and no state any more.

    Args:
        folder: made when missing.
        model: see `Training`.
        stage: who learns, and how fast.
        corpus: what it learns from.
        budget: when to end.
        every: steps between two savings of the state.

    Raises:
        CheckpointError: the folder holds a state of another stage, of other data or of another model.
        DivergedError: see `train`.
    """
    place = Path(folder)
    run = Training(model, stage, budget, data=corpus.digest, seed=corpus.seed)
    curve: list[dict[str, object]] = []
    if (place / _STATE).is_dir():
        run.resume(place / _STATE)
        curve = [row for row in read_jsonl(place / CURVE) if row["number"] < run.steps]
    for step in train(run, corpus.batch):
        curve.append(asdict(step))
        if run.steps % every == 0:
            write_jsonl(place / CURVE, curve)
            run.save(place / _STATE)
        yield step
    notes: dict[str, Any] = {
        "stage": stage.name,
        "steps": run.steps,
        "seconds": run.seconds,
        "seed": run.seed,
        "data": run.data,
    }
    notes["mixture"] = corpus.mixture
    save_delta(model, place, notes=notes)
    write_jsonl(place / CURVE, curve)
