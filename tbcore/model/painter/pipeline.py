"""The painter as a diffusers pipeline: `painter(prompt=["a tiger on a sandy beach"]).images`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.models.modeling_utils import ModelMixin
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.painter.autoencoder import PostcardAutoencoder
from tbcore.model.painter.denoiser import PostcardDenoiser
from tbcore.model.painter.text import CaptionEncoder, word_ids
from tbcore.weights.zoo import ZOO, verify_zoo

__all__ = ["GUIDANCE", "PostcardPainter", "PostcardPipeline", "load_painter", "painter_scheduler"]

_PARTS: dict[str, type[Any]] = {
    "autoencoder": PostcardAutoencoder,
    "text_encoder": CaptionEncoder,
    "denoiser": PostcardDenoiser,
    "tokenizer": PreTrainedTokenizerFast,
    "scheduler": FlowMatchEulerDiscreteScheduler,
}


GUIDANCE = 1.25
"""Scale of classifier-free guidance by default. On validation captions 1 to 1.75 draw alike, 2 and more draw worse."""


def painter_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """How the painter walks from noise to picture: each step guesses the picture, and mixes it with fresh noise.

    The plain walk along the flow (Euler) keeps every mistake of its first steps, where nearly all is noise and where a
    thing stands is decided. Fresh noise washes them out: the next guess starts from a state such as training showed.
    By shift 3 more of the steps are taken where there is much noise. `make check-zoo` compares both walks.
    """
    return FlowMatchEulerDiscreteScheduler(shift=3.0, stochastic_sampling=True)


class PostcardPipeline(DiffusionPipeline):
    """Text to 64 x 64 postcards by latent rectified flow with classifier-free guidance.

    Args:
        autoencoder: latents to pixels.
        text_encoder: words to condition vectors.
        denoiser: the velocity network.
        tokenizer: one id per word.
        scheduler: steps along the flow; see `painter_scheduler`.
    """

    model_cpu_offload_seq = "text_encoder->denoiser->autoencoder"

    def __init__(
        self,
        autoencoder: PostcardAutoencoder,
        text_encoder: CaptionEncoder,
        denoiser: PostcardDenoiser,
        tokenizer: PreTrainedTokenizerFast,
        scheduler: FlowMatchEulerDiscreteScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            autoencoder=autoencoder,
            text_encoder=text_encoder,
            denoiser=denoiser,
            tokenizer=tokenizer,
            scheduler=scheduler,
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path, **overrides: Any) -> PostcardPipeline:
        """Load what `save_pretrained` wrote; parts given by name replace the stored ones.

        Raises:
            MissingFileError: a part's folder is not there.
            CheckpointError: a part's weights do not fit its configuration.
        """
        parts: dict[str, Any] = {}
        for name, kind in _PARTS.items():
            path = Path(folder) / name
            if name not in overrides and not path.is_dir():
                raise MissingFileError(f"{path}: this part of the painter is missing; `make pretrain` writes it")
            try:
                parts[name] = overrides.get(name) or _read(kind, path)
            except (OSError, RuntimeError, ValueError) as error:
                raise CheckpointError(f"{path}: this part of the painter cannot be loaded: {error}") from error
        return cls(**parts)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        prompt_embeds: Tensor | None = None,
        num_inference_steps: int = 16,
        guidance_scale: float = GUIDANCE,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        callback_on_step_end: Callable[[int, Tensor], None] | None = None,
    ) -> ImagePipelineOutput:
        """Draw one picture per prompt.

        Args:
            prompt: one caption or several.
            prompt_embeds: float[b n_queries width], what the text encoder would have said, instead of a prompt.
            num_inference_steps: steps from noise to picture.
            guidance_scale: 1 follows the caption as learned; above 1 exaggerates what the caption adds.
            generator: source of the noise; a list gives each picture its own seed.
            output_type: "pil", or "np" for uint8[n 64 64 3].
            callback_on_step_end: called with (step, latents) after each step; `preview` turns latents into pixels.

        Raises:
            ValueError: both or neither of prompt and prompt_embeds are given, or the list of generators has another
                length than the prompts.
        """
        if (prompt is None) == (prompt_embeds is None):
            raise ValueError("painter: give either prompt or prompt_embeds")
        told = self.encode_prompt(prompt) if prompt is not None else torch.as_tensor(prompt_embeds)
        latents = self._noise(len(told), generator)
        source = generator if generator is None or isinstance(generator, torch.Generator) else list(generator)
        untold = self.encode_prompt([""] * len(told))
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        for step, timestep in enumerate(self.scheduler.timesteps):
            sigma = (timestep / 1000).expand(len(told)).to(latents.dtype)
            if guidance_scale == 1:
                velocity = self.denoiser(latents, sigma, told)
            else:  # both in one pass: two passes over one picture take a quarter longer
                both = self.denoiser(latents.repeat(2, 1, 1, 1), sigma.repeat(2), torch.cat([told, untold]))
                velocity, free = both.chunk(2)
                velocity = free + guidance_scale * (velocity - free)
            latents = self.scheduler.step(velocity, timestep, latents, generator=source, return_dict=False)[0]
            if callback_on_step_end is not None:
                callback_on_step_end(step, latents)
        pictures = self.preview(latents)
        return ImagePipelineOutput(images=pictures if output_type == "np" else [Image.fromarray(p) for p in pictures])

    @torch.no_grad()
    def encode_prompt(self, prompt: str | Sequence[str]) -> Tensor:
        """What the denoiser is told for each caption: float[b n_queries width]."""
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        return self.text_encoder(word_ids(self.tokenizer, prompts).to(self.device))

    def _noise(self, n: int, generator: torch.Generator | Sequence[torch.Generator] | None) -> Tensor:
        """float[n channels 8 8]; with a list of generators, picture k depends on the k-th only."""
        shape = (self.autoencoder.config["latent_channels"], 8, 8)
        if generator is None or isinstance(generator, torch.Generator):
            return torch.randn((n, *shape), generator=generator).to(self.device)
        if len(generator) != n:
            raise ValueError(f"one generator per prompt, or one for all; got {len(generator)} for {n} prompts")
        return torch.stack([torch.randn(shape, generator=one) for one in generator]).to(self.device)

    @torch.no_grad()
    def preview(self, latents: Tensor) -> NDArray[np.uint8]:
        """Latents float[n channels 8 8] -> uint8[n 64 64 3], at any step."""
        pixels = self.autoencoder.decode(latents).clamp(-1, 1)
        return ((pixels + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _read(kind: type[Any], path: Path) -> Any:
    """Load one part; diffusers draws lacking weights at random and only warns, so they are asked for here."""
    if not issubclass(kind, ModelMixin):
        return kind.from_pretrained(path)
    loaded: Any = kind.from_pretrained(path, output_loading_info=True)
    part, told = loaded
    if told["missing_keys"] or told["unexpected_keys"]:
        raise ValueError(f"weights lack {told['missing_keys']} and have {told['unexpected_keys']} too many")
    return part


class PostcardPainter:
    """The pipeline behind the model's painter port: captions and seeds in, pixels out.

    Args:
        pipeline: a loaded pipeline.
        steps: per picture.
        guidance: guidance scale.
    """

    def __init__(self, pipeline: PostcardPipeline, *, steps: int = 16, guidance: float = GUIDANCE) -> None:
        self.pipeline, self.steps, self.guidance = pipeline, steps, guidance

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Draw each caption with its own seed: uint8[n 64 64 3]."""
        if not captions:
            return np.zeros((0, 64, 64, 3), dtype=np.uint8)
        return self.paint_told(self.tell(captions), seeds)

    def tell(self, captions: Sequence[str]) -> Tensor:
        """What the denoiser is told for each caption: float[n n_queries width]."""
        return self.pipeline.encode_prompt(captions)

    def paint_told(self, told: Tensor, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Draw from what `tell` gives, or from a guess at it, each with its own seed: uint8[n 64 64 3]."""
        made = self.pipeline(
            prompt_embeds=told,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return np.asarray(made.images)


def load_painter(folder: Path | None = None) -> PostcardPipeline:
    """Load the shipped painter, checked by hash, or one from a folder that `make pretrain` wrote."""
    if folder is None:
        verify_zoo("painter")
        folder = ZOO / "painter"
    return PostcardPipeline.from_pretrained(folder)
