"""Pre-train the painter: fit the autoencoder, then train text encoder and denoiser together on its latents.

    python -m tbcore.train.pretrain_painter --steps 3000

Every `--save-every` steps the averaged weights are written to the output folder, so a run can be looked at, or used,
before it ends.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import EMAModel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tbcore.model.painter.autoencoder import PostcardAutoencoder
from tbcore.model.painter.denoiser import PostcardDenoiser
from tbcore.model.painter.pipeline import PostcardPipeline, load_painter
from tbcore.model.painter.text import CaptionEncoder, build_tokenizer, word_ids
from tbcore.seeds import stream, torch_stream
from tbcore.train.postcards import fresh_postcards
from tbcore.train.pretrain_tower import answers_of
from tbcore.weights.zoo import ZOO, write_hashes
from tbcore.world.captions import caption
from tbcore.world.reader import read_many
from tbcore.world.scenes import BACKDROPS, FRAMES, sample_scene
from tbcore.world.sprites import SPRITES

__all__ = [
    "PainterStep",
    "fit_autoencoder",
    "main",
    "painter_updates",
    "save_painter",
    "scene_exact",
    "to_pixels",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PainterStep:
    """What one update showed; losses have no unit."""

    number: int
    loss: float
    names: float
    rate: float
    seconds: float


class NameHeads(nn.Module):
    """Asks the first five condition vectors for the facts of the caption; used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.things = nn.Linear(width, len(SPRITES) + 1)
        self.backdrop = nn.Linear(width, len(BACKDROPS))
        self.frame = nn.Linear(width, len(FRAMES) + 1)

    def forward(self, gathered: Tensor, answers: Tensor) -> Tensor:
        """Mean cross-entropy; gathered [b n_queries width], answers int[b 5]."""
        loss = functional.cross_entropy(self.things(gathered[:, :3]).flatten(0, 1), answers[:, :3].flatten())
        loss = loss + functional.cross_entropy(self.backdrop(gathered[:, 3]), answers[:, 3])
        return loss + functional.cross_entropy(self.frame(gathered[:, 4]), answers[:, 4])


