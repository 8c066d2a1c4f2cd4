"""What the doctor looks at for profile gpu: which parts would be fetched, under which licence, and whether they fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from tbcore.course.doctor_looks import Finding
from tbcore.errors import ProfileError
from tbcore.parts.accelerator import Accelerator, accelerator
from tbcore.parts.catalogue import Part, Parts, gpus, named_parts, read_parts, sets
from tbcore.parts.cost import UTILISATION, fitting_parts, need, work

__all__ = ["chosen_parts", "part_looks"]


def chosen_parts(name: Path | str | None) -> Parts:
    """The set of that name, or what a parts file says; None: the set called "gpu".

    Raises:
        InputError, MissingFileError: it is neither, or cannot be read.
    """
    if name is None:
        return named_parts("gpu")
    return named_parts(str(name)) if str(name) in sets() else read_parts(name)


def part_looks(parts: Parts, *, found: Accelerator | None = None) -> list[Finding]:
    """One finding per part, then the download, the GPU, the memory and the hours.

    Args:
        parts: of the model.
        found: the GPU; None: this machine's.
    """
    return [
        *(_part(one) for one in parts.all()),
        _download(parts),
        _gpu(parts, accelerator() if found is None else found),
        _host(parts),
        _hours(parts),
    ]


def _part(part: Part) -> Finding:
    if part.here:
        told = f"{part.name}, {part.parameters / 1e6:,.0f} M numbers, lies here"
        return Finding(matter=part.port, found=told)
    told = f"{part.name}, {part.licence}, {part.download_bytes / 1e9:.1f} GB to fetch"
    remedy = ""
    if part.gated and not os.environ.get("HF_TOKEN"):
        remedy = "Accept its terms on huggingface.co, then set HF_TOKEN; without that it cannot be fetched."
    return Finding(matter=part.port, found=told, remedy=remedy, must=False)


def _download(parts: Parts) -> Finding:
    wanted = need(parts).download
    free = shutil.disk_usage(Path.home()).free / 1e9
    remedy = "" if free > wanted else f"Free {wanted - free:.0f} GB, or point HF_HOME at a larger disk."
    return Finding(matter="download", found=f"{wanted:.1f} GB in all, {free:.0f} GB free at home", remedy=remedy)


def _gpu(parts: Parts, have: Accelerator) -> Finding:
    wanted = need(parts)
    sums = {name: sum(getattr(wanted, name).values()) for name in ("training", "chat", "teacher")}
    told = ", ".join(f"{name} {gb:.0f}" for name, gb in sums.items() if gb)
    told = f"{have.name}, {have.memory_gb:.0f} GB; counted need in GB: {told}"
    try:
        fitting_parts(parts, gpu_gb=have.memory_gb)
    except ProfileError as error:
        return Finding(matter="GPU", found=told, remedy=str(error))
    return Finding(matter="GPU", found=told)


def _host(parts: Parts) -> Finding:
    wanted, have = need(parts).host, psutil.virtual_memory().available / 1e9
    remedy = "" if have >= wanted else "Loading passes through the machine's memory: free some, or take smaller parts."
    return Finding(matter="loading", found=f"wants {wanted:.0f} GB of memory, {have:.0f} GB free", remedy=remedy)


def _hours(parts: Parts) -> Finding:
    counted = work(parts)
    large = [gpu for gpu in gpus().values() if gpu.memory_gb >= need(parts).gpu]
    told = ", ".join(f"{gpu.name} {sum(counted.hours(gpu).values()):.0f} h" for gpu in large)
    note = f"counted at {UTILISATION:.0%} of the vendors' figures, not run"
    return Finding(matter="hours", found=f"{told or 'no GPU of the list'} for the whole profile ({note})")
