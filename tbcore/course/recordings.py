"""The shipped recordings as requests: which groups there are, and exactly what the writer was asked for each reply.

    pairs ─► groups_for ─► requests_for ─► tbcore.data.generate ─► candidates

Prompts are rendered again from the same parts, so the ledger keeps what was truly asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tbcore.chat.messages import Subject, ordered_caption_hash
from tbcore.chat.recorded import RecordedTeacher, Recording
from tbcore.course.groups import GROUPS_FILE
from tbcore.data.examples import ExampleSet, choose_random, load_seed_examples
from tbcore.data.generate import Request
from tbcore.data.prompt import SECTIONS, VERSION, Section, build_prompt
from tbcore.dialogue import Codec
from tbcore.errors import InputError
from tbcore.records import Dialogue, PictureGroup
from tbcore.store import read_jsonl

__all__ = [
    "CONVERSATIONS_FILE",
    "LABELS_FILE",
    "PAIRS",
    "RECORDED_SEED",
    "groups_for",
    "load_groups",
    "load_recordings",
    "prompt_parts",
    "requests_for",
]

CONVERSATIONS_FILE = GROUPS_FILE.with_name("conversations.jsonl")
LABELS_FILE = GROUPS_FILE.with_name("labels.jsonl")

PAIRS = ("postcards", "photos")
"""What conversations were recorded for."""

RECORDED_SEED = 0
"""The seed of the nonce and of the choice of examples in the recorded prompts."""

_EXAMPLES, _BLOCK = 3, 8


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

    `prompt-1` is everything; `prompt-1 without form, style` leaves two sections out; `prompt-1 only task` has
    one section and no examples.

    Raises:
        InputError: another version, an unknown word or an unknown section.
    """
    version, _, rest = prompt.partition(" ")
    word, _, listed = rest.partition(" ")
    names = [name.strip() for name in listed.split(",") if name.strip()]
    known = {section.name for section in SECTIONS}
    if version != VERSION or word not in ("", "without", "only") or (word and not names) or set(names) - known:
        raise InputError(
            f"recording: prompt {prompt!r} is not '{VERSION}', '{VERSION} without NAMES' or '{VERSION} only NAMES', "
            f"names being some of {sorted(known)}. Mend the field."
        )
    if word == "only":
        return tuple(section for section in SECTIONS if section.name in names), False
    return tuple(section for section in SECTIONS if section.name not in names), True


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
