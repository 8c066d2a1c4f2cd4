"""What must load without torch does; the import contracts themselves are checked by `make lint`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tbcore.course.places import project_root

LIGHT = (
    "tbcore",
    "tbcore.records",
    "tbcore.dialogue",
    "tbcore.errors",
    "tbcore.seeds",
    "tbcore.store",
    "tbcore.manifest",
    "tbcore.profiles",
    "tbcore.chat",
    "tbcore.ledger",
    "tbcore.data.prompt",
    "tbcore.data.filter",
    "tbcore.world.scenes",
    "tbcore.world.captions",
    "tbcore.world.render",
    "tbcore.course.lesson",
    "tbcore.course.checks",
)
HEAVY = ("torch", "open_clip", "transformers", "diffusers", "openai", "ipywidgets", "matplotlib", "sklearn", "umap")


@pytest.mark.parametrize("module", LIGHT)
def test_importing_loads_nothing_heavy(module):
    if module != "tbcore" and importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} does not exist")
    probe = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=project_root(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
