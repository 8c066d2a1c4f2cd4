"""A model that says what a test wants it to say."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def follow(monkeypatch):
    """Make replies follow a text: '<' and '>' are the control tokens, '$' ends; one dialogue.

    What the model's states were at each token is returned in a list that fills as it writes.
    """

    def script(model, processor, text):
        layout, states = processor.layout, []
        marks = {"<": layout.start_id, ">": layout.end_id, "$": layout.text.format.stop}
        ids = iter([marks[c] if c in marks else layout.text._encode(c)[0] for c in text])

        def logits(hidden):
            states.append(hidden.clone())
            wanted = torch.zeros(len(hidden), processor.vocab_size + 3)
            for row in range(len(hidden)):
                wanted[row, next(ids)] = 10.0
            return wanted

        monkeypatch.setattr(model.language, "logits", logits)
        return states

    return script
