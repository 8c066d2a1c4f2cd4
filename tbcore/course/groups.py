"""The shipped picture groups: versioned, so that recorded conversations outlive every change of model and seed.

python -m tbcore.course.groups        writes tbcore/recorded/groups.jsonl anew; a test compares
"""

from __future__ import annotations

from pathlib import Path

from tbcore.data.photos import PHOTOS
from tbcore.records import PictureGroup
from tbcore.seeds import stream
from tbcore.store import write_jsonl
from tbcore.world.captions import caption
from tbcore.world.scenes import Scene, sample_scene
from tbcore.world.sprites import TOPICS

__all__ = ["GROUPS_FILE", "PHOTO_GROUPS", "VERSION", "more_postcard_groups", "photo_groups", "postcard_groups"]

VERSION = "groups-1"
"""Changes when any caption, scene or order changes; recordings name the version they were made for."""

GROUPS_FILE = Path(__file__).parents[1] / "recorded" / "groups.jsonl"

PER_TOPIC = 9  # seven for training, one for validation, one for test
MORE_PER_TOPIC = 24  # twenty for training, two for validation, two for test

PHOTO_GROUPS: tuple[tuple[str, ...], ...] = (
    ("astronaut", "rocket"),
    ("rocket", "moon", "hubble"),
    ("astronaut", "moon"),
    ("coffee", "cat"),
    ("coins", "page"),
    ("coffee", "page", "cat"),
    ("motorcycle", "china"),
    ("camera", "flower"),
    ("china", "flower", "camera"),
    ("motorcycle", "camera", "china", "flower"),
)
"""Names of photographs that go together, by topic."""


def postcard_groups() -> list[PictureGroup]:
    """Return 72 groups of two to four different postcards of one topic: 56 train, 8 val, 8 test."""
    held_out = {7: "val", 8: "test"}
    return [_group(topic, k, held_out.get(k, "train")) for topic in TOPICS for k in range(PER_TOPIC)]


def more_postcard_groups() -> list[PictureGroup]:
    """Return 192 further groups, topic by topic in turn: 160 train, 16 val, 16 test.

    They stand after all others, so that what was asked for the first 82 stays what it was.
    """
    held_out = {10: "val", 11: "test", 22: "val", 23: "test"}
    return [_group(topic, PER_TOPIC + k, held_out.get(k, "train")) for k in range(MORE_PER_TOPIC) for topic in TOPICS]


def _group(topic: str, number: int, split: str) -> PictureGroup:
    name = f"postcards-{topic.replace(' ', '-')}-{number + 1}"
    rng = stream(0, f"{VERSION}/{name}")
    scenes: dict[Scene, None] = {}
    while len(scenes) < 2 + number % 3:
        scenes.setdefault(sample_scene(rng, topic=topic, split=split))
    return PictureGroup(
        id=name,
        version=VERSION,
        topic=topic,
        captions=tuple(caption(scene, rng) for scene in scenes),
        scenes=tuple(scene.to_json() for scene in scenes),
        files=None,
        split=split,
    )


def photo_groups() -> list[PictureGroup]:
    """Return the ten groups of photographs; `files` names them as `tbcore.data.photos` writes them."""
    photos = {photo.name: photo for photo in PHOTOS}
    return [
        PictureGroup(
            id=f"photos-{number + 1:02d}",
            version=VERSION,
            topic=photos[names[0]].topic,
            captions=tuple(photos[name].caption for name in names),
            scenes=None,
            files=tuple(f"{name}.png" for name in names),
            split="train",
        )
        for number, names in enumerate(PHOTO_GROUPS)
    ]


if __name__ == "__main__":
    shipped = [*postcard_groups(), *photo_groups(), *more_postcard_groups()]
    write_jsonl(GROUPS_FILE, [group.to_json() for group in shipped])
