from __future__ import annotations

import pytest

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.store import write_json
from tbcore.train.build import load_model


def test_no_checkpoint_is_said_plainly_with_what_to_do(tmp_path):
    with pytest.raises(MissingFileError, match=r"mim.json: there is no checkpoint here. Train a model first"):
        load_model(tmp_path)


@pytest.mark.parametrize("value", [[], {}, {"config": 3}])
def test_a_damaged_checkpoint_is_refused_before_anything_large_is_loaded(tmp_path, value):
    write_json(tmp_path / "mim.json", value)
    with pytest.raises(CheckpointError, match="must hold a JSON object with the field 'config'"):
        load_model(tmp_path)
