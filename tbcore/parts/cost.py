"""What a set of parts asks of a machine: bytes to fetch, memory of the GPU, hours. Counted, not measured.

Weights are numbers times two bytes (bfloat16). What learns costs sixteen bytes a number: the weight, its gradient and
AdamW's two means in float32. Activations are counted per column and layer from what a Llama block keeps for its
backward pass. Operations are two per number and column forwards; going back costs as much again where the weights
are frozen, and twice as much where they learn. Attention's own operations are added.

Hours are operations divided by a share of the vendor's figure; that share, and the GB for the driver, are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tbcore.errors import ProfileError
from tbcore.parts.catalogue import Gpu, Part, Parts, sets
from tbcore.profiles import PROFILES, Profile

__all__ = [
    "ALLOWANCE_GB",
    "CAPTION_COLUMNS",
    "UTILISATION",
    "Need",
    "Work",
    "activation_bytes",
    "fitting_parts",
    "lora_parameters",
    "need",
    "qformer_parameters",
    "work",
]

ALLOWANCE_GB = 1.5
"""For the driver, compiled kernels and gaps between allocations: an assumption."""

UTILISATION = 0.3
"""Share of the vendor's figure that training reaches: an assumption."""

CAPTION_COLUMNS = 48
"""Columns of a caption and its chat marks, beside those of its picture."""

_KEPT, _LEARNING = 2, 16  # bytes per number
_HALF, _SINGLE = 2, 4
_RANK = 8
_ROWS = 16  # conversations answered at once
_TEACHER_COLUMNS = 4096
_DECODER_MAPS = 3 * 256  # full-size channels that a decoder holds at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """GB (10^9 bytes) that a set of parts needs.

    Args:
        download: over the network, at most once.
        host: of the machine's memory while the largest part is loaded.
        training: of the GPU, stage 2 with low-rank adapters, by piece.
        chat: of the GPU, model and painter answering, by piece.
        teacher: of the GPU, for the teacher alone, by piece.
    """

    download: float
    host: float
    training: Mapping[str, float]
    chat: Mapping[str, float]
    teacher: Mapping[str, float]

    @property
    def gpu(self) -> float:
        """Most of the three, which never run together."""
        return max(sum(one.values()) for one in (self.training, self.chat, self.teacher))


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Operations (FLOPs) of each step with the sizes of a profile."""

    flops: Mapping[str, float]

    def hours(self, gpu: Gpu) -> dict[str, float]:
        """Hours of each step on one GPU of that kind, at `UTILISATION`: an estimate."""
        return {name: flops / (gpu.tflops * 1e12 * UTILISATION) / 3600 for name, flops in self.flops.items()}


def need(parts: Parts, *, profile: Profile | None = None) -> Need:
    """Count the GB that these parts need with the sizes of a profile; None: profile gpu."""
    sizes = profile or PROFILES["gpu"]
    lm = parts.language
    connector = _connector_parameters(parts)
    frozen = {"tower": _gb(_KEPT * parts.tower.parameters), "language model": _gb(_KEPT * lm.parameters)}
    training = {
        **frozen,
        "what learns": _gb(_LEARNING * (connector + lora_parameters(lm, rank=_RANK))),
        "activations": _gb(
            parts.columns * lm.layers * activation_bytes(lm, row=sizes.max_positions) + _picture_activations(parts)
        ),
        "words at the end": _gb(parts.columns * lm.vocab * 16 / 2),  # half of the columns are supervised
        "driver and gaps": ALLOWANCE_GB,
    }
    drawing = [one for one in (parts.painter, parts.refiner) if one is not None]
    chat = {
        **frozen,
        "connector": _gb(_SINGLE * connector),
        "cache": _gb(_ROWS * sizes.max_positions * _cache_bytes(lm)),
        "painter": _gb(sum(_KEPT * one.parameters for one in drawing)),
        "painter's decoder": _gb(_SINGLE * _DECODER_MAPS * parts.painter.side**2),
        "driver and gaps": ALLOWANCE_GB,
    }
    teacher: dict[str, float] = {}
    if parts.teacher is not None:
        teacher = {
            "teacher": _gb(_KEPT * parts.teacher.parameters),
            "cache": _gb(_ROWS * _TEACHER_COLUMNS * _cache_bytes(parts.teacher)),
            "driver and gaps": ALLOWANCE_GB,
        }
    fetched = parts.all()
    largest = max((one.file_parameters or one.parameters) * 4 for one in fetched if one is not parts.teacher)
    return Need(
        download=_gb(sum(one.download_bytes for one in fetched)),
        host=_gb(largest) + 4.0,
        training=training,
        chat=chat,
        teacher=teacher,
    )


