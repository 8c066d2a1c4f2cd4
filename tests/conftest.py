"""Every test lives in a temporary home and without a network; notebooks chains come last."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tbcore.records import Dialogue, Picture, Turn

os.environ.setdefault("OMP_NUM_THREADS", "1")

# A computer that is busy with other things takes long for an example: that is no finding. The same examples each time,
# so that a change is to blame for what fails; `pytest --hypothesis-profile=explore` looks for new ones.
_SLOW_IS_FINE = (HealthCheck.too_slow,)
settings.register_profile("steady", deadline=None, derandomize=True, database=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("explore", deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile("steady")

_LOOPBACK = ("127.", "localhost", "::1", "0.0.0.0")


class NetworkForbiddenError(RuntimeError):
    """A test reached for another computer."""


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory):
    """One empty home for the session: nothing of the developer's is read or written."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in ("HOME", "USERPROFILE"):
        patch.setenv(name, str(home))
    for name in ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "IPYTHONDIR"):
        patch.setenv(name, str(home / name.lower()))
    if "TBCORE_CACHE" not in os.environ:
        patch.setenv("TBCORE_CACHE", str(home / "tbcore"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TBCORE_COURSE", "TBCORE_EDITION"):
        patch.delenv(name, raising=False)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        patch.setenv(name, "1")
    yield home
    patch.undo()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Sockets reach this computer only."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK):
            raise NetworkForbiddenError(f"a test tried to reach {address!r}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


_CHOSEN = {
    "browser": "drives a real browser; `make test-browser` runs it",
    "long": 'takes minutes; `make test ARGS="-- -m long"` runs it',
}


def pytest_collection_modifyitems(config, items):
    """Quick tests first, whole notebooks last; what must be chosen is left out unless -m names it."""
    for marker, reason in _CHOSEN.items():
        if marker not in (config.option.markexpr or ""):
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: item.get_closest_marker("chain") is not None)


@pytest.fixture(scope="module")
def tiny():
    """A random model with its processor; tests leave it as it is."""
    from tbcore.model.tiny import tiny_model  # torch is loaded by the tests that need it, not by all

    return tiny_model()


@pytest.fixture
def pictures():
    """Six different pictures."""
    return np.random.default_rng(5).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def story():
    """One picture from the user, then three drawn in two replies."""
    return Dialogue(
        "story",
        (
            Turn("user", (Picture(0), "who is it?")),
            Turn("assistant", ("a cat", Picture(1), "and", Picture(2))),
            Turn("user", ("more",)),
            Turn("assistant", (Picture(3), "bye")),
        ),
        ("a dog", "a red cat", "two", "a boat"),
    )
