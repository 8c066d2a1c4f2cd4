"""Vectors on the disk: what was embedded once is never embedded again, even after a kill.

cache/<encoder and preprocessing>/
  about.json           encoder, preprocessing, width
  00000.npy            float16 [m d]
  00000.json           the pixel hashes of its rows, and its SHA-256; a part counts once this file is there
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.data.embed.encoders import Encoder
from tbcore.errors import InputError, ManifestError
from tbcore.store import read_json, sha256_of, write_bytes, write_json

__all__ = ["VectorStore"]

_ROWS = 1 << 14


class VectorStore:
    """Vectors by pixel hash, for one encoder and one way of preparing pictures.

    Args:
        root: several encoders may share it, each has a folder of its own.
        encoder: whose vectors these are.
        preprocessing: how pictures are made before the encoder sees them, such as "square-64".
        part_rows: so many vectors are written at once; a kill loses fewer.

    Raises:
        ManifestError: a part does not fit its own listing.
    """

    def __init__(self, root: Path | str, encoder: Encoder, *, preprocessing: str = "", part_rows: int = 1024) -> None:
        own = str(getattr(encoder, "preprocessing", ""))
        self.about = {"encoder": encoder.name, "preprocessing": "+".join(filter(None, (preprocessing, own)))}
        key = hashlib.sha256(repr(sorted(self.about.items())).encode()).hexdigest()[:16]
        self.folder = Path(root) / key
        self._part_rows = part_rows
        self._places: dict[bytes, tuple[int, int]] = {}
        self._parts: list[int] = []  # rows of each; the files are opened when they are read, and closed again
        self._width = 0
        self._waiting: dict[bytes, NDArray[np.float16]] = {}
        self._open()

    def __contains__(self, image_id: str) -> bool:
        key = _key(image_id)
        return key in self._places or key in self._waiting

    def __len__(self) -> int:
        return len(self._places) + len(self._waiting)

    def add(self, image_ids: Sequence[str], vectors: NDArray[np.float16]) -> None:
        """Take vectors [m d] in; they are on the disk after `flush`, or once enough have come together.

        Raises:
            InputError: ids and vectors differ in number, or the width is another one than before.
        """
        if len(image_ids) != len(vectors) or (self.width and vectors.shape[1] != self.width):
            raise InputError(
                f"{self.folder}: takes one vector of width {self.width or 'any'} per id; got {len(image_ids)} ids and "
                f"{vectors.shape}. Another encoder needs another name."
            )
        self._waiting.update(
            (_key(one), vector.copy()) for one, vector in zip(image_ids, vectors, strict=True) if one not in self
        )
        if len(self._waiting) >= self._part_rows:
            self.flush()

    @property
    def width(self) -> int:
        """Numbers per vector; 0 while there is none."""
        return self._width or len(next(iter(self._waiting.values()), ()))

    def flush(self) -> None:
        """Write what is waiting as one more part, vectors first, then the listing that makes them count."""
        if not self._waiting:
            return
        if not self._parts:
            write_json(self.folder / "about.json", {**self.about, "width": self.width, "dtype": "float16"})
        number = len(self._parts)
        buffer = io.BytesIO()
        np.save(buffer, np.stack(list(self._waiting.values())), allow_pickle=False)
        place = self._place(number)
        write_bytes(place, buffer.getvalue())
        ids = [key.hex() for key in self._waiting]
        write_json(place.with_suffix(".json"), {"sha256": hashlib.sha256(buffer.getvalue()).hexdigest(), "ids": ids})
        self._waiting.clear()
        self._take(number, place, ids)

    def table(self, image_ids: Sequence[str]) -> NDArray[np.float16]:
        """The vectors [n d] of these pictures, in this order.

        Raises:
            InputError: one of them is not stored.
        """
        found = np.empty((len(image_ids), self.width), np.float16)
        wanted: dict[int, list[tuple[int, int]]] = {}
        for row, one in enumerate(image_ids):
            if (at := self._places.get(_key(one))) is not None:
                wanted.setdefault(at[0], []).append((row, at[1]))
            elif (waiting := self._waiting.get(_key(one))) is not None:
                found[row] = waiting
            else:
                raise InputError(f"{self.folder}: no vector of picture {one[:12]!r} is stored. Embed it first.")
        for number, places in wanted.items():
            rows, inside = np.array(places).T
            found[rows] = np.load(self._place(number), allow_pickle=False)[inside]
        return found

    def write(self, image_ids: Iterable[str], path: Path | str) -> dict[str, Any]:
        """Write the vectors of these pictures as `path` (npy, float16 [n d]) with a manifest (`path` + .json).

        Returns:
            The manifest: encoder, preprocessing, rows, width, dtype, hash of the ids in order, hash of the file.
        """
        place, ids = Path(path), list(image_ids)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}.part")
        table = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(len(ids), self.width))
        for start in range(0, len(ids), _ROWS):
            table[start : start + _ROWS] = self.table(ids[start : start + _ROWS])
        table.flush()
        del table
        part.replace(place)
        manifest = {
            **self.about,
            "rows": len(ids),
            "width": self.width,
            "dtype": "float16",
            "ids_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
            "sha256": sha256_of(place),
        }
        write_json(place.with_name(place.name + ".json"), manifest)
        return manifest

    def verify(self) -> None:
        """Read every part and compare it with its SHA-256.

        Raises:
            ManifestError: a part has other bytes than its listing says.
        """
        for number in range(len(self._parts)):
            place = self._place(number)
            if sha256_of(place) != read_json(place.with_suffix(".json"))["sha256"]:
                raise ManifestError(f"{place}: its bytes are not those that were written. Delete {self.folder}.")

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npy"

    def _open(self) -> None:
        for number in range(len(list(self.folder.glob("*.npy")))):
            place = self._place(number)
            # A kill between the two files of a part leaves vectors without a listing; the next part replaces them.
            if not place.with_suffix(".json").is_file():
                return
            self._take(number, place, read_json(place.with_suffix(".json"))["ids"])

    def _take(self, number: int, place: Path, ids: list[str]) -> None:
        part = np.load(place, mmap_mode="r", allow_pickle=False)  # only its header is read
        if part.shape[0] != len(ids) or part.dtype != np.float16:
            raise ManifestError(
                f"{place}: must hold {len(ids)} float16 vectors as its listing says; got {part.shape} {part.dtype}. "
                f"Delete {self.folder}."
            )
        self._parts.append(len(ids))
        self._width = part.shape[1]
        self._places.update((_key(one), (number, row)) for row, one in enumerate(ids))


def _key(image_id: str) -> bytes:
    # Half the memory of the text, for tables of millions.
    return bytes.fromhex(image_id)
