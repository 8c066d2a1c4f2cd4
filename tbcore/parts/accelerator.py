"""The GPU of this machine, if it has one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Accelerator", "accelerator"]


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Where torch can compute besides the processor.

    Args:
        device: as torch calls it: "cuda", "mps", or "cpu" where there is none.
        name: of the hardware.
        memory_gb: its own memory in GB; 0 where there is none. Apple's shares the machine's.
    """

    device: str
    name: str
    memory_gb: float

    def __bool__(self) -> bool:
        return self.device != "cpu"


def accelerator() -> Accelerator:
    """Ask torch for the first GPU."""
    import torch

    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(0)
        return Accelerator("cuda", str(found.name), found.total_memory / 1e9)
    if torch.backends.mps.is_available():
        import psutil

        return Accelerator("mps", "Apple GPU", psutil.virtual_memory().total / 1e9)
    return Accelerator("cpu", "none", 0.0)