def to_pixels(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8[n 64 64 3] -> float32[n 3 64 64] in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _schedule(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Warm up over 2 %, hold, then fall linearly to zero over the last 40 %."""

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / max(1, steps * 0.02), max(0.0, (steps - step) / (steps * 0.4)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def fit_autoencoder(model: PostcardAutoencoder, *, seed: int, pictures: int = 4096) -> float:
    """Fit the autoencoder to fresh postcards in place; returns the share of the variance it keeps."""
    cards = next(fresh_postcards(seed, "autoencoder", batch=pictures))
    return float(model.fit(to_pixels(cards.pictures)))


@dataclass(frozen=True, slots=True)
class _Painter:
    """The parts that learn together, and what averages them."""

    text: CaptionEncoder
    denoiser: PostcardDenoiser
    heads: NameHeads
    average: EMAModel

    def parameters(self) -> list[nn.Parameter]:
        return [*self.text.parameters(), *self.denoiser.parameters()]


def _optimizers(parts: _Painter, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the denoiser's square-ish matrices, AdamW for all else.

    Orthogonalised updates need fewer steps than AdamW's, which is what counts on a CPU.
    """
    matrices = [p for name, p in parts.denoiser.named_parameters() if p.ndim == 2 and "blocks." in name]
    chosen = {id(p) for p in matrices}
    rest = [p for p in [*parts.parameters(), *parts.heads.parameters()] if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=0.01),
    ]


def painter_updates(
    autoencoder: PostcardAutoencoder,
    pipeline: PostcardPipeline,
    *,
    steps: int,
    seed: int,
    first: int = 0,
    batch: int = 64,
    rate: float = 1e-3,
) -> tuple[EMAModel, Iterator[PainterStep]]:
    """Return the running average of the weights and the iterator that trains text encoder and denoiser in place.

    Args:
        autoencoder: fitted and frozen.
        pipeline: whose text encoder and denoiser learn.
        steps: number of updates; the learning rate is constant for 60 % of them and then falls to zero.
        seed: every draw derives from it.
        first: number of the first batch, for a run that goes on from another's weights.
        batch: pictures per update.
        rate: the highest learning rate.
    """
    text, denoiser = pipeline.text_encoder, pipeline.denoiser
    average = EMAModel([*text.parameters(), *denoiser.parameters()], decay=0.998, use_ema_warmup=True, power=0.75)
    parts = _Painter(text, denoiser, NameHeads(text.config["width"]), average)
    return average, _updates(autoencoder, pipeline, parts, steps=steps, seed=seed, first=first, batch=batch, rate=rate)


def _updates(
    autoencoder: PostcardAutoencoder,
    pipeline: PostcardPipeline,
    parts: _Painter,
    *,
    steps: int,
    seed: int,
    first: int,
    batch: int,
    rate: float,
) -> Iterator[PainterStep]:
    optimizers = _optimizers(parts, rate)
    schedules = [_schedule(optimizer, steps) for optimizer in optimizers]
    noise, started = torch_stream(seed, f"painter/noise/{first}" if first else "painter/noise"), time.monotonic()
    for number, cards in zip(range(steps), fresh_postcards(seed, "painter", batch=batch, start=first), strict=False):
        with torch.no_grad():
            clean = autoencoder.encode(to_pixels(cards.pictures)).contiguous()
        ids = word_ids(pipeline.tokenizer, cards.captions)
        loss, names = _loss(parts, clean, ids, answers_of(cards.scenes), noise)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        (loss + 0.1 * names).backward()
        nn.utils.clip_grad_norm_(parts.parameters(), 1.0, error_if_nonfinite=True)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        parts.average.step(parts.parameters())
        seconds, now = time.monotonic() - started, float(schedules[0].get_last_lr()[0])
        yield PainterStep(number=number, loss=loss.item(), names=names.item(), rate=now, seconds=seconds)


def _loss(
    parts: _Painter, clean: Tensor, ids: Tensor, answers: Tensor, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Velocity error at logit-normal noise levels; one caption in ten is withheld for guidance."""
    n = len(clean)
    gathered = parts.text(ids)
    names = parts.heads(gathered, answers)
    withheld = torch.rand(n, generator=noise) < 0.1
    told = torch.where(withheld[:, None, None], parts.text.nothing, gathered)
    sigma = torch.sigmoid(torch.randn(n, generator=noise))
    start = torch.randn(clean.shape, generator=noise)
    level = sigma.view(n, 1, 1, 1)
    velocity = parts.denoiser((1 - level) * clean + level * start, sigma, told)
    return functional.mse_loss(velocity, start - clean), names


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


def _log(steps: Iterable[PainterStep], every: int, what: str) -> Iterator[PainterStep]:
    for step in steps:
        if step.number % every == every - 1:
            log.info("%s %s", what, asdict(step))
        yield step


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=300)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--start", type=Path, help="a painter to go on from, instead of new weights")
    parser.add_argument("--first", type=int, default=0, help="number of the first batch, so that none comes twice")
    parser.add_argument("--out", type=Path, default=ZOO / "painter")
    return parser.parse_args()


def main() -> None:
    """Train and write the painter; progress goes to the log."""
    args = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with torch.random.fork_rng():
        torch.manual_seed(int(torch_stream(args.seed, "painter").initial_seed()))
        autoencoder, tokenizer = PostcardAutoencoder(), build_tokenizer()
        text, denoiser = CaptionEncoder(len(tokenizer)), PostcardDenoiser()
    if args.start:
        pipeline = load_painter(args.start)
        autoencoder, text, denoiser = pipeline.autoencoder, pipeline.text_encoder, pipeline.denoiser
        text.train().requires_grad_(True)
        denoiser.train().requires_grad_(True)
    else:
        pipeline = PostcardPipeline(autoencoder, text, denoiser, tokenizer, FlowMatchEulerDiscreteScheduler())
        log.info("autoencoder keeps %.4f of the variance", fit_autoencoder(autoencoder, seed=args.seed))
    save_painter(pipeline, args.out)
    average, updates = painter_updates(
        autoencoder,
        pipeline,
        steps=args.steps,
        seed=args.seed,
        first=args.first,
        batch=args.batch,
        rate=args.rate,
    )
    learning = [*text.parameters(), *denoiser.parameters()]
    for step in _log(updates, 25, "painter"):
        if step.number % args.save_every == args.save_every - 1 or step.number == args.steps - 1:
            average.store(learning)
            average.copy_to(learning)
            save_painter(pipeline, args.out)
            log.info("saved after %d steps: scene exact %s", step.number + 1, scene_exact(pipeline, n=32))
            average.restore(learning)
    write_hashes(args.out.parent)


if __name__ == "__main__":
    main()
