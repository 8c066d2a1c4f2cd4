"""What a MIM is made of, as one value that is saved with every checkpoint."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from transformers import AutoConfig, PreTrainedConfig

__all__ = ["HISTORY_MODES", "MIMConfig", "QFormerConfig"]

HISTORY_MODES = ("drop_caption", "keep_caption")


class QFormerConfig(PreTrainedConfig):
    """How one picture becomes a few vectors.

    Attributes:
        n_queries: vectors per picture; a square number puts them on a grid over the picture.
        width: of the queries inside; a multiple of n_heads.
        n_layers: blocks of self-attention, cross-attention to the patches, and a feed-forward net.
        n_heads: attention heads.
        expansion: width of the feed-forward net, in widths.
        prior: how sharply query k starts out attending near region k; 0 is no prior at all.
    Source: BLIP-2 (arXiv:2301.12597), Fig. 2; its text branch is left out.
    """

    model_type = "mim_qformer"

    n_queries: int = 16
    width: int = 256
    n_layers: int = 2
    n_heads: int = 4
    expansion: int = 4
    prior: float = 0.3

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.width % self.n_heads:
            raise ValueError(
                f"QFormerConfig: width must be a multiple of n_heads; got width={self.width}, n_heads={self.n_heads}"
            )
        if self.n_queries < 1 or self.n_layers < 1:
            raise ValueError(
                f"QFormerConfig: need at least one query and one layer; got {self.n_queries} and {self.n_layers}"
            )


class MIMConfig(PreTrainedConfig):
    """The nested settings of tower, connector and language model, and what joins them.

    Attributes:
        vision: what builds the tower: {"kind": "open_clip" | "transformers" | "hash", ...} (`tbcore.model.vision`).
        qformer: sizes of the Q-Former; its n_queries holds for every connector.
        connector: {"kind": "qformer"} (also None), {"kind": "pixel_shuffle"}, or {"kind": "blip2", ...} as
            `tbcore.model.blip2.Blip2Connector` takes it.
        text: the language model's own configuration.
        history: "drop_caption" (captions in branches, forgotten after painting) or "keep_caption".
        lora: {"rank": 8, "alpha": 16, "targets": [...]} once low-rank adapters are in place, else None.
        kept_ids: vocabulary ids the head may emit, ascending; None for all (`LanguageModel.slice_head`).
        parts: SHA-256 of frozen parts, by name, written by the checkpoint code.
    """

    model_type = "mim"
    sub_configs: ClassVar[Any] = {"text": AutoConfig, "qformer": QFormerConfig}

    vision: dict[str, Any] | None = None
    qformer: dict[str, Any] | PreTrainedConfig | None = None
    connector: dict[str, Any] | None = None
    text: dict[str, Any] | PreTrainedConfig | None = None
    history: Literal["drop_caption", "keep_caption"] = "drop_caption"
    lora: dict[str, Any] | None = None
    kept_ids: list[int] | None = None
    parts: dict[str, str] | None = None
    tie_word_embeddings: bool = False  # the join of table and head lies inside the language model

    def __post_init__(self, **kwargs: Any) -> None:
        if self.history not in HISTORY_MODES:
            raise ValueError(f"MIMConfig: history must be one of {HISTORY_MODES}; got {self.history!r}")
        if isinstance(self.qformer, dict) or self.qformer is None:
            self.qformer = QFormerConfig(**(self.qformer or {}))
        if isinstance(self.text, dict):
            settings = dict(self.text)
            self.text = AutoConfig.for_model(settings.pop("model_type", "llama"), **settings)
        super().__post_init__(**kwargs)

    @property
    def n_queries(self) -> int:
        """Vectors, and so columns of the sequence, that one picture takes."""
        assert isinstance(self.qformer, QFormerConfig)
        return self.qformer.n_queries

    @property
    def vocab_size(self) -> int:
        """Ids of the language model's own table; the control tokens come after them."""
        assert self.text is not None
        return int(self.text.vocab_size)  # type: ignore[union-attr]
