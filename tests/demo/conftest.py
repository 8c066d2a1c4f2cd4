"""Tests in a real browser are chosen with `-m browser`; the default run leaves them out."""

from __future__ import annotations

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: drives Chromium against JupyterLab and Voila (pytest -m browser)")


def pytest_collection_modifyitems(config, items):
    if "browser" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="needs a browser; choose it with -m browser"))
