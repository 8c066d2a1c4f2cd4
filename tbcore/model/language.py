"""The language model, with three control tokens of our own beside its table, and a head that may be sliced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

__all__ = ["CONTROL_TOKENS", "EVERY_MATRIX", "LanguageModel", "add_lora", "merge_lora"]

CONTROL_TOKENS = ("<image>", "<start>", "<end>")
"""Their ids follow the language model's own: v, v + 1, v + 2. No text can spell them (`tbcore.model.tokens`)."""

EVERY_MATRIX = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Last names of all matrices in a layer of Llama's kind, for adapters beside every one of them."""


class LanguageModel(nn.Module):
    """Wraps any causal language model of transformers.

    The rows of the control tokens live in a small table of their own, joined to embedding and head on use. So three
    rows can learn while the many thousand others stay frozen, and tied tables stay tied.

    Args:
        inner: a causal language model; its vocabulary keeps its size.
    """

    def __init__(self, inner: PreTrainedModel) -> None:
        super().__init__()
        self.inner = inner
        table = self.table
        self.vocab_size = int(table.shape[0])
        self.width = int(table.shape[1])
        # transformers looks for tied tables among the direct children of the model, of which this is one.
        tied: dict[str, str] = getattr(inner, "all_tied_weights_keys", {})
        self.all_tied_weights_keys = {f"inner.{key}": f"inner.{value}" for key, value in tied.items()}
        self.control = nn.Parameter(table.detach().float().mean(dim=0).repeat(len(CONTROL_TOKENS), 1))
        self.kept: Tensor | None = None  # ids the head emits; a setting, so neither parameter nor buffer
        self._sliced: tuple[tuple[object, ...], Tensor] | None = None

    @property
    def table(self) -> Tensor:
        """The token table float[v d_lm], without the control tokens."""
        return cast(Tensor, self.inner.get_input_embeddings().weight)

    @property
    def image_id(self) -> int:
        """Id of `<image>`, which marks a slot of a picture."""
        return self.vocab_size

    @property
    def start_id(self) -> int:
        """Id of `<start>`, which opens a caption."""
        return self.vocab_size + 1

    @property
    def end_id(self) -> int:
        """Id of `<end>`, which closes a caption."""
        return self.vocab_size + 2

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the language model's weights."""
        return self.table.dtype

    def embedding_norm(self) -> float:
        """Mean length of the token embeddings; what the connector aims at."""
        return float(self.table.detach().float().norm(dim=-1).mean())

    def embed(self, ids: Tensor) -> Tensor:
        """int[b s] -> float[b s d_lm]; control ids come from their own table."""
        own = ids >= self.vocab_size
        words = self.inner.get_input_embeddings()(ids.masked_fill(own, 0))
        control = self.control.to(words.dtype)[(ids - self.vocab_size).clamp(min=0)]
        return torch.where(own[..., None], control, words)

    def hidden(self, inputs: Tensor, mask: Tensor, positions: Tensor, *, cache: Any = None) -> tuple[Tensor, Any]:
        """Run the body of the language model.

        Args:
            inputs: float[b s d_lm].
            mask: bool[b s c], who may read whom; c counts the cached columns too. It is always passed on as four
                dimensions: without a mask, positions that start again would be taken for packed sequences.
            positions: int[b s].
            cache: key-value cache of transformers, extended in place; None: no cache.

        Returns:
            float[b s d_lm] and the cache.
        """
        if self.inner.config._attn_implementation == "sdpa":  # type: ignore[union-attr]
            shown = mask[:, None]
        else:  # eager attention adds the mask to its scores
            lowest = torch.finfo(inputs.dtype).min
            shown = torch.zeros_like(mask, dtype=inputs.dtype).masked_fill(~mask, lowest)[:, None]
        body = self.inner.get_decoder() if hasattr(self.inner, "get_decoder") else self.inner.base_model
        out = body(
            inputs_embeds=inputs,
            attention_mask=shown,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out.last_hidden_state, cache

    def slice_head(self, ids: Iterable[int] | None) -> None:
        """Let the head emit these vocabulary ids and the control tokens only; None: everything again.

        Training then never pushes the other ids down, so decode with the same slice.

        Raises:
            ValueError: an id is outside the language model's own vocabulary.
        """
        self._sliced = None
        if ids is None:
            self.kept = None
            return
        kept = sorted(set(ids))
        if not kept or kept[0] < 0 or kept[-1] >= self.vocab_size:
            raise ValueError(
                f"slice_head: ids must lie in 0..{self.vocab_size - 1}; got {kept[:1]}..{kept[-1:]}. "
                "Control tokens are always kept and are not listed."
            )
        self.kept = torch.tensor(kept, device="cpu")

    @property
    def emitted(self) -> Tensor:
        """int[v]: which id each column of the logits stands for."""
        device = self.control.device
        own = torch.arange(self.vocab_size, device=device) if self.kept is None else self.kept.to(device)
        return torch.cat([own, torch.arange(len(CONTROL_TOKENS), device=device) + self.vocab_size])

    def columns_of(self, ids: Tensor) -> Tensor:
        """Which column of the logits stands for each id: int[...] -> int[...].

        Raises:
            ValueError: an id was sliced away.
        """
        if self.kept is None:
            return ids
        emitted = self.emitted
        columns = torch.searchsorted(emitted, ids)
        if not bool((emitted[columns.clamp(max=len(emitted) - 1)] == ids).all()):
            lost = ids[emitted[columns.clamp(max=len(emitted) - 1)] != ids]
            raise ValueError(f"language head: id {int(lost[0])} was sliced away. Slice with the ids of all the data.")
        return columns

    def logits(self, hidden: Tensor) -> Tensor:
        """float[n d_lm] -> float32[n v], v as in `emitted`."""
        words = nn.functional.linear(hidden, self._head())
        return torch.cat([words, nn.functional.linear(hidden, self.control.to(hidden.dtype))], dim=-1).float()

    def _head(self) -> Tensor:
        """The rows of the head that are in use; gathered once while it is frozen, as that takes longer than a token."""
        head = cast(nn.Linear, self.inner.get_output_embeddings()).weight
        if self.kept is None:
            return head
        if head.requires_grad:
            return head[self.kept.to(head.device)]
        state = (head.data_ptr(), head._version, head.dtype, head.device)
        if self._sliced is None or self._sliced[0] != state:
            with torch.inference_mode(False):  # what is kept must serve training as well
                self._sliced = state, head.detach()[self.kept.to(head.device)]
        return self._sliced[1]


def add_lora(language: LanguageModel, *, rank: int, alpha: int, targets: Sequence[str], seed: int) -> int:
    """Put low-rank adapters (LoRA) beside the named layers, of the attention as a rule; they start out as zero.

    Args:
        language: changed in place; its own weights stay as they are.
        rank: of the adapters.
        alpha: the adapters' output is scaled by alpha / rank.
        targets: last names of the layers, such as "q_proj".
        seed: for the random half of each adapter.

    Returns:
        How many numbers the adapters hold.
    Source: LoRA (arXiv:2106.09685), by the peft library.
    """
    from peft import LoraConfig, inject_adapter_in_model

    from tbcore.seeds import torch_stream

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), lora_dropout=0.0, bias="none")
    inject_adapter_in_model(config, language.inner)
    generator, count = torch_stream(seed, "lora"), 0
    with torch.no_grad():
        for name, parameter in language.inner.named_parameters():
            if "lora_" not in name:
                continue
            parameter.data = parameter.data.float()  # master weights in full precision
            count += parameter.numel()
            if "lora_A" in name:
                bound = parameter.shape[1] ** -0.5
                drawn = torch.rand(parameter.shape, generator=generator, device="cpu")
                parameter.copy_(drawn * 2 * bound - bound)
    return count


def merge_lora(language: LanguageModel) -> int:
    """Add every adapter onto its layer and put the plain layer back in place; returns how many layers."""
    from peft.tuners.lora import LoraLayer

    wrapped = [(name, module) for name, module in language.inner.named_modules() if isinstance(module, LoraLayer)]
    for name, module in wrapped:
        parent, _, last = name.rpartition(".")
        layer: Any = module
        layer.merge(safe_merge=True)
        setattr(language.inner.get_submodule(parent), last, layer.get_base_layer())
    if hasattr(language.inner, "peft_config"):
        del language.inner.peft_config
    return len(wrapped)
