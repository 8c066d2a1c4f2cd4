"""Vectors that survive a kill, pictures decoded ahead, and real open_clip models by name."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tbcore.course.places import project_root
from tbcore.data.embed import HashingEncoder, OpenClipEncoder, VectorStore, embed, embed_into, load_ahead
from tbcore.errors import InputError, ManifestError
from tbcore.records import Rejection
from tbcore.store import pixel_hash, read_json, sha256_of

PICTURES = [np.random.default_rng(n).integers(0, 256, (8, 8, 3), dtype=np.uint8) for n in range(20)]
PATIENCE_S = 120
IDS = [pixel_hash(one) for one in PICTURES]
ITEMS = [(one, lambda picture=picture: picture) for one, picture in zip(IDS, PICTURES, strict=True)]


class Counting(HashingEncoder):
    """The colour grid, remembering how many pictures it saw."""

    def __init__(self) -> None:
        self.seen = 0

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.seen += len(pictures)
        return super().encode(pictures)


def test_what_is_stored_is_neither_loaded_nor_embedded_again(tmp_path: Path) -> None:
    encoder = Counting()
    first = embed_into(VectorStore(tmp_path, encoder, part_rows=4), ITEMS[:10], encoder, batch_size=3)
    assert (first.fresh, first.reused, encoder.seen) == (10, 0, 10)

    def forbidden() -> NDArray[np.uint8]:
        raise AssertionError("a stored picture was loaded")

    store = VectorStore(tmp_path, encoder, part_rows=4)
    assert len(store) == 10
    again = [(one, forbidden) for one in IDS[:10]] + ITEMS[10:] + ITEMS[10:12]
    second = embed_into(store, again, encoder, batch_size=3)
    assert (second.fresh, second.reused, encoder.seen) == (10, 12, 20)
    assert (store.table(IDS) == embed(PICTURES, HashingEncoder())).all()
    assert (store.table(IDS[::-1]) == store.table(IDS)[::-1]).all()


def test_another_encoder_or_preprocessing_has_its_own_vectors(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    embed_into(VectorStore(tmp_path, encoder, preprocessing="square-8"), ITEMS, encoder)
    assert len(VectorStore(tmp_path, encoder, preprocessing="square-8")) == 20
    assert len(VectorStore(tmp_path, encoder, preprocessing="square-16")) == 0


def test_the_table_comes_with_a_manifest(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    store = VectorStore(tmp_path / "cache", encoder, preprocessing="square-8", part_rows=6)
    embed_into(store, ITEMS, encoder)
    manifest = store.write(IDS[5:], tmp_path / "vectors.npy")
    assert (np.load(tmp_path / "vectors.npy") == store.table(IDS[5:])).all()
    assert read_json(tmp_path / "vectors.npy.json") == manifest
    assert (manifest["rows"], manifest["width"], manifest["dtype"]) == (15, 49, "float16")
    assert (manifest["encoder"], manifest["preprocessing"]) == ("colour-grid-4", "square-8")
    with pytest.raises(InputError, match="no vector of picture '000000000000' is stored"):
        store.write(["00" * 32], tmp_path / "other.npy")


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    store = VectorStore(tmp_path, encoder)
    embed_into(store, ITEMS, encoder)
    store.verify()
    (place,) = store.folder.glob("*.npy")
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(bytes(content))
    with pytest.raises(ManifestError, match="its bytes are not those that were written"):
        store.verify()
    np.save(place, np.zeros((3, 49), np.float16))
    with pytest.raises(ManifestError, match=r"must hold 20 float16 vectors.*got \(3, 49\)"):
        VectorStore(tmp_path, encoder)
    with pytest.raises(InputError, match="takes one vector of width 49 per id"):
        store.add(["00" * 32], np.zeros((1, 5), np.float16))


def test_pictures_that_cannot_be_used_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    class Picky(HashingEncoder):
        def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            vectors = super().encode(pictures)
            vectors[[one.max() == 0 for one in pictures]] = np.nan
            return vectors

    def broken() -> NDArray[np.uint8]:
        raise InputError("three.png: cut")

    black = np.zeros((8, 8, 3), np.uint8)
    items = [ITEMS[0], ("ab" * 32, broken), (pixel_hash(black), lambda: black), ITEMS[1]]
    done = embed_into(store := VectorStore(tmp_path, Picky()), items, Picky())
    assert [(one.record, one.code) for one in done.rejections] == [
        ("ab" * 32, "unreadable_picture"),
        (pixel_hash(black), "no_vector"),
    ]
    assert len(store) == 2


def test_decoding_runs_ahead_of_the_model_but_not_away() -> None:
    taken: list[int] = []
    loaded = threading.Semaphore(0)

    def load() -> NDArray[np.uint8]:
        loaded.release()
        return PICTURES[0]

    def items() -> Iterator[tuple[str, Callable[[], NDArray[np.uint8]]]]:
        for number in range(60):
            taken.append(number)
            yield f"{number:02x}", load

    stream = load_ahead(items(), workers=3, ahead=8)
    got = [next(stream)]
    for _ in range(8):  # nobody asks for more, and yet eight are loaded
        assert loaded.acquire(timeout=PATIENCE_S)
    assert taken == list(range(8))
    got += list(stream)
    assert [one for one, _ in got] == [f"{n:02x}" for n in range(60)]
    assert not any(isinstance(one, Rejection) for _, one in got)


CHILD = """
import os, signal, sys
import numpy as np
from tbcore.data.embed import HashingEncoder, VectorStore, embed_into

