"""A model of all the real parts in miniature, with random weights: for tests, and for looking at shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from tbcore.model.config import QFormerConfig
from tbcore.model.mim import MIMForConditionalGeneration, build_mim
from tbcore.model.processor import MIMProcessor
from tbcore.model.vision import HashTower

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["byte_tokenizer", "tiny_model"]

_ROLES = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """One id per byte, the three special ids of ChatML in front: 259 ids, nothing to download."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    from tbcore.weights.smollm import CHAT_TEMPLATE

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(BPE(vocab={word: k for k, word in enumerate((*_ROLES, *letters))}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(_ROLES))
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token=_ROLES[0],
        bos_token=_ROLES[1],
        eos_token=_ROLES[2],
        pad_token=_ROLES[2],
        chat_template=CHAT_TEMPLATE,
    )


def tiny_model(
    *,
    kind: str = "llama",
    history: Literal["drop_caption", "keep_caption"] = "drop_caption",
    n_queries: int = 4,
    width: int = 32,
    seed: int = 0,
) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """A random language model of two layers behind a weightless tower, float32.

    Args:
        kind: "llama" or "qwen2".
        history: see `MIMConfig`.
        n_queries: columns per picture.
        width: d_lm.
        seed: of the weights.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = byte_tokenizer()
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        initializer_range=0.3,  # large enough for attention to matter in comparisons
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inner = AutoModelForCausalLM.from_config(config).eval()
    qformer = QFormerConfig(n_queries=n_queries, width=16, n_heads=2, n_layers=1)
    model = build_mim(HashTower(), inner, qformer=qformer, history=history, seed=seed)
    with torch.no_grad():  # three equal rows would hide mistakes; these differ
        noise = torch.randn(model.language.control.shape, generator=torch.Generator().manual_seed(seed))
        model.language.control.add_(0.3 * noise)
    return model, MIMProcessor.for_model(model, tokenizer)
