"""How large a run is. One code path serves every size: a notebook reads numbers from its profile.

smoke    proves that everything works: seconds per notebook, results mean nothing
laptop   the course: two cores, 25 minutes, 6 GB, no GPU
gpu      the same with more of everything, on a GPU; its parts are named in tbcore/parts/catalogue.toml
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tbcore.errors import ProfileError

__all__ = ["PROFILES", "Profile", "fitting", "named"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The sizes of one run. Counts are whole records or optimiser steps; memory is in GB.

    Args:
        needs_gb: memory the machine must have in all.
        n_pairs: picture-caption pairs that notebook 01 embeds.
        k_min: smallest number of clusters tried.
        k_max: largest number of clusters tried.
        n_picture_sets: topic-aware sets sampled in notebook 01.
        n_local_prompts: prompts the small language model answers in process in notebook 03.
        n_simulated: simulated dialogues to train on.
        n_captions: extra caption pairs to align on.
        prealign_steps: updates of the connector before the language model runs.
        stage1_steps: updates of stage 1 (alignment through the language model).
        stage2_steps: updates of stage 2 (instruction following, LoRA).
        prealign_seconds: a stage also ends after this time; None: never.
        stage1_seconds: as above.
        stage2_seconds: as above.
        prealign_batch: captions per update.
        stage1_batch: captions per update.
        stage2_batch: dialogues per update.
        max_positions: longest packed sequence, in positions.
        n_eval_pictures: held-out pictures described for the scores.
        n_eval_turns: held-out turns for talk-or-draw.
        n_eval_drawings: drawn pictures read back.
        max_new_tokens: limit of one reply, captions included.
        max_pictures: pictures the model may draw in one reply.
        painter_steps: denoising steps per picture.
    """

    name: str
    needs_gb: float
    n_pairs: int
    k_min: int
    k_max: int
    n_picture_sets: int
    n_local_prompts: int
    n_simulated: int
    n_captions: int
    prealign_steps: int
    stage1_steps: int
    stage2_steps: int
    prealign_seconds: float | None
    stage1_seconds: float | None
    stage2_seconds: float | None
    prealign_batch: int
    stage1_batch: int
    stage2_batch: int
    max_positions: int
    n_eval_pictures: int
    n_eval_turns: int
    n_eval_drawings: int
    max_new_tokens: int
    max_pictures: int
    painter_steps: int

    def __post_init__(self) -> None:
        if not 2 <= self.k_min <= self.k_max < self.n_pairs:
            raise ProfileError(
                f"profile {self.name!r}: needs 2 <= k_min <= k_max < n_pairs; "
                f"got k_min={self.k_min}, k_max={self.k_max}, n_pairs={self.n_pairs}"
            )

    def to_json(self) -> dict[str, Any]:
        """The sizes by name; part of what a step's files depend on."""
        return asdict(self)


_SMOKE = Profile(
    name="smoke",
    needs_gb=3.5,
    n_pairs=160,
    k_min=4,
    k_max=10,
    n_picture_sets=12,
    n_local_prompts=1,
    n_simulated=64,
    n_captions=64,
    prealign_steps=4,
    stage1_steps=2,
    stage2_steps=2,
    prealign_seconds=None,
    stage1_seconds=None,
    stage2_seconds=None,
    prealign_batch=16,
    stage1_batch=8,
    stage2_batch=2,
    max_positions=384,
    n_eval_pictures=8,
    n_eval_turns=8,
    n_eval_drawings=2,
    max_new_tokens=24,
    max_pictures=1,
    painter_steps=2,
)

_LAPTOP = Profile(
    name="laptop",
    needs_gb=6.0,
    n_pairs=2000,
    k_min=4,
    k_max=14,
    n_picture_sets=200,
    n_local_prompts=2,
    n_simulated=2000,
    n_captions=12000,
    prealign_steps=100,
    stage1_steps=40,
    stage2_steps=360,
    prealign_seconds=None,
    stage1_seconds=None,
    stage2_seconds=None,
    prealign_batch=128,
    stage1_batch=20,
    stage2_batch=4,
    max_positions=512,
    n_eval_pictures=200,
    n_eval_turns=200,
    n_eval_drawings=64,
    max_new_tokens=64,
    max_pictures=2,
    painter_steps=16,
)

_GPU = Profile(
    name="gpu",
    needs_gb=16.0,
    n_pairs=20000,
    k_min=4,
    k_max=24,
    n_picture_sets=2000,
    n_local_prompts=8,
    n_simulated=60000,
    n_captions=100000,
    prealign_steps=20000,
    stage1_steps=10000,
    stage2_steps=10000,
    prealign_seconds=None,
    stage1_seconds=None,
    stage2_seconds=None,
    prealign_batch=256,
    stage1_batch=128,
    stage2_batch=32,
    max_positions=1024,
    n_eval_pictures=1000,
    n_eval_turns=1000,
    n_eval_drawings=400,
    max_new_tokens=256,
    max_pictures=4,
    painter_steps=40,
)

# GB of the smallest GPU that the profile is meant for; apart from `Profile`, whose fields name what a step computes.
_GPU_GB = {"gpu": 8.0}

# Smallest first: a profile that does not fit names the one before it.
PROFILES: dict[str, Profile] = {one.name: one for one in (_SMOKE, _LAPTOP, _GPU)}


def named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ProfileError: there is none.
    """
    if name not in PROFILES:
        raise ProfileError(f"profile {name!r}: unknown. Use one of {', '.join(PROFILES)}.")
    return PROFILES[name]


def fitting(name: str, *, memory_gb: float, gpu_gb: float | None = None) -> Profile:
    """The profile of that name, if a machine with that much memory can run it.

    Args:
        name: one of `PROFILES`.
        memory_gb: memory of the machine, in GB.
        gpu_gb: memory of its GPU, in GB; 0: it has none; None: that is not looked at.

    Raises:
        ProfileError: unknown, or too large; the message names the largest profile that fits.
    """
    wanted = named(name)
    lacks = _lacks(wanted, memory_gb, gpu_gb)
    if not lacks:
        return wanted
    smaller = [one.name for one in PROFILES.values() if not _lacks(one, memory_gb, gpu_gb)]
    remedy = f"Use profile {smaller[-1]!r}." if smaller else "No profile fits; free memory or use another machine."
    raise ProfileError(f"profile {name!r}: needs {lacks}. {remedy}")


def _lacks(one: Profile, memory_gb: float, gpu_gb: float | None) -> str:
    """What the profile needs and the machine has not; empty where it has all."""
    if one.needs_gb > memory_gb:
        return f"{one.needs_gb:g} GB of memory, this machine has {memory_gb:.1f} GB"
    wanted = _GPU_GB.get(one.name, 0.0)
    if gpu_gb is None or gpu_gb >= wanted:
        return ""
    has = f"one with {gpu_gb:.1f} GB" if gpu_gb else "none"
    return f"a GPU with {wanted:g} GB, this machine has {has}"
