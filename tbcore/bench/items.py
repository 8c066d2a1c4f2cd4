"""The frozen conversations of PostcardBench: what the user says, what must come back, and what is known about both.

One line of `postcardbench-1.jsonl` is one conversation. Its pictures are scenes, drawn again when they are needed;
the checksum beside it makes sure that two people who compare numbers compare them on the same conversations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from tbcore.errors import InputError, ManifestError
from tbcore.records import Part, Picture, Turn
from tbcore.store import read_json, read_jsonl, sha256_of
from tbcore.world.dialogue_story import Expectation
from tbcore.world.scenes import Scene

__all__ = [
    "FORMS",
    "ITEMS_FILE",
    "PARAPHRASES_FILE",
    "SPLITS",
    "SUITES",
    "Exchange",
    "Form",
    "Item",
    "Origin",
    "Owner",
    "Reference",
    "load_items",
]

ITEMS_FILE = Path(__file__).parent / "data" / "postcardbench-1.jsonl"
"""The conversations; beside it, `postcardbench-1.json` holds their checksum, counts and what was left out."""

PARAPHRASES_FILE = ITEMS_FILE.with_name("postcardbench-1-paraphrase.jsonl")
"""The conversations of the split "paraphrase", which came later and leave the first file as it was."""

SPLITS: dict[str, str] = {
    "iid": "scenes of the test split, in conversations such as those of training",
    "held-out": "things, backdrops and triples that no training picture shows together",
    "phrasing": "requests in the one phrasing that no training caption uses",
    "long": "six to eight exchanges; training has at most four",
    "reference": "one earlier picture is meant, named in five ways, over one to six exchanges; or two are combined",
    "probe": "single yes/no questions in pairs that differ in one fact, one of them right",
    "paraphrase": "the same tasks in words that training never uses; a file and a suite of their own",
}
"""Split -> what is new in it."""

SUITES = ("lite", "full", "paraphrase")

Form = Literal["attached", "pronoun", "ordinal", "attribute", "owner", "quote"]
FORMS: tuple[Form, ...] = ("attached", "pronoun", "ordinal", "attribute", "owner", "quote")
Origin = Literal["user", "assistant", "text"]
Owner = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Reference:
    """Which picture the user means.

    Attributes:
        form: how it is named; "attached" stands beside the words.
        picture: its index, or None where only words told of it.
        distance: exchanges since it was shown or told; 0 for "attached".
        origin: who showed it, or "text".
        also: a second picture, where two are combined.
    """

    form: Form
    picture: int | None
    distance: int
    origin: Origin
    also: int | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the user says, one right answer, and what every right answer has in common."""

    asked: tuple[Part, ...]
    reply: tuple[Part, ...]
    expect: Expectation
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation.

    Attributes:
        id: such as "iid-0007"; the two questions of a pair of probes end in "a" and "b".
        split: one of `SPLITS`.
        lite: whether it is part of the small suite.
        exchanges: in order.
        scenes: of all pictures, the user's and those that should be drawn.
        owners: parallel to `scenes`.
    """

    id: str
    split: str
    lite: bool
    exchanges: tuple[Exchange, ...]
    scenes: tuple[Scene, ...]
    owners: tuple[Owner, ...]

    def to_json(self) -> dict[str, Any]:
        """The conversation as a JSON object."""
        return {
            "id": self.id,
            "split": self.split,
            "lite": self.lite,
            "scenes": [scene.to_json() for scene in self.scenes],
            "owners": list(self.owners),
            "exchanges": [_exchange_to_json(one) for one in self.exchanges],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Item:
        """The inverse of `to_json`.

        Raises:
            InputError: a field is missing or does not fit.
        """
        try:
            scenes = tuple(Scene.from_json(scene) for scene in row["scenes"])
            exchanges = tuple(_exchange_from_json(one, scenes) for one in row["exchanges"])
            owners = tuple(cast("list[Owner]", row["owners"]))
            return cls(row["id"], row["split"], row["lite"], exchanges, scenes, owners)
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(
                f"benchmark item {row.get('id')!r}: a field is missing or of the wrong kind: {error!r}. "
                "Write the file again with `python -m tbcore.bench items`."
            ) from error


def _exchange_to_json(one: Exchange) -> dict[str, Any]:
    reference = one.reference
    return {
        "asked": Turn("user", one.asked).to_json()["parts"],
        "reply": Turn("assistant", one.reply).to_json()["parts"],
        "kind": one.expect.kind,
        "draws": one.expect.draws,
        "facts": one.expect.facts,
        "reference": reference
        and {
            "form": reference.form,
            "picture": reference.picture,
            "distance": reference.distance,
            "origin": reference.origin,
            "also": reference.also,
        },
    }


def _exchange_from_json(row: Mapping[str, Any], scenes: Sequence[Scene]) -> Exchange:
    asked = Turn.from_json({"role": "user", "parts": row["asked"]}).parts
    reply = Turn.from_json({"role": "assistant", "parts": row["reply"]}).parts
    drawn = [part.index for part in reply if isinstance(part, Picture)]
    scene = scenes[drawn[0]] if row["draws"] else None
    reference = None if row["reference"] is None else Reference(**row["reference"])
    return Exchange(asked, reply, Expectation(row["kind"], row["draws"], scene, row["facts"]), reference)


def load_items(suite: str = "full", path: Path | str | None = None) -> list[Item]:
    """Read the conversations of a suite, after comparing the file with its checksum.

    Args:
        suite: "full", "lite" for the fixed small part of it, or "paraphrase".
        path: the file; its checksum stands beside it, with the ending .json. None: that of the suite.

    Raises:
        InputError: no such suite, or a row that cannot be read.
        ManifestError: the file is not the one its checksum names.
        MissingFileError: the file or its checksum is not there.
    """
    if suite not in SUITES:
        raise InputError(f"load_items: suite must be one of {SUITES}; got {suite!r}")
    place = Path(path or (PARAPHRASES_FILE if suite == "paraphrase" else ITEMS_FILE))
    wanted, found = read_json(place.with_suffix(".json"))["sha256"], sha256_of(place)
    if wanted != found:
        raise ManifestError(
            f"{place}: SHA-256 must be {wanted[:12]}..., got {found[:12]}... Numbers on a changed file cannot be "
            "compared with others. Restore it, or write it again with `python -m tbcore.bench items`."
        )
    items = [Item.from_json(row) for row in read_jsonl(place)]
    return [item for item in items if item.lite or suite != "lite"]