class Mortal(HashingEncoder):
    left = int(sys.argv[2])

    def encode(self, pictures):
        print(len(pictures), flush=True)
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(pictures)

items = []
for n in range(200):
    picture = np.random.default_rng(n).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    items.append((f"{n:064x}", lambda picture=picture: picture))
encoder = Mortal()
store = VectorStore(sys.argv[1], encoder, part_rows=16)
print("stored", len(store), flush=True)
embed_into(store, items, encoder, batch_size=8)
"""


def test_after_a_kill_nothing_stored_is_embedded_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    first = subprocess.run([*command, "12"], capture_output=True, text=True, cwd=project_root(), check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    done = subprocess.run([*command, "-1"], capture_output=True, text=True, cwd=project_root(), check=True)
    told = done.stdout.split()
    stored, seen = int(told[1]), sum(map(int, told[2:]))
    assert 0 < stored < 200
    assert stored + seen == 200
    encoder = HashingEncoder()
    whole = VectorStore(tmp_path, encoder)
    pictures = [np.random.default_rng(n).integers(0, 256, (8, 8, 3), dtype=np.uint8) for n in range(200)]
    assert (whole.table([f"{n:064x}" for n in range(200)]) == embed(pictures, encoder)).all()


TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


def test_any_open_clip_model_by_name_and_weights(tmp_path: Path) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    (tmp_path / "ViT-tiny-test.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "ViT-tiny-test.json")
    model = open_clip.create_model("ViT-tiny-test")
    weights = tmp_path / "tiny.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights)
    encoder = OpenClipEncoder("ViT-tiny-test", weights)
    assert encoder.name == f"open_clip:ViT-tiny-test:{sha256_of(weights)[:12]}"
    assert encoder.preprocessing == OpenClipEncoder("ViT-tiny-test", weights).preprocessing
    pictures = [np.random.default_rng(n).integers(0, 256, (40 + n, 50, 3), dtype=np.uint8) for n in range(3)]
    ids = [pixel_hash(one) for one in pictures]
    items = [(one, lambda picture=picture: picture) for one, picture in zip(ids, pictures, strict=True)]
    done = embed_into(store := VectorStore(tmp_path / "cache", encoder), items, encoder)
    assert done.fresh == 3
    assert (store.table(ids) == embed(pictures, encoder)).all()
    with torch.inference_mode():
        direct = model.eval().encode_image(torch.from_numpy(encoder.prepare(pictures[0]))[None])[0].numpy()
    assert np.allclose(store.table(ids)[0], direct / np.linalg.norm(direct), atol=2e-3)
    with pytest.raises(InputError, match="needs pretrained="):
        OpenClipEncoder("ViT-tiny-test")
