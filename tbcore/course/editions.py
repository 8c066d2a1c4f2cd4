"""From one percent source to two notebooks: the solved and the student edition. Generation runs one way.

In cells tagged `exercise`, the lines between `# solution` and `# end solution` become one comment in the
student edition; cells tagged `solution` are left out there. In Markdown, `<!-- roadmap -->` becomes the
roadmap figure and `<!-- cost-card -->` the measured costs. Before the parameters comes a cell for Colab.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tbcore.course import costs, roadmap, routes
from tbcore.course.places import Course, course
from tbcore.errors import InputError
from tbcore.store import write_text

__all__ = ["EDITIONS", "Edition", "build", "differences", "main", "read_source", "text_of", "write_all"]

Edition: TypeAlias = Literal["solved", "student"]
EDITIONS: tuple[Edition, ...] = ("solved", "student")

_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_BEGIN = re.compile(r"^(\s*)# solution\s*$")
_END = re.compile(r"^\s*# end solution\s*$")


def read_source(path: Path) -> Any:
    """A percent source as a notebook (nbformat 4)."""
    import jupytext

    return jupytext.read(path, fmt="py:percent")


def build(path: Path, edition: Edition) -> Any:
    """The notebook of an edition, made from its source; the same source always gives the same bytes.

    Raises:
        InputError: a solution region is not closed, or stands outside a cell tagged `exercise`.
    """
    import nbformat

    name = path.stem
    used: dict[str, int] = {}
    cells: list[Any] = []
    for number, cell in enumerate(read_source(path).cells):
        tags = list(cell.metadata.get("tags", []))
        if edition == "student" and "solution" in tags:
            continue
        if "parameters" in tags:
            cells.append(_colab_cell(used))
        text = _text(cell, tags, edition, where=f"{path.name}, cell {number}")
        if cell.cell_type == "markdown":
            text = _filled(text, name, edition)
        make = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
        made = make(text)
        made["id"] = _cell_id(cell.cell_type, text, used)
        made["metadata"] = nbformat.from_dict(_kept(cell.metadata, tags))
        cells.append(made)
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata = nbformat.from_dict({"kernelspec": _KERNEL, "language_info": {"name": "python"}})
    book.nbformat_minor = 5
    return book


def text_of(book: Any) -> str:
    """The notebook as the text of an .ipynb file."""
    import nbformat

    return nbformat.writes(book).rstrip("\n") + "\n"


def write_all(where: Course | None = None) -> list[Path]:
    """Write both editions of every source; returns the files."""
    place = where or course()
    written: list[Path] = []
    for source in place.sources():
        for edition in EDITIONS:
            target = place.edition(source.stem, edition)
            write_text(target, text_of(build(source, edition)))
            written.append(target)
    return written


def differences(where: Course | None = None) -> list[str]:
    """Where generated notebooks and sources disagree in type, source or tags; empty if nowhere."""
    import nbformat

    place = where or course()
    found: list[str] = []
    wanted: set[Path] = set()
    for source in place.sources():
        for edition in EDITIONS:
            target = place.edition(source.stem, edition)
            wanted.add(target)
            if not target.is_file():
                found.append(f"{target}: is missing")
                continue
            have = nbformat.read(target, as_version=4)
            found += _compare(target, _essence(have), _essence(build(source, edition)))
            found += [f"{target}: cell {n} has outputs" for n, cell in enumerate(have.cells) if cell.get("outputs")]
    kept = {*place.notebooks.glob("*.ipynb"), *(place.notebooks / "exercises").glob("*.ipynb")}
    return found + [f"{stray}: has no source" for stray in sorted(kept - wanted)]


def main() -> int:
    """Write the editions, or with --check compare them with their sources."""
    options = argparse.ArgumentParser(description="Generate both editions of each notebook.")
    options.add_argument("--check", action="store_true", help="compare only; exit status 1 if they differ")
    if not options.parse_args().check:
        for path in write_all():
            print(path)
        return 0
    found = differences()
    for line in found:
        print(line)
    print(
        "Notebooks differ from their sources: run `make notebooks`." if found else "Editions agree with their sources."
    )
    return 1 if found else 0


def _colab_cell(used: dict[str, int]) -> Any:
    """The cell before the parameters: folded away, and idle anywhere but in Colab."""
    import nbformat

    text = routes.colab_cell()
    made = nbformat.v4.new_code_cell(text)
    made["id"] = _cell_id("code", text, used)
    shown = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": list(routes.COLAB_TAGS)}
    made["metadata"] = nbformat.from_dict(shown)
    return made


def _text(cell: Any, tags: list[str], edition: Edition, *, where: str) -> str:
    lines: list[str] = cell.source.split("\n")
    starts = [n for n, line in enumerate(lines) if _BEGIN.match(line)]
    ends = [n for n, line in enumerate(lines) if _END.match(line)]
    if len(starts) != len(ends) or any(start >= end for start, end in zip(starts, ends, strict=True)):
        raise InputError(f"{where}: every '# solution' needs its '# end solution' after it")
    if starts and "exercise" not in tags:
        raise InputError(f"{where}: a solution region belongs into a cell tagged 'exercise'; tags are {tags}")
    if edition == "solved" or not starts:
        return cell.source
    kept: list[str] = []
    at = 0
    for start, end in zip(starts, ends, strict=True):
        indent = _BEGIN.match(lines[start])
        count = sum(bool(line.strip()) for line in lines[start + 1 : end])
        space = indent.group(1) if indent else ""
        kept += [*lines[at:start], f"{space}# your turn (ours took {count} line{'s' if count != 1 else ''})"]
        at = end + 1
    return "\n".join([*kept, *lines[at:]])


def _filled(text: str, name: str, edition: Edition) -> str:
    up = "" if edition == "solved" else "../"
    picture = f"![{roadmap.alt_text(name[:2])}]({up}figures/roadmap_{name[:2]}.svg)"
    text = text.replace("<!-- roadmap -->", picture)
    if edition == "student":
        text = re.sub(r"(!\[[^\]]*\]\()figures/", r"\1../figures/", text)
    return text.replace("<!-- cost-card -->", costs.card(name))


def _kept(metadata: Any, tags: list[str]) -> dict[str, Any]:
    """What of a cell's metadata goes into the notebook: tags, and the reason for skipping it."""
    kept: dict[str, Any] = {"tags": tags} if tags else {}
    if "reason" in metadata:
        kept["reason"] = metadata["reason"]
    return kept


def _cell_id(kind: str, text: str, used: dict[str, int]) -> str:
    """An id that follows from the cell's text, so that generating again changes nothing."""
    base = f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    used[base] = used.get(base, 0) + 1
    return base if used[base] == 1 else f"{base}-{used[base]}"


def _essence(book: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(cell.cell_type, cell.source, tuple(cell.metadata.get("tags", []))) for cell in book.cells]


def _compare(target: Path, have: list[Any], want: list[Any]) -> list[str]:
    if len(have) != len(want):
        return [f"{target}: has {len(have)} cells, its source gives {len(want)}"]
    return [
        f"{target}: cell {n} differs" for n, (one, other) in enumerate(zip(have, want, strict=True)) if one != other
    ]


if __name__ == "__main__":
    sys.exit(main())
