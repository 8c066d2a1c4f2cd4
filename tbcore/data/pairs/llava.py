r"""LLaVA's JSON: one array of objects with id, image and conversations; the first answer is the caption.

[{"id": "1", "image": "coco/1.jpg",
  "conversations": [{"from": "human", "value": "<image>\nDescribe it."}, {"from": "gpt", "value": "a dog"}]}]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from tbcore.data.pairs.drafts import Draft
from tbcore.errors import InputError, MissingFileError

__all__ = ["json_items", "llava_drafts"]

_CHUNK = 1 << 16
_LONGEST_ITEM = 16 << 20


def llava_drafts(path: Path, *, root: Path | None = None) -> Iterator[Draft]:
    """One draft per object whose first question shows exactly one picture.

    Args:
        path: the JSON file; it is read in pieces.
        root: the folder of the pictures; the file's own folder when left out.

    Raises:
        MissingFileError: there is no such file.
        InputError: the file does not hold a JSON array.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: there is no such file. Name LLaVA's JSON file.")
    return _drafts(path, path.parent if root is None else root)


def _drafts(path: Path, root: Path) -> Iterator[Draft]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, item in enumerate(json_items(file, str(path))):
            where = f"{path.name}[{number}]"
            yield (
                item_draft(item, where, root)
                if not isinstance(item, str)
                else Draft(where=where, problem=("bad_row", item))
            )


def item_draft(item: Mapping[str, Any], where: str, root: Path) -> Draft:
    """The draft that one object of the array stands for."""
    name = item.get("image")
    record = str(item.get("id") or "")
    said = item.get("conversations")
    messages = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    answers = [one.get("value") for one in messages if one.get("from") == "gpt"]
    marks = sum(str(one.get("value")).count("<image>") for one in messages)
    if not messages or not answers:
        problem = ("bad_row", "no answer (from: gpt) in its conversations")
    elif isinstance(name, list) or marks > 1:
        problem = ("many_pictures", f"{marks} picture marks; a pair has one picture")
    else:
        problem = None
    return Draft(
        where=where,
        id=record,
        picture=name if isinstance(name, str) else None,
        root=root,
        caption=answers[0] if answers else None,
        source="llava",
        problem=problem,
    )


def json_items(file: TextIO, name: str) -> Iterator[dict[str, Any] | str]:
    """The objects of one large JSON array, one after the other; where it breaks off, words that say why, then no more.

    Raises:
        InputError: the text does not begin with `[`.
    """
    decoder = json.JSONDecoder()
    text = file.read(_CHUNK).lstrip()
    if not text.startswith("["):
        raise InputError(f"{name}:1: a JSON array must begin with '['; got {text[:20]!r}. Name LLaVA's JSON file.")
    at, ended = 1, False
    while True:
        at = _skip(text, at)
        if at < len(text) and text[at] == "]":
            return
        try:
            # A number or word may go on in the next piece, so what ends with the piece is read again.
            item, after = decoder.raw_decode(text, at)
            whole = after < len(text) or ended
        except ValueError as error:
            item, after, whole, problem = None, at, False, str(error)
        else:
            problem = ""
        if whole:
            yield item if isinstance(item, dict) else "not a JSON object"
            at = after
            continue
        piece = file.read(max(_CHUNK, len(text) - at))  # doubling keeps the work linear in the item's length
        ended = not piece
        if ended or len(text) - at > _LONGEST_ITEM:
            if problem or at < len(text):
                yield f"the array breaks off here: {problem or 'the item does not end'}"
            return
        text, at = text[at:] + piece, 0


def _skip(text: str, at: int) -> int:
    place = at
    while place < len(text) and text[place] in " \t\r\n,":
        place += 1
    return place
