from __future__ import annotations

from collections import Counter
from pathlib import Path

from PIL import Image

from tbcore.course.groups import GROUPS_FILE, more_postcard_groups, photo_groups, postcard_groups
from tbcore.data.photos import PHOTOS, write_photos
from tbcore.records import PictureGroup
from tbcore.store import read_jsonl
from tbcore.world.captions import parse_caption
from tbcore.world.scenes import Scene
from tbcore.world.splits import held_out, split_of


def test_the_shipped_file_is_what_the_code_makes() -> None:
    shipped = [PictureGroup.from_json(row) for row in read_jsonl(GROUPS_FILE)]
    assert shipped == [*postcard_groups(), *photo_groups(), *more_postcard_groups()]


def test_groups_keep_to_their_split() -> None:
    groups, more = postcard_groups(), more_postcard_groups()
    assert Counter(group.split for group in groups) == {"train": 56, "val": 8, "test": 8}
    assert Counter(group.split for group in more) == {"train": 160, "val": 16, "test": 16}
    groups += more
    assert len({group.id for group in groups}) == 264
    for group in groups:
        assert 2 <= len(group.captions) <= 4
        scenes = [Scene.from_json(scene) for scene in group.scenes or ()]
        assert [parse_caption(words) for words in group.captions] == scenes
        assert all(split_of(scene) == group.split and not held_out(scene) for scene in scenes)


def test_photographs_are_written_with_captions(tmp_path: Path) -> None:
    rows = write_photos(tmp_path, side=64)
    assert len(rows) == len(PHOTOS) == 12
    files = {name for group in photo_groups() for name in group.files or ()}
    assert files == {row["picture"] for row in rows}
    for row in rows:
        with Image.open(tmp_path / str(row["picture"])) as picture:
            assert picture.size == (64, 64)
