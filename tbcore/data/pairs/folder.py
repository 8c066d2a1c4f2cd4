"""A folder of pictures with captions.jsonl or captions.csv beside them.

my_pictures/
  captions.csv        picture,caption,topic       (`file` or `file_name` do as well; topic, id are optional)
  beach.jpg
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tbcore.data.pairs.drafts import Draft
from tbcore.errors import InputError, MissingFileError

__all__ = ["CAPTION_FILES", "folder_drafts"]

CAPTION_FILES = ("captions.jsonl", "captions.csv")
"""The first of them that exists is read."""

_PICTURE_COLUMNS = ("picture", "file", "file_name")


def folder_drafts(root: Path) -> Iterator[Draft]:
    """One draft per line of the folder's captions file.

    Raises:
        MissingFileError: there is no such folder, or no captions file in it.
        InputError: the captions file has no picture or no caption column.
    """
    if not root.is_dir():
        raise MissingFileError(f"{root}: there is no such folder. Name a folder with pictures and captions.")
    table = next((root / name for name in CAPTION_FILES if (root / name).is_file()), None)
    if table is None:
        raise MissingFileError(
            f"{root}: neither captions.jsonl nor captions.csv is there. Write one line per picture, with the "
            "columns picture and caption."
        )
    return _csv_drafts(root, table) if table.suffix == ".csv" else _jsonl_drafts(root, table)


def _draft(root: Path, where: str, row: Mapping[str, Any]) -> Draft:
    name = str(next((row[c] for c in _PICTURE_COLUMNS if row.get(c)), ""))
    scene, topic = row.get("scene"), row.get("topic")
    return Draft(
        where=where,
        id=str(row.get("id") or ""),
        picture=name,
        root=root,
        caption=row.get("caption"),
        source=str(row.get("source") or "folder"),
        topic=str(topic) if topic else None,
        scene=scene if isinstance(scene, dict) else None,
        licence=str(row.get("licence") or row.get("license") or ""),
    )


def _jsonl_drafts(root: Path, table: Path) -> Iterator[Draft]:
    with table.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{table.name}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                yield Draft(where=where, problem=("bad_row", f"not a JSON object: {error}"))
                continue
            if isinstance(row, dict):
                yield _draft(root, where, row)
            else:
                yield Draft(where=where, problem=("bad_row", "not a JSON object"))


def _csv_drafts(root: Path, table: Path) -> Iterator[Draft]:
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        if "caption" not in columns or not set(columns) & set(_PICTURE_COLUMNS):
            raise InputError(
                f"{table}:1: the first line must name the columns picture and caption; got {columns}. Add it."
            )
        reader.fieldnames = columns
        try:
            for row in reader:
                where = f"{table.name}:{reader.line_num}"
                if None in row:
                    yield Draft(where=where, problem=("bad_row", "more values than columns"))
                else:
                    yield _draft(root, where, row)
        except csv.Error as error:
            words = f"not a CSV line: {error}; the lines after it were not read"
            yield Draft(where=f"{table.name}:{reader.line_num}", problem=("bad_row", words))
