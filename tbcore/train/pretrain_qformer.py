"""Pre-train the Q-Former: pre-alignment for an hour instead of a minute, on many more postcards.

    python -m tbcore.train.pretrain_qformer --steps 1600

The paper starts from BLIP-2's Q-Former, which had seen 129 million pictures before; this is the course's. The step is
that of `tbcore.train.prealign`, and the language model is not run here either: only its table of words is used.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.tokens import ChatText
from tbcore.seeds import stream
from tbcore.train.build import assemble
from tbcore.train.checkpoint import load_delta, save_delta
from tbcore.train.features import FeatureBank
from tbcore.train.narrow import eight_bits
from tbcore.train.postcards import uniform_scene
from tbcore.train.prealign import PREALIGN, Prealignment, caption_words, word_accuracy
from tbcore.train.run_state import go_on, load_run, parts_of, restore, save_run
from tbcore.world.captions import caption
from tbcore.world.render import render_many
from tbcore.world.scenes import Scene, sample_scene
from tbcore.world.splits import may_train

__all__ = [
    "EXAMINED",
    "LONG_WORDS",
    "QFormerTraining",
    "long_words",
    "main",
    "practice_scenes",
    "qformer_reads",
    "reads",
]

log = logging.getLogger(__name__)

LONG_WORDS = 12
"""Words of each caption to learn: in most captions all that say what is shown, and some that say how it stands."""

EXAMINED = 400
"""Pictures that a Q-Former is examined on."""


def practice_scenes(seed: int, count: int) -> list[Scene]:
    """Scenes to train on: half with the world's habits, half without, so that nothing can be guessed."""
    rng = stream(seed, "qformer/scenes")
    scenes: list[Scene] = []
    while len(scenes) < count:
        habitual = sample_scene(rng, split="train")
        free = uniform_scene(rng, 1 + int(rng.integers(3)))
        scenes += [habitual, free] if may_train(free) else [habitual]
    return scenes[:count]


def long_words(captions: Sequence[str], text: ChatText) -> list[tuple[int, ...]]:
    """The words of each caption that the long training teaches; the same for a caption whatever stands beside it."""
    among = [caption(scene) for scene in practice_scenes(0, 4000)]
    return caption_words(captions, text, most=LONG_WORDS, among=among)


class QFormerTraining:
    """The connector in training, resumable.

    Args:
        model: its connector learns; tower and language model stay as they are.
        text: pieces of the language model's words.
        scenes: to learn from; the tower looks at each once.
        steps: updates in all; the rates fall to zero over them.
        seed: of the order.
        batch: pictures per update.
    """

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        text: ChatText,
        scenes: list[Scene],
        *,
        steps: int,
        seed: int = 0,
        batch: int = 256,
    ) -> None:
        self.model, self.steps, self.seed, self.batch, self.number = model, steps, seed, batch, 0
        self.bank = FeatureBank(model.vision)
        self.rows = np.array(self.bank.add(render_many(scenes)))
        self.lesson = Prealignment(model, long_words([caption(scene) for scene in scenes], text), stage=PREALIGN)

    def update(self) -> tuple[float, float]:
        """Learn from the next batch; returns its loss, and the share of words named rightly."""
        chosen = stream(self.seed, f"qformer/{self.number}").integers(len(self.rows), size=self.batch)
        features = self.bank[self.rows[chosen].tolist()].float()
        done = self.lesson.update(features, torch.from_numpy(chosen), progress=self.number / self.steps)
        self.number += 1
        return done

    def _settings(self) -> dict[str, object]:
        return {"steps": self.steps, "seed": self.seed, "batch": self.batch, "scenes": len(self.rows)}

    def save(self, folder: Path) -> None:
        """Write all that `load` needs."""
        tensors = parts_of("connector", self.model.connector.state_dict())
        optimizers = self.lesson.optimizers
        save_run(folder, tensors=tensors, optimizers=optimizers, number=self.number, settings=self._settings())

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            CheckpointError: the run was started with other settings.
        """
        self.number, tensors = load_run(folder, optimizers=self.lesson.optimizers, settings=self._settings())
        restore(self.model.connector, "connector", tensors)


def reads(model: MIMForConditionalGeneration, text: ChatText, *, split: str = "val") -> tuple[float, float]:
    """Share of words, and of whole captions, that the connector alone names rightly on 400 pictures of a split."""
    rng, bank = stream(0, f"qformer/{split}"), FeatureBank(model.vision)
    scenes = [sample_scene(rng, split=split) for _ in range(EXAMINED)]
    words = long_words([caption(scene) for scene in scenes], text)
    return word_accuracy(model, bank, bank.add(render_many(scenes)), words)


def qformer_reads(folder: Path) -> tuple[float, float]:
    """`reads` of the Q-Former that was saved in a folder."""
    model, processor = assemble()
    load_delta(model, folder)
    return reads(model, processor.layout.text)


def main() -> None:
    """Train and write the Q-Former; progress goes to the log, and a second call goes on where the first stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1600, help="updates in all")
    parser.add_argument("--scenes", type=int, default=60_000, help="postcards to learn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--start", type=Path, help="a Q-Former whose weights to start from, instead of new ones")
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain/qformer"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    model, processor = assemble(seed=args.seed)
    if args.start:
        load_delta(model, args.start)
    scenes = practice_scenes(args.seed, args.scenes)
    training = QFormerTraining(model, processor.layout.text, scenes, steps=args.steps, seed=args.seed)
    log.info("the tower has looked at %d postcards", len(scenes))
    go_on(training, args.out / "training")
    while training.number < args.steps:
        loss, right = training.update()
        if training.number % 25 == 0:
            log.info("qformer update %d: loss %.3f, words right %.3f", training.number, loss, right)
        if training.number % args.save_every == 0 or training.number == args.steps:
            training.save(args.out / "training")
            right = reads(model, processor.layout.text)
            log.info("saved after %d updates: held out: words %.3f, whole captions %.3f", training.number, *right)
    made = {"updates": args.steps, "seed": args.seed, "scenes": args.scenes, "words": LONG_WORDS}
    save_delta(model, args.out / "whole", notes=made)
    eight_bits(args.out / "whole", args.out / "weights")
    log.info("written to %s: held out: %s", args.out, qformer_reads(args.out / "weights"))


if __name__ == "__main__":
    main()
