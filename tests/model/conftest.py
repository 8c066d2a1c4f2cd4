"""Small models and dialogues that the tests of model and training share."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn


@pytest.fixture(scope="module")
def tiny():
    """A random model with its processor; tests leave it as it is."""
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
