"""Training data on disk: webdataset shards with an index, read by number, so any process can begin at any place.

    shards/
      shards.json   how many dialogues each shard holds, its bytes, its SHA-256
      00000.tar     00000000.json  00000000.0.png  00000000.1.png  00000001.json ...

The tar files are those of `tbcore.data.export.write_webdataset`, and the webdataset library streams them as they are.
Training asks for more: the dialogue that is due at step 5,017 for process 3 of 8, without the 5,016 steps before it.
A plain tar file allows that, because each member lies in one piece and its head says where the next begins.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.data.export import write_webdataset
from tbcore.errors import InputError, MissingFileError
from tbcore.records import Dialogue
from tbcore.seeds import stream
from tbcore.store import read_json, sha256_of, write_json

__all__ = ["INDEX", "Order", "Shard", "TrainingShards", "write_training_shards"]

INDEX = "shards.json"
_KEPT_OPEN = 64
_Member = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar file of the index.

    Attributes:
        name: of the file, without a folder.
        dialogues: how many it holds.
        size: in bytes.
        sha256: of the file.
    """

    name: str
    dialogues: int
    size: int
    sha256: str


def write_training_shards(
    folder: Path | str, dialogues: Iterable[Dialogue], root: Path | str | None = None, *, per_shard: int = 1000
) -> TrainingShards:
    """Write dialogues with their pictures as shards, and the index last: a folder without an index is unfinished.

    Args:
        folder: of the shards; must hold no others.
        dialogues: the records, one at a time: memory does not grow with their number.
        root: the folder of their pictures; None where no dialogue shows one.
        per_shard: dialogues in each shard but the last.

    Raises:
        InputError: there is nothing to write, `per_shard` is below 1, or a picture cannot be read.
    """
    place, count = Path(folder), 0

    def counted() -> Iterator[Dialogue]:
        nonlocal count
        for one in dialogues:
            count += 1
            yield one

    (place / INDEX).unlink(missing_ok=True)
    paths = write_webdataset(place, counted(), root, per_shard=per_shard)
    if not paths:
        raise InputError(f"training shards {place}: there is no dialogue to write. Export some first.")
    shards = [
        Shard(path.name, min(per_shard, count - number * per_shard), path.stat().st_size, sha256_of(path))
        for number, path in enumerate(paths)
    ]
    write_json(place / INDEX, {"version": 1, "shards": [asdict(shard) for shard in shards]})
    return TrainingShards(place)


class TrainingShards:
    """Dialogues in shards, read by the number of the shard and the place in it.

    Args:
        folder: written by `write_training_shards`. Every process reads the same one: a local copy, or a shared disk.

    Raises:
        MissingFileError: there is no index.
        InputError: the index cannot be understood.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / INDEX
        if not path.is_file():
            raise MissingFileError(
                f"training shards {self.folder}: {INDEX} is missing. Write them with "
                "tbcore.scale.training_shards.write_training_shards."
            )
        self.shards = _shards(path, read_json(path))
        self._members: OrderedDict[int, list[dict[str, _Member]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Dialogues in each shard."""
        return tuple(shard.dialogues for shard in self.shards)

    @property
    def digest(self) -> str:
        """SHA-256 of what the shards hold, by their own hashes."""
        return hashlib.sha256("\n".join(shard.sha256 for shard in self.shards).encode()).hexdigest()

    def read(self, shard: int, place: int) -> tuple[Dialogue, list[bytes]]:
        """One dialogue, and the bytes of its pictures in order of index.

        Raises:
            MissingFileError: the shard is not there.
            InputError: the shard is not the one of the index, or the dialogue lacks a picture.
        """
        path = self.folder / self.shards[shard].name
        members = self._index(shard)[place]
        with path.open("rb") as file:
            parts = {ending: _read(file, where) for ending, where in members.items()}
        dialogue = Dialogue.from_json(json.loads(parts.pop("json")))
        pictures = {int(ending.partition(".")[0]): content for ending, content in parts.items()}
        if sorted(pictures) != list(range(len(dialogue.captions))):
            raise InputError(
                f"{path}: dialogue {dialogue.id!r} has {len(dialogue.captions)} captions and the pictures "
                f"{sorted(pictures)}. Write the shards again with the folder of the pictures as `root`."
            )
        return dialogue, [pictures[index] for index in range(len(pictures))]

    def _index(self, shard: int) -> list[dict[str, _Member]]:
        """Where each dialogue's members lie; of the last shards asked for, so memory stays small."""
        if shard not in self._members:
            self._members[shard] = _members(self.folder / self.shards[shard].name, self.shards[shard])
            if len(self._members) > _KEPT_OPEN:
                self._members.popitem(last=False)
        self._members.move_to_end(shard)
        return self._members[shard]


