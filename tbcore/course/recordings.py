"""The shipped recordings as requests: which groups there are, and exactly what the writer was asked for each reply.

    pairs ─► groups_for ─► requests_for ─► tbcore.data.generate ─► candidates

Prompts are rendered again from the same parts, so the ledger keeps what was truly asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tbcore.chat.messages import Subject, ordered_caption_hash
from tbcore.chat.recorded import Recording
from tbcore.course.groups import GROUPS_FILE
from tbcore.data.examples import ExampleSet, choose_random, load_seed_examples
from tbcore.data.generate import Request
from tbcore.data.pairs import load_picture
from tbcore.data.photos import PHOTOS, photo_path
from tbcore.data.prompt import SECTIONS, VERSION, Section, build_prompt, subject_of
from tbcore.dialogue import Codec
from tbcore.errors import InputError
from tbcore.records import Dialogue, PictureGroup
from tbcore.store import read_jsonl
from tbcore.world.render import render
from tbcore.world.scenes import Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CONVERSATIONS_FILE",
    "LABELS_FILE",
    "PAIRS",
    "RECORDED_SEED",
    "groups_for",
    "live_requests",
    "load_groups",
    "load_recordings",
    "pictures_of",
    "prompt_parts",
    "requests_for",
    "sampled_groups",
    "with_pictures",
]

CONVERSATIONS_FILE = GROUPS_FILE.with_name("conversations.jsonl")
LABELS_FILE = GROUPS_FILE.with_name("labels.jsonl")

PAIRS = ("postcards", "photos")
"""What conversations were recorded for."""

RECORDED_SEED = 0
"""The seed of the nonce and of the choice of examples in the recorded prompts."""

_EXAMPLES, _BLOCK = 3, 8
_NO_EXAMPLES = "; no examples"


def load_groups(path: Path = GROUPS_FILE) -> dict[str, PictureGroup]:
    """Every shipped group by its id, in order."""
    groups = [PictureGroup.from_json(row) for row in read_jsonl(path)]
    return {group.id: group for group in groups}


def groups_for(pairs: str) -> list[PictureGroup]:
    """The shipped groups of the postcards or of the photographs.

    Raises:
        InputError: no conversations were recorded for such pairs; the message says what to do.
    """
    if pairs not in PAIRS:
        raise InputError(
            f"pairs {pairs!r}: no conversations were recorded for these pictures. Choose teacher='local' (free, "
            "weak) or teacher='api' (any OpenAI-compatible endpoint), or go on with pairs='postcards'."
        )
    return [group for group in load_groups().values() if group.id.startswith(f"{pairs}-")]


def load_recordings(path: Path = CONVERSATIONS_FILE) -> list[Recording]:
    """Every shipped recording, in the order of the file."""
    return [Recording.from_json(row) for row in read_jsonl(path)]


def prompt_parts(prompt: str) -> tuple[tuple[Section, ...], bool]:
    """The instructions a recorded prompt was made of, and whether it held examples, from its name.

    `prompt-1` is everything; `prompt-1 without form, style` leaves two sections out; `; no examples` at the end
    says that the prompt held none.

    Raises:
        InputError: another version, or an unknown section.
    """
    rest = prompt.removesuffix(_NO_EXAMPLES)
    version, _, listed = rest.partition(" without ")
    names = {name.strip() for name in listed.split(",")} if listed else set[str]()
    known = [section.name for section in SECTIONS]
    if version != VERSION or names - set(known):
        raise InputError(
            f"recording: prompt {prompt!r} must be {VERSION!r}, perhaps with ' without ' and some of {known}, perhaps "
            f"with {_NO_EXAMPLES!r}. Mend the field."
        )
    return tuple(section for section in SECTIONS if section.name not in names), rest == prompt


def requests_for(groups: Sequence[PictureGroup], recordings: Sequence[Recording]) -> list[Request]:
    """One request per recording of these groups, by sample and then by group, with the messages as they were asked.

    Args:
        groups: whose recordings are wanted; a recording made for other captions is left out.
        recordings: as shipped.
    """
    places = {name: place for place, name in enumerate(load_groups())}
    examples = load_seed_examples()
    wanted = {(group.id, ordered_caption_hash(group.captions)): group for group in groups}
    found = [(wanted[key], one) for one in recordings if (key := (one.group, one.captions)) in wanted]
    found.sort(key=lambda pair: (pair[1].sample, places.get(pair[0].id, len(places))))
    return [_request(group, one, places.get(group.id, 0), examples) for group, one in found]


def live_requests(groups: Sequence[PictureGroup], *, seed: int, most: int) -> list[Request]:
    """Requests for a teacher that is asked now: full prompts, a nonce of this run, at most `most` of them."""
    codec, examples = Codec.from_seed(seed), load_seed_examples()
    found: list[Request] = []
    for draw, group in enumerate(groups[:most]):
        shown = choose_random(examples, _EXAMPLES, seed=seed, draw=draw, block=_BLOCK)
        origin = {"prompt": VERSION, "examples": examples.version, "example_ids": [one.id for one in shown]}
        messages = tuple(build_prompt(group, shown, codec))
        found.append(Request(group, messages, codec, subject_of(group, codec), 0, origin))
    return found


def sampled_groups(folder: Path) -> list[PictureGroup]:
    """The picture sets that step 01 sampled; `files` are paths relative to that step's folder."""
    return [PictureGroup.from_json(row) for row in read_jsonl(folder / "samples.jsonl")]


