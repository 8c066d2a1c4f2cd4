"""The surroundings a notebook's process starts with: threads, no network, no telemetry, the right package."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from tbcore.course.checks import EDITION_VARIABLE
from tbcore.course.places import COURSE_VARIABLE, Course, project_root

__all__ = ["OFFLINE", "cores", "prepared"]

# The default path needs nothing from outside; these make sure that no library tries.
OFFLINE = {
    "DIFFUSERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # Threads that wait asleep: on a busy machine, spinning ones keep each other from the cores and slow torch tenfold.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def prepared(course: Course, edition: str) -> Iterator[None]:
    """Set the environment for the notebooks' processes, and put it back afterwards.

    Threads are set only where the user has not chosen.
    """
    path = os.pathsep.join(filter(None, (str(project_root()), os.environ.get("PYTHONPATH"))))
    wanted = {
        **OFFLINE,
        COURSE_VARIABLE: str(course.notebooks),
        EDITION_VARIABLE: edition,
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": path,
        "TOKENIZERS_PARALLELISM": "false",
        **{name: os.environ.get(name, str(cores())) for name in _THREADS},
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
