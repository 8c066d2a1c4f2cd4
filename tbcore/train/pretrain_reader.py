"""Train the second reader on fresh postcards, disturbed as a painter might disturb them.

python -m tbcore.train.pretrain_reader --steps 2000
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from tbcore.model.trained_reader import TrainedReader, load_trained_reader, save_trained_reader
from tbcore.seeds import stream, torch_stream
from tbcore.train.painter_updates import to_pixels
from tbcore.train.postcards import answers_of, fresh_postcards
from tbcore.train.rates import one_cycle, set_rate
from tbcore.train.run_state import go_on, load_run, parts_of, restore, save_run
from tbcore.world.render import render_many
from tbcore.world.scenes import sample_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ReaderTraining", "disturbed", "main", "reader_right"]

log = logging.getLogger(__name__)


def disturbed(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shift by up to a pixel, blur by up to 1 pixel, add noise of up to 12 grey levels; uint8[n 64 64 3] both ways."""
    out = np.empty_like(pictures)
    for k, picture in enumerate(pictures):
        dy, dx = rng.integers(-1, 2, size=2)
        moved = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")[1 + dy : 65 + dy, 1 + dx : 65 + dx]
        width = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
        soft = gaussian_filter(moved.astype(np.float32), (width, width, 0)) if width else moved.astype(np.float32)
        noisy = soft + rng.normal(0, rng.uniform(0, 12), size=soft.shape)
        out[k] = np.clip(np.rint(noisy), 0, 255)
    return out


class ReaderTraining:
    """A reader in training, resumable.

    Args:
        steps: updates in all; the learning rate falls to zero over them.
        seed: every draw derives from it.
        batch: pictures per update.
    """

    def __init__(self, *, steps: int, seed: int = 0, batch: int = 128) -> None:
        self.steps, self.seed, self.batch, self.number = steps, seed, batch, 0
        with torch.random.fork_rng():
            torch.manual_seed(int(torch_stream(seed, "reader").initial_seed()))
            self.model = TrainedReader().train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.02)

    def update(self) -> float:
        """Learn from the next batch; returns its loss in nats, summed over the five answers."""
        set_rate(self.optimizer, one_cycle(self.number, self.steps, 3e-3, warm=0.3))
        cards = next(fresh_postcards(self.seed, "reader", batch=self.batch, start=self.number))
        answers = answers_of(cards.scenes)
        rough = disturbed(cards.pictures, stream(self.seed, f"reader/disturbed/{self.number}"))
        things, backdrop, frame = self.model(to_pixels(rough))
        loss = 3 * functional.cross_entropy(things.flatten(0, 1), answers[:, :3].flatten())
        loss = loss + functional.cross_entropy(backdrop, answers[:, 3]) + functional.cross_entropy(frame, answers[:, 4])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.number += 1
        return loss.item()

    def _settings(self) -> dict[str, object]:
        return {"steps": self.steps, "seed": self.seed, "batch": self.batch}

    def save(self, folder: Path) -> None:
        """Write all that `load` needs."""
        tensors = parts_of("model", self.model.state_dict())
        save_run(folder, tensors=tensors, optimizers=[self.optimizer], number=self.number, settings=self._settings())

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            CheckpointError: the run was started with other settings.
        """
        self.number, tensors = load_run(folder, optimizers=[self.optimizer], settings=self._settings())
        restore(self.model, "model", tensors)


def reader_right(model: TrainedReader, seed: int) -> float:
    """Share of 500 disturbed validation pictures whose whole scene it names."""
    rng = stream(seed, "reader/validation")
    scenes = [sample_scene(rng, split="val") for _ in range(500)]
    said = model.eval().read_many(disturbed(render_many(scenes), rng))
    model.train()
    return sum(one == scene for one, scene in zip(said, scenes, strict=True)) / len(scenes)


def main() -> None:
    """Train and write the reader; progress goes to the log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain/reader"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    training = ReaderTraining(steps=args.steps, seed=args.seed)
    go_on(training, args.out / "training")
    while training.number < args.steps:
        loss = training.update()
        if training.number % 100 == 0 or training.number == args.steps:
            right = reader_right(training.model, args.seed)
            log.info("reader update %d: loss %.4f, whole scene right %.3f of 500", training.number, loss, right)
            training.save(args.out / "training")
    save_trained_reader(training.model.eval(), args.out / "weights")
    right = reader_right(load_trained_reader(args.out / "weights"), args.seed)
    log.info("reader written to %s: %.3f of 500", args.out, right)


if __name__ == "__main__":
    main()
