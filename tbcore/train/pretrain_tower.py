"""Pre-train the vision tower: CLIP's contrastive loss on postcards, plus reading the caption's words off the patches.

The contrastive loss makes the pooled vectors good (topics, retrieval); the word loss makes the *patches* good, which is
what the language model will read. Its three small heads are thrown away afterwards.

    python -m tbcore.train.pretrain_tower --steps 900
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbcore.seeds import stream, torch_stream
from tbcore.train.postcards import Postcards, answers_of, fresh_postcards
from tbcore.train.rates import one_cycle, set_rate
from tbcore.train.run_state import go_on, load_run, parts_of, restore, save_run
from tbcore.weights.zoo import TOWER_MEAN, TOWER_STD, load_tower_tokenizer, save_tower
from tbcore.world.captions import FAMILIES, caption
from tbcore.world.render import render_many
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene, sample_scene
from tbcore.world.sprites import SPRITES

if TYPE_CHECKING:
    from open_clip.model import CLIP

__all__ = [
    "TOWER_CONFIG",
    "TowerStep",
    "TowerTraining",
    "caption_tokens",
    "main",
    "normalise",
    "recall_at_1",
]

log = logging.getLogger(__name__)

CONTEXT = 48

TOWER_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 64,
        "patch_size": 8,
        "layers": 4,
        "width": 192,
        "head_width": 48,
        "mlp_ratio": 4.0,
    },
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 0, "width": 128, "heads": 4, "layers": 3},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerStep:
    """What one update showed: losses in nats, learning rate, seconds since the start."""

    number: int
    contrastive: float
    words: float
    rate: float
    seconds: float


class WordHeads(nn.Module):
    """Reads what stands left, in the middle and right, the backdrop and the frame off the patch features.

    One learned query per answer looks over the patches (a single head of attention), then one linear layer names it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(5, width) * 0.02)
        self.place = nn.Parameter(torch.randn(64, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.things = nn.Linear(width, len(SPRITES) + 1)
        self.backdrop = nn.Linear(width, len(BACKDROPS))
        self.frame = nn.Linear(width, len(FRAMES) + 1)

    def forward(self, patches: Tensor, answers: Tensor) -> Tensor:
        """Mean cross-entropy of the five answers; patches [n p d_vis], answers int[n 5]."""
        patches = self.norm(patches)
        weights = (self.queries @ (patches + self.place).transpose(1, 2) / 8).softmax(-1)  # n 5 p
        read = weights @ patches  # n 5 d_vis
        loss = functional.cross_entropy(self.things(read[:, :3]).flatten(0, 1), answers[:, :3].flatten())
        loss = loss + functional.cross_entropy(self.backdrop(read[:, 3]), answers[:, 3])
        return loss + functional.cross_entropy(self.frame(read[:, 4]), answers[:, 4])


def normalise(pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """uint8[n 64 64 3] -> float32[n 3 64 64] as the tower wants it."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(TOWER_MEAN).view(3, 1, 1)) / torch.tensor(TOWER_STD).view(3, 1, 1)


def caption_tokens() -> list[int]:
    """Return the ids of CLIP's tokenizer that any caption of the world uses, ascending, start and end included."""
    tokenizer = load_tower_tokenizer(CONTEXT)
    ids = {0, tokenizer.sot_token_id, tokenizer.eot_token_id}
    nouns = sorted(SPRITES)
    for write in FAMILIES.values():
        for count in (1, 2, 3):
            for k, noun in enumerate(nouns):
                things = tuple(nouns[(k + j) % len(nouns)] for j in range(count))
                for frame in (None, FRAMES[k % len(FRAMES)]):
                    ids.update(
                        tokenizer.encode(write(Scene(BACKDROPS[k % len(BACKDROPS)], (noun, *things[1:]), frame)))
                    )
    for name in BACKDROPS:
        for frame in FRAMES:
            for write in FAMILIES.values():
                ids.update(tokenizer.encode(write(Scene(name, ("tiger",), frame))))
    return sorted(ids)


def tokenize(captions: tuple[str, ...], row_of: Tensor) -> Tensor:
    """Captions -> int64[n CONTEXT], rows of the kept table; `row_of` maps CLIP ids to rows."""
    return row_of[load_tower_tokenizer(CONTEXT)(list(captions))]


class TowerTraining:
    """A tower in training, resumable.

    Args:
        steps: updates in all; the learning rate falls to zero over them.
        seed: every draw derives from it.
        batch: pictures per update.
        family: how many pictures of a batch differ in one fact only (hard negatives).
    """

    def __init__(self, *, steps: int, seed: int = 0, batch: int = 128, family: int = 4) -> None:
        from open_clip.loss import ClipLoss
        from open_clip.model import CLIP

        self.steps, self.seed, self.batch, self.family, self.number = steps, seed, batch, family, 0
        self.kept = caption_tokens()
        self.row_of = torch.zeros(49_408, dtype=torch.int64)
        self.row_of[self.kept] = torch.arange(len(self.kept))
        self.config = TOWER_CONFIG | {"text_cfg": TOWER_CONFIG["text_cfg"] | {"vocab_size": len(self.kept)}}
        with torch.random.fork_rng():
            torch.manual_seed(int(torch_stream(seed, "tower").initial_seed()))
            self.model = CLIP(
                embed_dim=self.config["embed_dim"],
                vision_cfg=self.config["vision_cfg"],
                text_cfg=self.config["text_cfg"],
            )
            self.heads = WordHeads(self.config["vision_cfg"]["width"])
        self.contrast = ClipLoss()
        self.parameters = [*self.model.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)

    def update(self) -> TowerStep:
        """Learn from the next batch.

        Raises:
            RuntimeError: a gradient is not finite.
        """
        started = time.monotonic()
        cards = next(fresh_postcards(self.seed, "tower", batch=self.batch, family=self.family, start=self.number))
        rate = one_cycle(self.number, self.steps, 1.5e-3)
        set_rate(self.optimizer, rate)
        contrastive, words = self._losses(cards)
        self.optimizer.zero_grad(set_to_none=True)
        (contrastive + words).backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0, error_if_nonfinite=True)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=np.log(100))
        step = TowerStep(
            number=self.number,
            contrastive=contrastive.item(),
            words=words.item(),
            rate=rate,
            seconds=time.monotonic() - started,
        )
        self.number += 1
        return step

    def _losses(self, cards: Postcards) -> tuple[Tensor, Tensor]:
        visual = cast(Any, self.model.visual)
        visual.output_tokens = True
        pooled, patches = visual(normalise(cards.pictures))
        visual.output_tokens = False
        text = functional.normalize(self.model.encode_text(tokenize(cards.captions, self.row_of)), dim=-1)
        contrastive = self.contrast(functional.normalize(pooled, dim=-1), text, self.model.logit_scale.exp())
        return contrastive, self.heads(patches, answers_of(cards.scenes))

    def _settings(self) -> dict[str, object]:
        return {"steps": self.steps, "seed": self.seed, "batch": self.batch, "family": self.family}

    def save(self, folder: Path) -> None:
        """Write all that `load` needs."""
        tensors = parts_of("model", self.model.state_dict()) | parts_of("heads", self.heads.state_dict())
        save_run(folder, tensors=tensors, optimizers=[self.optimizer], number=self.number, settings=self._settings())

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            CheckpointError: the run was started with other settings.
        """
        self.number, tensors = load_run(folder, optimizers=[self.optimizer], settings=self._settings())
        restore(self.model, "model", tensors)
        restore(self.heads, "heads", tensors)


@torch.no_grad()
def recall_at_1(model: CLIP, row_of: Tensor | None = None, *, n: int = 400, seed: int = 0) -> float:
    """Share of `n` distinct validation pictures whose own caption is the nearest of all `n`."""
    rng = stream(seed, "tower/recall")
    scenes: dict[Scene, None] = {}
    while len(scenes) < n:
        scenes.setdefault(sample_scene(rng, split="val"))
    captions = tuple(caption(scene) for scene in scenes)
    ids = load_tower_tokenizer(CONTEXT)(list(captions))
    text = functional.normalize(model.encode_text(ids if row_of is None else row_of[ids]), dim=-1)
    pooled = model.visual(normalise(render_many(list(scenes))))
    vision = functional.normalize(pooled[0] if isinstance(pooled, tuple) else pooled, dim=-1)
    return float(((vision @ text.T).argmax(1) == torch.arange(n)).float().mean())


def main() -> None:
    """Train and write the tower; progress goes to the log, and a second call goes on where the first stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain/tower"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    training = TowerTraining(steps=args.steps, seed=args.seed)
    go_on(training, args.out / "training")
    model = training.model
    while training.number < args.steps:
        step = training.update()
        if training.number % 50 == 0 or training.number == args.steps:
            model.eval()
            log.info("tower %s recall@1 %.3f", asdict(step), recall_at_1(model, training.row_of))
            model.train()
            training.save(args.out / "training")
    save_tower(model, training.kept, training.config, args.out / "weights")
    log.info("tower written to %s: recall@1 %.3f of 400", args.out, recall_at_1(model.eval(), training.row_of))


if __name__ == "__main__":
    main()
