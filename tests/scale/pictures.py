"""A folder of small pictures that all differ, one file that is none, and one row that comes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tbcore.seeds import stream
from tbcore.store import pixel_hash


def write_pictures(folder: Path, n: int) -> list[dict[str, Any]]:
    folder.mkdir()
    rng = stream(0, "pictures")
    rows = []
    for number in range(n):
        pixels = np.kron(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append({"id": pixel_hash(pixels), "picture": f"{number}.png"})
    (folder / "bad.png").write_bytes(b"no picture")
    return [*rows[:5], {"id": "0" * 64, "picture": "bad.png"}, *rows[5:], rows[2]]
