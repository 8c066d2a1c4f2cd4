"""The conversations that several tests of the bench hold."""

from __future__ import annotations

import pytest

from tbcore.bench.items import load_items


@pytest.fixture(scope="module")
def items():
    return load_items("lite")


@pytest.fixture(scope="module")
def few(items):
    """Ten conversations with everything in them, 20 to 40 replies."""
    return [*items[:3], *(i for i in items if i.split == "reference" and len(i.exchanges) < 5)][:8] + items[-2:]
