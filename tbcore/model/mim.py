"""The model put together: its parts, and one forward pass that reads as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedModel
from transformers.utils import ModelOutput

from tbcore.model.config import MIMConfig, QFormerConfig
from tbcore.model.connectors import build_connector
from tbcore.model.language import LanguageModel, add_lora, merge_lora
from tbcore.model.masks import visible
from tbcore.model.pack import IGNORED
from tbcore.model.vision import FrozenTower, build_tower

__all__ = ["MIMForConditionalGeneration", "MIMOutput", "build_mim", "splice"]


@dataclass
class MIMOutput(ModelOutput):
    """What a forward pass gives.

    Attributes:
        loss: mean next-token loss over the supervised columns; None where nothing is supervised.
        logits: float32[n v], of the supervised columns, or of all columns where nothing is supervised.
        columns: int[n], which columns those are, counted over all rows (row * s + column).
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    columns: Tensor | None = None


def splice(words: Tensor, pictures: Tensor, slots: Tensor) -> Tensor:
    """Put the vectors of pictures into their slots.

    Args:
        words: float[b s d_lm].
        pictures: float[i q d_lm].
        slots: int[i q], counted over all rows.

    Returns:
        float[b s d_lm]; `words` is left as it is.
    """
    if not slots.numel():
        return words
    flat = words.flatten(0, 1).index_copy(0, slots.flatten(), pictures.flatten(0, 1).to(words.dtype))
    return flat.view_as(words)


class MIMForConditionalGeneration(PreTrainedModel):
    """Reads and writes conversations with pictures (TextBind, arXiv:2309.08637).

    The painter is no part of it: it is attached where replies are made (`tbcore.model.decode`).

    Args:
        config: sizes of all parts.
        vision: the frozen tower; None: an untrained one of these settings.
        inner: the causal language model; None: an untrained one of these settings.
        connector: between the two; None: an untrained one of these settings.
    """

    config_class = MIMConfig
    base_model_prefix = "mim"
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[Any] = ["LlamaDecoderLayer"]
    _supports_sdpa = True
    main_input_name = "ids"

    def __init__(
        self,
        config: MIMConfig,
        *,
        vision: FrozenTower | None = None,
        inner: PreTrainedModel | None = None,
        connector: nn.Module | None = None,
    ) -> None:
        super().__init__(config)
        self.vision = build_tower(cast("Mapping[str, Any]", config.vision)) if vision is None else vision
        # in the precision that `from_pretrained` asks for, not the one it was saved in
        untrained = None if inner else AutoModelForCausalLM.from_config(config.text, dtype=torch.get_default_dtype())
        self.language = LanguageModel(cast(PreTrainedModel, inner or untrained))
        self.connector = connector or build_connector(
            config,
            patch_width=self.vision.width,
            n_patches=self.vision.n_patches,
            text_width=self.language.width,
            text_norm=self.language.embedding_norm() if inner is not None else 1.0,
        )
        if config.lora is not None:
            add_lora(self.language, seed=0, **config.lora)
        if config.kept_ids is not None:
            self.language.slice_head(config.kept_ids)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Every part sets its own weights when it is built; there is nothing left to do here."""

    def get_input_embeddings(self) -> nn.Module:
        """The language model's token table; the control tokens lie beside it in `language.control`."""
        return self.language.inner.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's token table."""
        self.language.inner.set_input_embeddings(value)

    def forward(
        self,
        ids: Tensor,
        targets: Tensor,
        position: Tensor,
        dialogue: Tensor,
        segment: Tensor,
        anchor: Tensor,
        slots: Tensor,
        features: Tensor,
        num_items_in_batch: int | Tensor | None = None,
    ) -> MIMOutput:
        """Predict the target of every supervised column.

        Args:
            ids: this and the following are the fields of `Batch`: int[b s].
            targets: int[b s].
            position: int[b s].
            dialogue: int[b s].
            segment: int[b s].
            anchor: int[b s].
            slots: int[i q].
            features: float[i p d_vis].
            num_items_in_batch: supervised columns over all micro-batches and processes. The summed loss is divided
                by it, so that their losses add up to the mean; None: the number in this batch.
        """
        words = self.language.embed(ids)
        pictures = self.vectors(features)
        inputs = splice(words, pictures, slots)
        hidden, _ = self.language.hidden(inputs, visible(dialogue, segment, anchor), position)
        wanted = targets.flatten()
        columns = (wanted != IGNORED).nonzero()[:, 0]
        supervised = bool(len(columns))
        if not supervised:
            columns = torch.arange(wanted.numel(), device=wanted.device)
        logits = self.language.logits(hidden.flatten(0, 1)[columns])
        loss = None
        if supervised:
            right = self.language.columns_of(wanted[columns])
            total = nn.functional.cross_entropy(logits, right, reduction="sum")
            loss = total / (len(columns) if num_items_in_batch is None else num_items_in_batch)
        return MIMOutput(loss=loss, logits=logits, columns=columns)

    def vectors(self, features: Tensor) -> Tensor:
        """What the language model reads of pictures: float[i p d_vis] -> float[i q d_lm]."""
        weight = next(self.connector.parameters())
        return self.connector(features.to(weight.device, weight.dtype))

    def add_lora(self, *, rank: int = 8, alpha: int = 16, targets: tuple[str, ...] = ("q_proj", "v_proj")) -> int:
        """Put low-rank adapters into the language model and note them in the config; returns their size.

        Raises:
            ValueError: there are adapters already.
        """
        if self.config.lora is not None:
            raise ValueError(f"add_lora: the model has adapters already: {self.config.lora}. Add them once.")
        settings = {"rank": rank, "alpha": alpha, "targets": list(targets)}
        count = add_lora(self.language, rank=rank, alpha=alpha, targets=targets, seed=0)
        self.config.lora = settings
        return count

    def merge_lora(self) -> None:
        """Add the adapters onto the weights beside which they stand, and take them away: faster, and no delta any more.

        Raises:
            ValueError: there are no adapters.
        """
        if self.config.lora is None:
            raise ValueError("merge_lora: the model has no adapters. Call add_lora() or load a delta first.")
        merge_lora(self.language)
        self.config.lora, self.config.parts = None, None

    def slice_head(self, ids: set[int] | None) -> None:
        """Let the head emit these ids and the control tokens only, and note it in the config; None: all ids."""
        self.language.slice_head(ids)
        self.config.kept_ids = None if ids is None else sorted(ids)


