"""Parquet files: a caption column, and a picture column of bytes, of {bytes, path}, or of paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tbcore.data.pairs.drafts import Draft
from tbcore.errors import InputError, MissingExtraError

__all__ = ["CAPTION_COLUMNS", "PICTURE_COLUMNS", "column_of", "parquet_drafts", "row_draft"]

PICTURE_COLUMNS = ("image", "picture", "jpg", "png", "webp", "image_bytes", "file_name", "file", "path", "image_path")
"""Where a picture is looked for, in this order, when no column is named."""

CAPTION_COLUMNS = ("caption", "text", "txt", "TEXT", "captions", "sentences", "description")
"""Where a caption is looked for, in this order, when no column is named."""

_SIDE_COLUMNS = ("id", "key", "image_id", "licence", "license", "topic")
_ROWS = 32


def parquet_drafts(
    files: Sequence[Path], *, picture: str | None = None, caption: str | None = None, root: Path | None = None
) -> Iterator[Draft]:
    """One draft per row; a few rows are in memory at a time, whatever the size of the row groups.

    Args:
        files: read in this order.
        picture: the column of pictures, found by `PICTURE_COLUMNS` when left out.
        caption: the column of captions, found by `CAPTION_COLUMNS` when left out.
        root: the folder that paths in the table point into; the file's own folder when left out.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InputError: a file has no such columns.
    """
    try:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException
    except ModuleNotFoundError as error:
        raise MissingExtraError("parquet files need pyarrow: pip install 'tbcore[data]'") from error
    for file in files:
        number = -1
        try:
            with pq.ParquetFile(file, pre_buffer=False) as table:
                names = table.schema_arrow.names
                columns = (column_of(file, names, picture, "picture"), column_of(file, names, caption, "caption"))
                wanted = [*columns, *(name for name in _SIDE_COLUMNS if name in names and name not in columns)]
                for batch in table.iter_batches(batch_size=_ROWS, columns=wanted, use_threads=False):
                    for row in batch.to_pylist():
                        number += 1
                        yield row_draft(row, f"{file.name}:{number}", columns, root or file.parent, "parquet")
        except (ArrowException, OSError) as error:
            words = f"not readable as parquet: {error}; what follows in this file was not read"
            yield Draft(where=f"{file.name}:{number + 1}", problem=("broken_file", words))


def row_draft(row: Mapping[str, Any], where: str, columns: tuple[str, str], root: Path | None, source: str) -> Draft:
    """The draft that a table's row stands for; `columns` are the picture's and the caption's."""
    cell, said = row.get(columns[0]), row.get(columns[1])
    inside = None
    if isinstance(cell, Mapping):
        inside, cell = cell.get("path"), cell.get("bytes") or cell.get("path")
    # Several captions of one picture come as a list: the first one is taken.
    caption = said[0] if isinstance(said, list | tuple) and said else said
    record = next((row[name] for name in ("id", "key", "image_id") if row.get(name) is not None), "")
    return Draft(
        where=where,
        id=str(record),
        picture=cell if isinstance(cell, str | bytes) else None,
        address=f"{where}/{Path(inside).name}" if isinstance(inside, str) and inside else where,
        root=root,
        caption=caption,
        source=source,
        topic=str(row["topic"]) if row.get("topic") else None,
        licence=str(row.get("licence") or row.get("license") or ""),
    )


def column_of(place: object, names: Sequence[str], wanted: str | None, what: str) -> str:
    """The column that holds the pictures or the captions.

    Raises:
        InputError: there is none by that name, or none of the usual names.
    """
    usual = PICTURE_COLUMNS if what == "picture" else CAPTION_COLUMNS
    found = next((name for name in ((wanted,) if wanted else usual) if name in names), None)
    if found is None:
        looked = repr(wanted) if wanted else f"one of {', '.join(usual)}"
        raise InputError(f"{place}: the {what} column must be {looked}; got {list(names)}. Name it with {what}=.")
    return found
