"""The Q-Former of BLIP-2 as a connector: its published weights, under their published names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from tbcore.errors import CheckpointError

__all__ = ["Blip2Connector", "load_blip2_connector"]

_NAMES = ("query_tokens", "qformer.", "language_projection.")


class Blip2Connector(nn.Module):
    """BLIP-2's Q-Former and its linear layer. The state dict has the names of a BLIP-2 checkpoint.

    Args:
        settings: {"kind": "blip2", "n_queries": q, "config": configuration of transformers' `Blip2QFormerModel`};
            its `encoder_hidden_size` is d_vis.
        text_width: d_lm.
        text_norm: length of the language model's token embeddings; a fresh projection starts out about as long.
    Source: BLIP-2 (arXiv:2301.12597); module and names from transformers.
    """

    def __init__(self, settings: Mapping[str, Any], *, text_width: int, text_norm: float = 1.0) -> None:
        from transformers import Blip2QFormerConfig, Blip2QFormerModel

        super().__init__()
        self.settings = {"kind": "blip2", "n_queries": int(settings["n_queries"]), "config": dict(settings["config"])}
        config = Blip2QFormerConfig(**{k: v for k, v in self.settings["config"].items() if k != "model_type"})
        self.patch_width = int(config.encoder_hidden_size)
        width = int(config.hidden_size)
        self.query_tokens = nn.Parameter(torch.randn(1, self.settings["n_queries"], width) * 0.02)
        self.qformer = Blip2QFormerModel(config).eval()
        self.language_projection = nn.Linear(width, text_width)
        nn.init.normal_(self.language_projection.weight, std=text_norm / math.sqrt(width * text_width))
        nn.init.zeros_(self.language_projection.bias)

    @property
    def n_queries(self) -> int:
        """q, vectors per picture."""
        return int(self.query_tokens.shape[1])

    def forward(self, patches: Tensor) -> Tensor:
        """float[i p d_vis] -> float[i q d_lm].

        Raises:
            ValueError: d_vis is not the width this connector was built for.
        """
        if patches.shape[-1] != self.patch_width:
            raise ValueError(
                f"Blip2Connector: patches must have width {self.patch_width}; got {patches.shape[-1]}. "
                "Take the tower that this Q-Former was trained with."
            )
        asked = self.query_tokens.expand(len(patches), -1, -1)
        if not len(patches):  # the library's attention refuses an empty batch
            return patches.new_zeros(0, self.n_queries, self.language_projection.out_features)
        found = self.qformer(query_embeds=asked, encoder_hidden_states=patches.to(asked.dtype))
        return self.language_projection(found.last_hidden_state)


def load_blip2_connector(
    name: Path | str, *, text_width: int, text_norm: float = 1.0, local_only: bool = False
) -> Blip2Connector:
    """Load queries, Q-Former and, where the width fits, the linear layer of a BLIP-2 checkpoint.

    Only these tensors are read, from whichever shard holds them; the language model of many gigabytes is left alone.
    BLIP-2's linear layer speaks to its own language model, so for another width a fresh one takes its place.

    Args:
        name: of a repository on the hub, or a folder that `Blip2ForConditionalGeneration.save_pretrained` wrote.
        text_width: d_lm of the language model it will speak to.
        text_norm: see `Blip2Connector`.
        local_only: never ask the hub.

    Raises:
        CheckpointError: it is no BLIP-2 checkpoint, or lacks a tensor of the Q-Former.
    """
    from transformers import AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(str(name), local_files_only=local_only)
        if config.model_type != "blip-2":
            raise ValueError(f"its model type is {config.model_type!r}")
        tensors = _read(str(name), local_only=local_only)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"Q-Former {name}: cannot be loaded ({error}). It must be a BLIP-2 checkpoint in safetensors, such as "
            "Blip2ForConditionalGeneration saves."
        ) from error
    settings = {
        "n_queries": int(config.num_query_tokens),
        "config": config.qformer_config.to_diff_dict(),
    }
    connector = Blip2Connector(settings, text_width=text_width, text_norm=text_norm)
    projection = tensors.get("language_projection.weight")
    if projection is None or tuple(projection.shape) != tuple(connector.language_projection.weight.shape):
        tensors = {key: value for key, value in tensors.items() if not key.startswith("language_projection.")}
        tensors |= {f"language_projection.{k}": v for k, v in connector.language_projection.state_dict().items()}
    try:
        connector.load_state_dict({key: value.float() for key, value in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"Q-Former {name}: its tensors do not fit its configuration: {error}") from error
    return connector


def _read(name: str, *, local_only: bool) -> dict[str, Tensor]:
    """The connector's tensors, from one file or from shards."""
    from transformers.utils import cached_file

    def find(file: str, *, needed: bool) -> str | None:
        return cached_file(name, file, local_files_only=local_only, _raise_exceptions_for_missing_entries=needed)

    index = find("model.safetensors.index.json", needed=False)
    if index is None:
        files = {"model.safetensors"}
    else:
        held: dict[str, str] = json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"]
        files = {file for key, file in held.items() if key.startswith(_NAMES)}
    tensors: dict[str, Tensor] = {}
    for file in sorted(files):
        with safe_open(str(find(file, needed=True)), framework="pt") as shard:
            names = [key for key in shard.keys() if key.startswith(_NAMES)]  # noqa: SIM118 - not a mapping
            tensors |= {key: shard.get_tensor(key) for key in names}
    return tensors