def work(parts: Parts, *, profile: Profile | None = None, pictures_per_dialogue: int = 3) -> Work:
    """Count the operations of each step with the sizes of a profile; None: profile gpu.

    Args:
        parts: of the model.
        profile: sizes of the run; its longest sequence stands for every dialogue, so stage 2 is an upper bound.
        pictures_per_dialogue: that the tower sees.
    """
    sizes = profile or PROFILES["gpu"]
    q = int(parts.qformer.get("n_queries", 16))
    pictures = sizes.n_captions + sizes.n_simulated * pictures_per_dialogue
    captions = sizes.stage1_steps * sizes.stage1_batch
    dialogues = sizes.stage2_steps * sizes.stage2_batch
    painter, drawn = parts.painter, sizes.n_eval_drawings
    steps = int(parts.painter_settings.get("steps", painter.steps or sizes.painter_steps))
    per_drawing = steps * painter.passes * painter.gflops + painter.decode_gflops
    return Work(
        flops={
            "features of pictures": pictures * parts.tower.gflops * 1e9,
            "stage 1": captions * _column_flops(parts.language, q + CAPTION_COLUMNS),
            "stage 2": dialogues * _column_flops(parts.language, sizes.max_positions),
            "drawings to read back": drawn * per_drawing * 1e9,
        }
    )


def fitting_parts(parts: Parts, *, gpu_gb: float, profile: Profile | None = None) -> Parts:
    """The parts, if a GPU with that much memory can train and run them.

    Args:
        parts: of the model.
        gpu_gb: memory of the GPU in GB; 0: there is none.
        profile: sizes of the run.

    Raises:
        ProfileError: they do not fit; the message names the largest set of the catalogue that does.
    """
    wanted = need(parts, profile=profile).gpu
    if gpu_gb >= wanted:
        return parts
    if not gpu_gb:
        raise ProfileError(
            f"parts {parts.name!r}: need a GPU with {wanted:.0f} GB, this machine has none. "
            "Use profile 'laptop', whose parts are shipped."
        )
    smaller = [name for name, one in sets().items() if need(one, profile=profile).gpu <= gpu_gb]
    remedy = f"Use parts {smaller[-1]!r}." if smaller else "Use profile 'laptop', whose parts are shipped."
    raise ProfileError(
        f"parts {parts.name!r}: need {wanted:.0f} GB of GPU memory, this one has {gpu_gb:.0f} GB. {remedy}"
    )


def lora_parameters(language: Part, *, rank: int) -> int:
    """Numbers in adapters of that rank beside the queries and values of every layer."""
    return language.layers * rank * (3 * language.width + language.kv_width)


def qformer_parameters(
    *, width: int, n_layers: int, n_heads: int, n_queries: int, patches: int, d_vis: int, d_lm: int
) -> int:
    """Numbers in `tbcore.model.connectors.QFormerConnector` of these sizes."""
    attention = 4 * width**2 + 4 * width
    think = 8 * width**2 + 5 * width
    block = 2 * attention + n_heads * n_queries * patches + think + 6 * width
    enter = 2 * d_vis + d_vis * width + width
    return n_queries * width + enter + n_layers * block + 2 * width + width * d_lm + d_lm


def activation_bytes(language: Part, *, row: int) -> int:
    """Bytes that one block of a Llama in bfloat16 keeps per column for its backward pass, without recomputation.

    24 per number of the width (norms and adapters see float32), 6 per number inside the feed-forward net, and the
    mask's 2 per column of the packed row. A test counts what torch really keeps.

    Args:
        language: its sizes.
        row: columns of one packed row.
    """
    return 24 * language.width + 6 * language.inner + 2 * row


def _connector_parameters(parts: Parts) -> int:
    if parts.connector is not None:
        return parts.connector.parameters
    sizes = {"n_queries": 16, "width": 256, "n_layers": 2, "n_heads": 4} | {
        key: int(value) for key, value in parts.qformer.items() if key in ("n_queries", "width", "n_layers", "n_heads")
    }
    tower = parts.tower
    return qformer_parameters(**sizes, patches=tower.patches, d_vis=tower.width, d_lm=parts.language.width)


def _picture_activations(parts: Parts) -> float:
    """Bytes that the connector keeps: per picture and layer, about 20 rows of queries and 2 of patches in float32."""
    q, width = int(parts.qformer.get("n_queries", 16)), int(parts.qformer.get("width", 256))
    pictures = parts.columns / (q + CAPTION_COLUMNS)
    layers = int(parts.qformer.get("n_layers", 2))
    return pictures * layers * _SINGLE * width * (20 * q + 2 * parts.tower.patches)


def _cache_bytes(language: Part) -> int:
    """Keys and values of one column in all layers."""
    return 2 * _HALF * language.layers * language.kv_width


def _column_flops(language: Part, columns: int) -> float:
    """Forwards and back through a frozen language model, for a sequence of so many columns."""
    attention = 4 * language.layers * columns * language.width
    return 2 * columns * (2 * language.parameters + attention)


def _gb(count: float) -> float:
    return count / 1e9
