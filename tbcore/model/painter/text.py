"""The painter's text encoder: free words in, a few vectors out that say what to draw and where.

There is no hidden parser. A small transformer reads the words; eight learned queries gather them. During training an
auxiliary loss asks the first five queries to name what stands left, in the middle and right, the backdrop and the
frame, which binds things to places early.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from tbcore.world.captions import FAMILIES
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene
from tbcore.world.sprites import SPRITES

__all__ = ["MAX_WORDS", "CaptionEncoder", "build_tokenizer", "word_ids"]

MAX_WORDS = 48


def _vocabulary() -> list[str]:
    """Every word a caption of the world can hold."""
    words: set[str] = set()
    nouns = list(SPRITES)
    for write in FAMILIES.values():
        for k, noun in enumerate(nouns):
            for count in (1, 2, 3):
                things = tuple(nouns[(k + j) % len(nouns)] for j in range(count))
                scene = Scene(BACKDROPS[k % len(BACKDROPS)], (noun, *things[1:]), FRAMES[k % len(FRAMES)])
                words.update(re.findall(r"\w+|[^\w\s]", write(scene)))
    return sorted(words)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One id per word, lower case; a word that no caption uses becomes [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    table = {word: k for k, word in enumerate(["[PAD]", "[UNK]", *_vocabulary()])}
    core = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()])
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]")


def word_ids(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]) -> Tensor:
    """Captions -> int64[b s], padded to the longest, cut at `MAX_WORDS`; at least one column, also for no words."""
    ids = tokenizer(list(captions), padding=True, truncation=True, max_length=MAX_WORDS, return_tensors="pt")
    if not ids["input_ids"].numel():
        return torch.zeros(len(captions), 1, dtype=torch.int64)
    return ids["input_ids"]


class CaptionEncoder(ModelMixin, ConfigMixin):
    """Words to condition vectors.

    Args:
        vocabulary: rows of the word table.
        width: width of everything.
        layers: transformer layers over the words.
        n_queries: condition vectors per caption.
    """

    @register_to_config
    def __init__(self, vocabulary: int, width: int = 256, layers: int = 2, n_queries: int = 8) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(MAX_WORDS, width) * 0.02)
        self.reader = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.queries = nn.Parameter(torch.randn(n_queries, width) * 0.02)
        self.gather = nn.TransformerDecoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(width)
        self.nothing = nn.Parameter(torch.randn(n_queries, width) * 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """int64[b s] (0 pads) -> float[b n_queries width]. A caption of no words gives the vectors of "anything"."""
        empty = (ids == 0).all(1)
        padding = (ids == 0) & ~empty[:, None]  # an empty row may look at itself: softmax over nothing is not a number
        hidden = self.words(ids) + self.places[: ids.shape[1]]
        for layer in self.reader:
            hidden = layer(hidden, src_key_padding_mask=padding)
        queries = self.queries.expand(len(ids), -1, -1)
        gathered = self.norm(self.gather(queries, hidden, memory_key_padding_mask=padding))
        return torch.where(empty[:, None, None], self.nothing, gathered)
