"""What must load without torch does; the import contracts themselves are checked by `make lint`."""

from __future__ import annotations

import json
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
    "tbcore.parts.catalogue",
    "tbcore.parts.cost",
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

PROBE = """
import importlib, json, sys
light, heavy = json.loads(sys.argv[1])
found = {}
for name in light:
    importlib.import_module(name)
    found[name] = [one for one in heavy if one in sys.modules]
    if found[name]:
        break
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded():
    """What a fresh process has loaded after importing each module, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([LIGHT, HEAVY])],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_loads_nothing_heavy(loaded, module):
    if module not in loaded:
        pytest.fail(f"not reached: {list(loaded)[-1]} already loaded {list(loaded.values())[-1]}")
    assert loaded[module] == []
