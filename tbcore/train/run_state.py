"""A pre-training run on disk: everything needed to go on after a kill, in safetensors and JSON, never pickle."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tbcore.errors import CheckpointError
from tbcore.store import write_bytes

__all__ = ["Resumable", "go_on", "load_run", "parts_of", "restore", "save_run", "saved_run"]

log = logging.getLogger(__name__)

_TENSORS, _NUMBERS = "state.safetensors", "state.json"


def parts_of(prefix: str, tensors: Mapping[str, Tensor] | Iterable[Tensor]) -> dict[str, Tensor]:
    """Name tensors for `save_run`: `prefix/key`, or `prefix/0`, `prefix/1` and so on."""
    named = tensors.items() if isinstance(tensors, Mapping) else enumerate(tensors)
    return {f"{prefix}/{key}": tensor.detach() for key, tensor in named}


def saved_run(folder: Path) -> bool:
    """Whether a run was saved there."""
    return (folder / _NUMBERS).is_file()


def save_run(
    folder: Path,
    *,
    tensors: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    number: int,
    settings: Mapping[str, object],
) -> None:
    """Write a run: the numbers last, so that a kill in between leaves the older run or none.

    Args:
        folder: made when missing.
        tensors: weights, averages, heads, by name.
        optimizers: whose states are kept.
        number: updates done.
        settings: what the run was started with; `load_run` refuses others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = dict(tensors)
    for which, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            kept |= {f"optimizer/{which}/{index}/{key}": torch.as_tensor(value) for key, value in state.items()}
    name = f"{number}.{_TENSORS}"
    unfinished = folder / f"{name}.part"  # the same number may be saved twice: never write over what is referred to
    save_file({key: value.contiguous().clone() for key, value in kept.items()}, unfinished)
    unfinished.replace(folder / name)
    listing = {"number": number, "tensors": name, "settings": dict(settings)}
    write_bytes(folder / _NUMBERS, (json.dumps(listing, indent=1) + "\n").encode())
    for old in folder.glob(f"*.{_TENSORS}"):
        if old.name != name:
            old.unlink()


def load_run(
    folder: Path, *, optimizers: Sequence[torch.optim.Optimizer], settings: Mapping[str, object]
) -> tuple[int, dict[str, Tensor]]:
    """Read what `save_run` wrote; the optimizers take up their states.

    Returns:
        The number of updates done, and the tensors by name.

    Raises:
        CheckpointError: the run was started with other settings.
    """
    listing = json.loads((folder / _NUMBERS).read_text(encoding="utf-8"))
    started: dict[str, object] = listing["settings"]
    other = {key: started.get(key) for key, value in settings.items() if started.get(key) != value}
    if other:
        raise CheckpointError(f"{folder}: this run was started with {other}; give the same, or name another folder")
    tensors = load_file(folder / listing["tensors"])
    for which, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        prefix = f"optimizer/{which}/"
        for name in [name for name in tensors if name.startswith(prefix)]:
            index, key = name.removeprefix(prefix).split("/")
            state.setdefault(int(index), {})[key] = tensors.pop(name)
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return listing["number"], tensors


class Resumable(Protocol):
    """A training that can be saved and gone on with."""

    number: int

    def load(self, folder: Path) -> None:
        """Take up what was saved there."""
        ...


def go_on(training: Resumable, folder: Path) -> None:
    """Take up the run that was saved in `folder`, if one was; says so in the log."""
    if saved_run(folder):
        training.load(folder)
        log.info("going on after %d updates", training.number)


def restore(module: nn.Module, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    """Load a module from the tensors that `parts_of(prefix, module.state_dict())` named."""
    start = f"{prefix}/"
    module.load_state_dict({key.removeprefix(start): one for key, one in tensors.items() if key.startswith(start)})
