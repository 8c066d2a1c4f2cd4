"""Hugging Face datasets: a folder that `save_to_disk` wrote, or a name on the hub, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tbcore.data.pairs.drafts import Draft
from tbcore.data.pairs.parquet import column_of, row_draft
from tbcore.errors import InputError, MissingExtraError, MissingFileError

__all__ = ["hub_drafts"]


def hub_drafts(
    place: Path | str, *, split: str = "train", picture: str | None = None, caption: str | None = None
) -> Iterator[Draft]:
    """One draft per row of a split; pictures stay encoded until they are checked.

    Args:
        place: a folder written by `save_to_disk` (a Path), or a data set's name on the hub (a str).
        split: which part, where there are several.
        picture: the column of pictures, found by the usual names when left out.
        caption: the column of captions, likewise.

    Raises:
        MissingExtraError: the datasets package is not installed.
        MissingFileError: there is no such folder.
        InputError: there is no such split, or no such columns.
    """
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Hugging Face datasets need the datasets package: pip install 'tbcore[data]'"
        ) from error
    if isinstance(place, Path):
        if not place.is_dir():
            raise MissingFileError(f"{place}: there is no such folder. Name one that save_to_disk wrote.")
        rows: Any = datasets.load_from_disk(str(place))
        if isinstance(rows, datasets.DatasetDict):
            if split not in rows:
                raise InputError(f"{place}: split must be one of {', '.join(map(str, rows))}; got {split!r}.")
            rows = rows[split]
    else:
        rows = datasets.load_dataset(place, split=split, streaming=True)
    columns = _columns(place, rows, picture, caption)
    if isinstance((rows.features or {}).get(columns[0]), datasets.Image):
        rows = rows.cast_column(columns[0], datasets.Image(decode=False))
    name = place.name if isinstance(place, Path) else place
    root = place if isinstance(place, Path) else None
    return (row_draft(row, f"{name}/{split}:{number}", columns, root, "huggingface") for number, row in enumerate(rows))


def _columns(place: Path | str, rows: Any, picture: str | None, caption: str | None) -> tuple[str, str]:
    # A streamed set may not know its columns before its first row.
    names = list(rows.features or rows.column_names or next(iter(rows), {}))
    return column_of(place, names, picture, "picture"), column_of(place, names, caption, "caption")
