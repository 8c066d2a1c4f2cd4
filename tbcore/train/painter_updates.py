"""The painter's training as a value: what learns, what averages it, and everything needed to go on after a kill.

Every batch and every noise depends on (seed, number of the update) only, so a resumed run draws what the unbroken one
would have drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn import functional

from tbcore.model.painter.pipeline import PostcardPipeline
from tbcore.model.painter.text import word_ids
from tbcore.seeds import torch_stream
from tbcore.train.postcards import Postcards, answers_of, fresh_postcards
from tbcore.train.rates import hold_then_fall, set_rate
from tbcore.train.run_state import load_run, parts_of, restore, save_run
from tbcore.world.scenes import BACKDROPS, FRAMES
from tbcore.world.sprites import SPRITES

__all__ = ["PAINTER_COUNTS", "NameHeads", "PainterStep", "PainterTraining", "to_pixels"]

PAINTER_COUNTS = (1, 1, 1, 1, 2, 2, 2, 3, 3)
"""Large things cover most pixels and are hardest to draw: they come more often than the world's habits say."""


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


def to_pixels(pictures: Any) -> Tensor:
    """uint8[n 64 64 3] -> float32[n 3 64 64] in -1..1."""
    return torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1


class PainterTraining:
    """Text encoder and denoiser of a pipeline in training, with their average.

    The denoiser's matrices learn by Muon, all else by AdamW: orthogonalised updates need fewer steps, which is what
    counts on a CPU.

    Args:
        pipeline: whose autoencoder is fitted and frozen, and whose text encoder and denoiser learn in place.
        steps: updates in all; the rate warms up over 2 % of them, holds, and falls to zero over the last 40 %.
        seed: every draw derives from it.
        batch: pictures per update.
        rate: the highest learning rate.
        logit_normal: draw noise levels from the logit-normal distribution; False draws them evenly, as a control.
        cards: number of the update -> its batch; None draws fresh postcards of the whole world.
    """

    def __init__(
        self,
        pipeline: PostcardPipeline,
        *,
        steps: int,
        seed: int,
        batch: int = 64,
        rate: float = 1e-3,
        logit_normal: bool = True,
        cards: Callable[[int], Postcards] | None = None,
    ) -> None:
        self.pipeline, self.steps, self.seed, self.batch, self.rate = pipeline, steps, seed, batch, rate
        self.logit_normal, self.cards = logit_normal, cards or self._of_the_world
        self.text, self.denoiser = pipeline.text_encoder.train(), pipeline.denoiser.train()
        self.denoise: Any = self.denoiser
        with torch.random.fork_rng():
            torch.manual_seed(int(torch_stream(seed, "painter/heads").initial_seed()))
            self.heads = NameHeads(self.text.config["width"])
        self.number = 0
        self.average = EMAModel(self.parameters(), decay=0.998, use_ema_warmup=True, power=0.75)
        named = list(self.denoiser.named_parameters())
        matrices = [p for name, p in named if p.ndim == 2 and "blocks." in name and ".told." not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for p in [*self.parameters(), *self.heads.parameters()] if id(p) not in chosen]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=0.01),
        ]

    def parameters(self) -> list[nn.Parameter]:
        """What learns and stays; the heads are thrown away."""
        return [*self.text.parameters(), *self.denoiser.parameters()]

    def compile(self) -> None:
        """Compile the denoiser: about a fifth faster on a CPU, after a minute, where a C++ compiler is installed."""
        self.denoise = torch.compile(self.denoiser)

    def update(self) -> PainterStep:
        """Learn from the next batch.

        Raises:
            RuntimeError: a gradient is not finite.
        """
        started = time.monotonic()
        loss, names = self._loss(self.cards(self.number))
        rate = hold_then_fall(self.number, self.steps, self.rate)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            set_rate(optimizer, rate)
        (loss + 0.1 * names).backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1.0, error_if_nonfinite=True)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.step(self.parameters())
        step = PainterStep(
            number=self.number,
            loss=loss.item(),
            names=names.item(),
            rate=rate,
            seconds=time.monotonic() - started,
        )
        self.number += 1
        return step

    def _of_the_world(self, number: int) -> Postcards:
        return next(fresh_postcards(self.seed, "painter", batch=self.batch, start=number, counts=PAINTER_COUNTS))

    def _loss(self, cards: Postcards) -> tuple[Tensor, Tensor]:
        """Velocity error in pixels at random noise levels; one caption in ten is withheld for guidance."""
        noise = torch_stream(self.seed, f"painter/noise/{self.number}")
        n = len(cards.scenes)
        with torch.no_grad():
            clean = self.pipeline.autoencoder.encode(to_pixels(cards.pictures)).contiguous()
        gathered = self.text(word_ids(self.pipeline.tokenizer, cards.captions))
        names = self.heads(gathered, answers_of(cards.scenes))
        withheld = torch.rand(n, generator=noise) < 0.1
        told = torch.where(withheld[:, None, None], self.text.nothing, gathered)
        sigma = torch.sigmoid(torch.randn(n, generator=noise))
        if not self.logit_normal:
            sigma = torch.rand(n, generator=noise)
        start = torch.randn(clean.shape, generator=noise)
        level = sigma.view(n, 1, 1, 1)
        velocity = self.denoise((1 - level) * clean + level * start, sigma, told)
        # Latents are halfway whitened; weighing by the scale again makes this the error in pixels, which is what shows.
        weight = self.pipeline.autoencoder.scale.square().view(1, -1, 1, 1)
        return ((velocity - (start - clean)).square() * (weight / weight.mean())).mean(), names

    def _settings(self) -> dict[str, object]:
        return {"seed": self.seed, "batch": self.batch, "rate": self.rate, "logit_normal": self.logit_normal}

    def save(self, folder: Path) -> None:
        """Write all that `load` needs."""
        tensors = parts_of("heads", self.heads.state_dict())
        tensors |= parts_of("weights", self.parameters()) | parts_of("average", self.average.shadow_params)
        save_run(folder, tensors=tensors, optimizers=self.optimizers, number=self.number, settings=self._settings())

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote; the total number of steps may differ, all else may not.

        Raises:
            CheckpointError: the run was started with other settings.
        """
        self.number, tensors = load_run(folder, optimizers=self.optimizers, settings=self._settings())
        restore(self.heads, "heads", tensors)
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(tensors[f"weights/{k}"])
        self.average.shadow_params = [tensors[f"average/{k}"] for k in range(len(self.average.shadow_params))]
        self.average.optimization_step = self.number

    def averaged(self) -> _Averaged:
        """A context in which the pipeline holds the averaged weights: `with training.averaged(): draw()`."""
        return _Averaged(self)


class _Averaged:
    def __init__(self, training: PainterTraining) -> None:
        self.training = training

    def __enter__(self) -> None:
        self.training.average.store(self.training.parameters())
        self.training.average.copy_to(self.training.parameters())

    def __exit__(self, *_: object) -> None:
        self.training.average.restore(self.training.parameters())
