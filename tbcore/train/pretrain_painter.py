"""Pre-train the painter: fit the autoencoder, then train text encoder and denoiser together on its latents.

    python -m tbcore.train.pretrain_painter --steps 6000

Every `--save-every` updates the run is saved: the averaged weights to `weights/`, so that they can be looked at before
it ends, and the whole state to `training/`, so that the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tbcore.model.painter.autoencoder import PostcardAutoencoder
from tbcore.model.painter.denoiser import PostcardDenoiser
from tbcore.model.painter.pipeline import PostcardPipeline, load_painter, painter_scheduler
from tbcore.model.painter.text import CaptionEncoder, build_tokenizer
from tbcore.seeds import stream, torch_stream
from tbcore.train.painter_updates import PainterTraining, to_pixels
from tbcore.train.postcards import fresh_postcards
from tbcore.train.run_state import go_on
from tbcore.world.captions import caption
from tbcore.world.reader import read_many
from tbcore.world.scenes import sample_scene

__all__ = ["fit_autoencoder", "main", "new_painter", "save_painter", "scene_exact"]

log = logging.getLogger(__name__)


def fit_autoencoder(model: PostcardAutoencoder, *, seed: int, pictures: int = 4096) -> float:
    """Fit the autoencoder to fresh postcards in place; returns the share of the variance it keeps."""
    cards = next(fresh_postcards(seed, "autoencoder", batch=pictures))
    return float(model.fit(to_pixels(cards.pictures)))


@torch.no_grad()
def scene_exact(
    pipeline: PostcardPipeline, *, n: int, seed: int = 0, batch: int = 32, **sampling: Any
) -> dict[int, float]:
    """Share of validation captions whose whole scene the reader finds in the drawing, per number of things."""
    rng = stream(seed, "painter/validation")
    shares: dict[int, float] = {}
    for count in (1, 2, 3):
        scenes = [sample_scene(rng, n_things=count, split="val") for _ in range(n)]
        right = 0
        for start in range(0, n, batch):
            some = scenes[start : start + batch]
            generators = [torch.Generator().manual_seed(start + k) for k in range(len(some))]
            captions = [caption(scene) for scene in some]
            drawn = pipeline(captions, generator=generators, output_type="np", **sampling).images
            right += sum(got.scene == wanted for got, wanted in zip(read_many(np.asarray(drawn)), some, strict=True))
        shares[count] = right / n
    return shares


def save_painter(pipeline: PostcardPipeline, folder: Path) -> None:
    """Write the five parts in diffusers' layout, weights in fp16 safetensors."""
    for name in ("autoencoder", "text_encoder", "denoiser"):
        part = getattr(pipeline, name)
        kept = {key: tensor.clone() for key, tensor in part.state_dict().items()}
        part.half().save_pretrained(folder / name)
        part.float().load_state_dict(kept)
    pipeline.tokenizer.save_pretrained(folder / "tokenizer")
    pipeline.scheduler.save_pretrained(folder / "scheduler")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000, help="updates in all; a resumed run may change it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--start", type=Path, help="a painter whose weights to start from, instead of new ones")
    parser.add_argument("--compile", action="store_true", help="a fifth faster, where a C++ compiler is installed")
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain/painter"))
    return parser.parse_args()


def new_painter(seed: int) -> PostcardPipeline:
    """A painter with a fitted autoencoder and untrained text encoder and denoiser."""
    with torch.random.fork_rng():
        torch.manual_seed(int(torch_stream(seed, "painter").initial_seed()))
        autoencoder, tokenizer = PostcardAutoencoder(), build_tokenizer()
        text, denoiser = CaptionEncoder(len(tokenizer)), PostcardDenoiser()
    log.info("autoencoder keeps %.4f of the variance", fit_autoencoder(autoencoder, seed=seed))
    return PostcardPipeline(autoencoder, text, denoiser, tokenizer, painter_scheduler())


def main() -> None:
    """Train and write the painter; progress goes to the log, and a second call goes on where the first stopped."""
    args = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pipeline = load_painter(args.start) if args.start else new_painter(args.seed)
    training = PainterTraining(pipeline, steps=args.steps, seed=args.seed, batch=args.batch, rate=args.rate)
    go_on(training, args.out / "training")
    if args.compile:
        training.compile()
    while training.number < args.steps:
        step = training.update()
        if training.number % 25 == 0:
            log.info("painter %s", asdict(step))
        if training.number % args.save_every == 0 or training.number == args.steps:
            training.save(args.out / "training")
            with training.averaged():
                save_painter(pipeline, args.out / "weights")
                log.info("saved after %d updates: scene exact %s", training.number, scene_exact(pipeline, n=32))


if __name__ == "__main__":
    main()