def pictures_of(group: PictureGroup, *, size: int = 64, root: Path | None = None) -> list[NDArray[np.uint8]]:
    """The pictures behind a group's captions, uint8 [size size 3]: postcards drawn, photographs read.

    Args:
        group: with scenes, or with files.
        size: side in pixels, a multiple of 64.
        root: the folder that `files` of sampled groups are relative to.

    Raises:
        InputError: the group names neither scenes nor files that can be found.
    """
    if group.scenes is not None:
        return [render(Scene.from_json(scene), size) for scene in group.scenes]
    photos = {f"{photo.name}.png": photo for photo in PHOTOS}
    if group.files is not None and set(group.files) <= set(photos):
        return [load_picture(photo_path(photos[name]), size=size) for name in group.files]
    if group.files is not None and root is not None:
        return [load_picture(root / name, size=size) for name in group.files]
    raise InputError(f"picture group {group.id!r}: it has no scenes, and its files lie nowhere known. Pass root.")


def with_pictures(
    dialogue: Dialogue, group: PictureGroup, folder: Path, *, size: int = 64, root: Path | None = None
) -> Dialogue:
    """Write the group's pictures as `pictures/GROUP-INDEX.png` below `folder`, and attach them to the dialogue."""
    names: list[str] = []
    for index, picture in enumerate(pictures_of(group, size=size, root=root)):
        path = folder / "pictures" / f"{group.id}-{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            Image.fromarray(picture).save(path)
        names.append(path.relative_to(folder).as_posix())
    return replace(dialogue, pictures=tuple(names))


def _request(group: PictureGroup, one: Recording, place: int, examples: ExampleSet) -> Request:
    sections, with_examples = prompt_parts(one.prompt)
    codec = Codec.from_version(one.codec)
    shown = _shown(examples, one, place) if with_examples else ()
    origin = {"prompt": one.prompt, "examples": examples.version, "example_ids": [example.id for example in shown]}
    messages = tuple(build_prompt(group, shown, codec, sections=sections))
    return Request(group, messages, codec, Subject(one.codec, one.group, one.captions), one.sample, origin)


def _shown(examples: ExampleSet, one: Recording, place: int) -> tuple[Dialogue, ...]:
    """The examples in a recorded prompt: they changed with every eight groups, once per shortened prompt."""
    shortened = {f"{VERSION} without tags": 0, f"{VERSION} without form, style": _BLOCK}
    draw = shortened.get(one.prompt, place)
    return choose_random(examples, _EXAMPLES, seed=RECORDED_SEED, draw=draw, block=_BLOCK)