def _shards(path: Path, index: Any) -> tuple[Shard, ...]:
    try:
        shards = tuple(Shard(**row) for row in index["shards"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: must list the shards with {Shard.__slots__}; {error}. Write it again.") from error
    if not shards or any(Path(shard.name).name != shard.name or shard.dialogues < 1 for shard in shards):
        raise InputError(f"{path}: each shard is a file beside it and holds a dialogue. Write the shards again.")
    return shards


def _members(path: Path, shard: Shard) -> list[dict[str, _Member]]:
    if not path.is_file():
        raise MissingFileError(f"{path}: the index lists this shard, but it is not there. Copy it, or write it again.")
    if path.stat().st_size != shard.size:
        raise InputError(f"{path}: it has {path.stat().st_size} bytes, the index says {shard.size}. Copy it again.")
    found: dict[str, dict[str, _Member]] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, _, ending = member.name.partition(".")
                if member.isreg():
                    found.setdefault(key, {})[ending] = (member.offset_data, member.size)
    except tarfile.TarError as error:
        raise InputError(f"{path}: it cannot be read as a tar file ({error}). Copy it again.") from error
    if len(found) != shard.dialogues or any("json" not in parts for parts in found.values()):
        raise InputError(f"{path}: it holds {len(found)} dialogues, the index says {shard.dialogues}. Write it again.")
    return list(found.values())


def _read(file: Any, where: _Member) -> bytes:
    offset, size = where
    file.seek(offset)
    return file.read(size)


class Order:
    """An endless order over shards: every epoch meets every dialogue once, shuffled anew.

    The shards are shuffled, then `mix` of them at a time are shuffled together. So a stretch of the order touches few
    files, which a network disk likes, and batches still mix many thousand dialogues.

    Args:
        sizes: dialogues in each shard.
        seed: of the order.
        mix: shards that are shuffled together.
    """

    def __init__(self, sizes: Sequence[int], *, seed: int, mix: int = 8) -> None:
        if not sizes or min(sizes) < 1 or mix < 1:
            raise ValueError(f"Order: sizes and mix must be at least 1; got sizes={list(sizes)}, mix={mix}")
        self.sizes, self.seed, self.mix, self.total = np.asarray(sizes, dtype=np.int64), seed, mix, int(sum(sizes))
        self._epoch: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None
        self._window: tuple[tuple[int, int], NDArray[np.int64], NDArray[np.int64]] | None = None

    def __call__(self, position: int) -> tuple[int, int]:
        """(shard, place in it) of what stands at this position, counted from 0 over all epochs."""
        epoch, rest = divmod(position, self.total)
        shards, ends = self._shuffled(epoch)
        number = int(np.searchsorted(ends[self.mix - 1 : -1 : self.mix], rest, side="right"))
        chosen = shards[number * self.mix : (number + 1) * self.mix]
        start = int(ends[number * self.mix - 1]) if number else 0
        bounds, places = self._mixed(epoch, number, chosen)
        place = int(places[rest - start])
        which = int(np.searchsorted(bounds, place, side="right"))
        return int(chosen[which]), place - (int(bounds[which - 1]) if which else 0)

    def _shuffled(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._epoch is None or self._epoch[0] != epoch:
            shards = stream(self.seed, f"order of shards {epoch}").permutation(len(self.sizes))
            self._epoch = epoch, shards, np.cumsum(self.sizes[shards])
        return self._epoch[1:]

    def _mixed(self, epoch: int, number: int, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._window is None or self._window[0] != (epoch, number):
            bounds = np.cumsum(self.sizes[chosen])
            places = stream(self.seed, f"order in shards {epoch} {number}").permutation(int(bounds[-1]))
            self._window = (epoch, number), bounds, places
        return self._window[1:]