def build_mim(
    vision: FrozenTower,
    inner: PreTrainedModel,
    *,
    qformer: QFormerConfig | None = None,
    connector: nn.Module | Literal["qformer", "pixel_shuffle"] = "qformer",
    history: Literal["drop_caption", "keep_caption"] = "drop_caption",
    seed: int = 0,
) -> MIMForConditionalGeneration:
    """Put a tower and a language model together with a fresh connector.

    Args:
        vision: the frozen tower.
        inner: a causal language model of transformers.
        qformer: sizes of the connector; None: the laptop's.
        connector: a kind, or a loaded `tbcore.model.blip2.Blip2Connector`.
        history: see `MIMConfig`.
        seed: for the connector's weights.
    """
    sizes, made = qformer or QFormerConfig(), None if isinstance(connector, str) else connector
    settings: Any = {"kind": connector} if made is None else made.settings
    if made is not None:
        sizes = QFormerConfig(**{**sizes.to_dict(), "n_queries": settings["n_queries"]})
    config = MIMConfig(
        vision=vision.settings,
        qformer=sizes.to_dict(),
        connector=settings,
        text=inner.config.to_dict(),
        history=history,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the library's initialisers know no generator; the state outside is restored
        model = MIMForConditionalGeneration(config, vision=vision, inner=inner, connector=made)
    model.requires_grad_(False)
    return model.eval()


AutoConfig.register(MIMConfig.model_type, MIMConfig, exist_ok=True)
AutoModel.register(MIMConfig, MIMForConditionalGeneration, exist_ok=True)
AutoModelForImageTextToText.register(MIMConfig, MIMForConditionalGeneration, exist_ok=True)
