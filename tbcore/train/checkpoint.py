"""Checkpoints: a small delta beside the frozen parts, and the state that lets training resume. No pickle anywhere."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.config import MIMConfig
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.store import read_json, write_json

__all__ = [
    "delta_tensors",
    "frozen_hashes",
    "gathered",
    "load_delta",
    "load_state",
    "recover",
    "save_delta",
    "save_state",
    "tensor_hash",
    "whole",
]

DELTA, CONFIG, STATE = "delta.safetensors", "mim.json", "state"
_RANDOM, _WEIGHT = "|generator|", "weight"


def whole(value: Tensor) -> Tensor:
    """A tensor in one piece: where processes hold a part each, every one of them must ask, and all get all of it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def gathered(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """Every tensor whole and on the CPU, one after the other; where `keep` is False they are asked for and let go.

    All processes must name the same ones, for each gives its part. One that will not write them should not keep them.
    """
    kept: dict[str, Tensor] = {}
    for name, value in tensors.items():
        piece = whole(value.detach())
        if keep:
            kept[name] = piece.cpu().contiguous()
    return kept


def _parted(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor as `like` is held: on its device, and in parts where that is."""
    if isinstance(like, DTensor):
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
    return value.to(like.device)


def tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values. Values count as bfloat16, so the precision a model runs in does not."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = whole(tensors[name].detach()).cpu()
        rounded = value.to(torch.bfloat16).contiguous().view(torch.int16) if value.is_floating_point() else value
        digest.update(f"{name}{list(value.shape)}".encode())
        digest.update(rounded.contiguous().numpy().tobytes())
    return digest.hexdigest()


def delta_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What stage 1 and 2 can change: connector, rows of the control tokens, low-rank adapters."""
    return {
        name: whole(value.detach()).cpu().contiguous() for name, value in model.state_dict().items() if _in_delta(name)
    }


def _in_delta(name: str) -> bool:
    return name.startswith("connector.") or name == "language.control" or "lora_" in name


def frozen_hashes(model: MIMForConditionalGeneration) -> dict[str, str]:
    """SHA-256 of the parts that a delta stands on, by name: "vision" and "language"."""
    language = {
        name.replace(".base_layer.", "."): value
        for name, value in model.language.inner.state_dict().items()
        if "lora_" not in name
    }
    return {"vision": tensor_hash(model.vision.state_dict()), "language": tensor_hash(language)}


def save_delta(
    model: MIMForConditionalGeneration,
    folder: Path | str,
    *,
    notes: Mapping[str, Any] | None = None,
    writes: bool = True,
) -> Path:
    """Write what was learned, the config, and the hashes of the frozen parts; whole or not at all.

    Args:
        model: what was trained.
        folder: made, or replaced.
        notes: whatever should be remembered with it, as JSON.
        writes: False for all but one of several processes; they only give what they hold of the model.
    """
    fill = _delta_writer(model, notes or {})
    return _whole(Path(folder), fill) if writes else Path(folder)


def _delta_writer(model: MIMForConditionalGeneration, notes: Mapping[str, Any]) -> Callable[[Path], None]:
    if model.config.parts is None:
        model.config.parts = frozen_hashes(model)
    kept = delta_tensors(model)

    def fill(folder: Path) -> None:
        save_file(kept, folder / DELTA)
        write_json(folder / CONFIG, {"config": model.config.to_dict(), "notes": dict(notes)})

    return fill


def load_delta(model: MIMForConditionalGeneration, folder: Path | str) -> dict[str, Any]:
    """Put a delta onto a model of the same frozen parts; adds adapters and slices the head as it was saved.

    Args:
        model: changed in place, freshly built.
        folder: written by `save_delta`.

    Returns:
        The notes saved with it.

    Raises:
        MissingFileError: the folder holds no delta.
        CheckpointError: frozen parts differ, or a tensor is missing, too many, or of another shape.
    """
    place = Path(folder)
    for name in (DELTA, CONFIG):
        if not (place / name).is_file():
            raise MissingFileError(f"checkpoint {place}: {name} is missing. Run the training notebook (06) first.")
    saved = _object(place / CONFIG)
    config = MIMConfig(**{key: value for key, value in saved["config"].items() if key != "model_type"})
    _compare_parts(place, config.parts or {}, frozen_hashes(model))
    if config.history != model.config.history:
        raise CheckpointError(
            f"checkpoint {place}: it was trained with history {config.history!r}, the model has "
            f"{model.config.history!r}. Build the model with the checkpoint's."
        )
    if config.lora is not None and model.config.lora is None:
        lora = config.lora
        model.add_lora(rank=lora["rank"], alpha=lora["alpha"], targets=tuple(lora["targets"]))
    tensors = _read(place / DELTA)
    _compare_shapes(place, found=tensors, wanted=delta_tensors(model))
    here = model.state_dict()
    parted = {name: _parted(value, here[name]) for name, value in tensors.items()}
    model.load_state_dict(parted, strict=False)  # strict by the comparison above; the frozen parts are not in it
    model.slice_head(None if config.kept_ids is None else set(config.kept_ids))
    return dict(saved["notes"])


def save_state(
    folder: Path | str,
    model: MIMForConditionalGeneration,
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
    *,
    beyond_delta: bool = False,
    writes: bool = True,
) -> None:
    """Write everything a resumed run needs: the delta, the optimizer's and the generators' states, and facts as JSON.

    Args:
        folder: made, or replaced.
        model: what is trained.
        optimizer: of the run.
        facts: to be remembered, as JSON.
        beyond_delta: also write what learns and is no part of a delta, such as a whole language model.
        writes: False for all but one of several processes; see `save_delta`.

    Raises:
        CheckpointError: something learns that a delta does not hold, and `beyond_delta` is not set.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    beyond = [parameter for parameter in learning if not _in_delta(names[id(parameter)])]
    if beyond and not beyond_delta:
        raise CheckpointError(
            f"checkpoint {folder}: {names[id(beyond[0])]!r} learns, but a delta holds connector, control tokens and "
            "adapters only. Save such a model whole: model.save_pretrained(folder)."
        )
    parts = {f"{names[id(one)]}|{_WEIGHT}": one for one in beyond} | {
        f"{names[id(parameter)]}|{key}": value
        for parameter, entry in optimizer.state.items()
        for key, value in entry.items()
    }
    tensors = gathered(parts, keep=writes) | _generators()
    write_delta = _delta_writer(model, {"training": dict(facts)})

    def fill(fresh: Path) -> None:
        write_delta(fresh)
        save_file(tensors, fresh / f"{STATE}.safetensors")
        write_json(fresh / f"{STATE}.json", dict(facts))

    if writes:
        _whole(Path(folder), fill)


def recover(folder: Path | str) -> None:
    """Put back the older of two checkpoints where a kill came between moving it away and moving in the newer."""
    place = Path(folder)
    old = _older(place)
    if not place.exists() and old.is_dir():
        old.rename(place)


def load_state(
    folder: Path | str, model: MIMForConditionalGeneration, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Take up a run where `save_state` left it; returns the facts.

    Raises:
        MissingFileError, CheckpointError: as `load_delta`; or the optimizer's tensors do not fit what learns.
    """
    place = Path(folder)
    if not (place / f"{STATE}.json").is_file():
        raise MissingFileError(f"checkpoint {place}: {STATE}.json is missing, so there is no run to resume.")
    load_delta(model, place)
    saved = _read(place / f"{STATE}.safetensors")
    _set_generators(saved)
    learning = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter not in learning:
            continue
        entry = {key: saved[f"{name}|{key}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"{name}|{key}" in saved}
        if entry and (len(entry) != 3 or entry["exp_avg"].shape != parameter.shape):
            raise CheckpointError(
                f"checkpoint {place}: the optimizer's memory of {name!r} has shape "
                f"{list(entry['exp_avg'].shape) if 'exp_avg' in entry else 'none'}, wanted {list(parameter.shape)}. "
                "Delete the folder to start afresh."
            )
        if entry:
            optimizer.state[parameter] = {
                key: _parted(value, parameter) if key != "step" else value for key, value in entry.items()
            }
        if (learned := saved.get(f"{name}|{_WEIGHT}")) is not None:
            with torch.no_grad():
                parameter.copy_(_parted(learned, parameter))
    return _object(place / f"{STATE}.json")


def _generators() -> dict[str, Tensor]:
    """The states of torch's own generators, for whatever a model draws from them."""
    states = {f"{_RANDOM}cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"{_RANDOM}{k}": state for k, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _set_generators(saved: Mapping[str, Tensor]) -> None:
    for name, state in saved.items():
        if name == f"{_RANDOM}cpu":
            torch.set_rng_state(state)
        elif name.startswith(_RANDOM) and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.removeprefix(_RANDOM)))


def _compare_parts(place: Path, wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    for part, digest in wanted.items():
        if found.get(part) != digest:
            raise CheckpointError(
                f"checkpoint {place}: it was trained on another {part} part (SHA-256 {digest[:12]}, here "
                f"{str(found.get(part))[:12]}). Load the part it names, or train again."
            )


def _compare_shapes(place: Path, *, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for name in sorted(set(found) | set(wanted)):
        shapes = [list(side[name].shape) if name in side else "missing" for side in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"checkpoint {place}: tensor {name!r} has shape {shapes[0]}, wanted {shapes[1]}. "
                "Build the model with the settings it was trained with, or train again."
            )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except Exception as error:
        raise CheckpointError(f"checkpoint {path}: cannot be read ({error}). Train again.") from error


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"checkpoint {path}: must hold a JSON object. Train again.")
    return value


def _whole(place: Path, fill: Callable[[Path], None]) -> Path:
    """Write a folder whole or not at all; an older one is out of the way for a moment only."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        fill(fresh)
        if place.exists():
            old = _older(place)
            shutil.rmtree(old, ignore_errors=True)
            place.rename(old)
            fresh.rename(place)
            shutil.rmtree(old)
        else:
            fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def _older(place: Path) -> Path:
    return place.with_name(f".{place.name}-old")
