"""A finished notebook as a page of the book: solutions folded, pictures in files with their alt text, no widgets."""

from __future__ import annotations

import base64
import html
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbcore.course.places import project_root
from tbcore.store import write_bytes

__all__ = ["Lesson", "Picture", "lesson_page", "paragraphs", "title_of", "unsolved"]

_SOLUTION = re.compile(
    r"^([ \t]*)# solution[ \t]*\n(.*?)^[ \t]*# end solution[ \t]*(?:\n|\Z)", re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"^[ \t]*# (?:end )?solution[ \t]*\n?", re.MULTILINE)
_WIDGET = "application/vnd.jupyter.widget-view+json"
_SHOW, _HIDE = "Show our solution", "Hide our solution"
_NOT_RUN = "\n\n:::{note}\nThis lesson is shown without its outputs: it was not part of this run.\n:::"
_CLOSE = re.compile(r"\s*</details>[ \t]*")
_DOT = '<span class="tbmap-dot" tabindex="0" aria-label='
_PNG = b"\x89PNG\r\n\x1a\n"

Picture = tuple[Path, str]
"""A picture of a lesson: its file, and its alt text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """One notebook in the book.

    Args:
        name: such as "01_clustering".
        title: its heading.
        page: the notebook as the book shows it.
        pictures: what it shows.
    """

    name: str
    title: str
    page: Any
    pictures: tuple[Picture, ...]

    @property
    def number(self) -> str:
        """Such as "01" or "A1"."""
        return self.name[:2]


def title_of(book: Any) -> str:
    """The first heading of a notebook; its first line of text if there is none."""
    for cell in book.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.strip():
                    return line.lstrip("# ").strip()
    return "untitled"


def unsolved(source: str) -> str:
    """The code of an exercise as a learner meets it: a comment in place of each solution."""

    def comment(match: re.Match[str]) -> str:
        count = sum(bool(line.strip()) for line in match[2].splitlines())
        return f"{match[1]}# your turn (ours took {count} line{'s' if count != 1 else ''})\n"

    return _SOLUTION.sub(comment, source).rstrip("\n")


def lesson_page(book: Any, name: str, *, pictures: Path, links: str, executed: bool) -> tuple[Any, list[Picture]]:
    """A new notebook for the book, and the pictures it shows.

    Args:
        book: an nbformat notebook; stays as it is.
        name: such as "01_clustering".
        pictures: folder that receives the pictures; pages reach it as `../_static/<its name>`.
        links: Markdown that is put below the title.
        executed: whether its cells have been run; if not, a note says so.
    """
    import nbformat

    shown: list[Picture] = []
    cells: list[Any] = []
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(_CLOSE.sub("\n\n</details>\n", cell.source)))
        elif cell.cell_type == "code":
            cells += _code(cell, name, pictures, shown)
    note = (
        "" if executed else "\n\n:::{note}\nThis lesson is shown without its outputs: it was not part of this run.\n:::"
    )
    cells.insert(1, nbformat.v4.new_markdown_cell(links + note))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    page = nbformat.v4.new_notebook(cells=cells)
    page.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
    )
    return page, shown


def paragraphs(page: Any) -> list[Any]:
    """The Markdown cells of a page, to be read or rewritten."""
    return [cell for cell in page.cells if cell.cell_type == "markdown"]


def _code(cell: Any, name: str, pictures: Path, shown: list[Picture]) -> list[Any]:
    """The one or two cells of the book that a code cell becomes; none for what papermill injected."""
    import nbformat

    tags = list(cell.metadata.get("tags", []))
    if "injected-parameters" in tags or not cell.source.strip():
        return []
    outputs = [made for one in cell.get("outputs", []) if (made := _output(one, name, pictures, shown)) is not None]
    keep = [tag for tag in tags if tag in ("hide-input", "remove-cell")]
    if "solution" in tags:
        return [_made(cell.source, outputs, cell, tags=["hide-cell"], folded=True)]
    if not _SOLUTION.search(cell.source):
        return [_made(cell.source, outputs, cell, tags=keep)]
    stub = nbformat.v4.new_code_cell(unsolved(cell.source))
    return [stub, _made(_MARK.sub("", cell.source), outputs, cell, tags=["hide-input"], folded=True)]


def _made(source: str, outputs: list[Any], cell: Any, *, tags: list[str], folded: bool = False) -> Any:
    import nbformat

    made = nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=cell.get("execution_count"))
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    if folded:
        metadata["mystnb"] = {"code_prompt_show": _SHOW, "code_prompt_hide": _HIDE}
    made["metadata"] = nbformat.from_dict(metadata)
    return made


def _output(output: Any, name: str, pictures: Path, shown: list[Picture]) -> Any | None:
    """An output as the book shows it; None for a widget, whose static twin follows anyway."""
    import nbformat

    if output.output_type == "stream":
        return nbformat.v4.new_output("stream", name=output.name, text=_without_root(_text(output.text)))
    if output.output_type == "error":
        return output
    data = dict(output.get("data", {}))
    if _WIDGET in data:
        return None
    if "image/png" in data:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        return _as_html(_picture(_text(data["image/png"]), alt, name, pictures, shown))
    if "text/html" in data:
        return _as_html(_text(data["text/html"]).replace(_DOT, _DOT.replace("aria-label", 'role="img" aria-label')))
    if "text/plain" in data:
        plain = {"text/plain": _without_root(_text(data["text/plain"]))}
        return nbformat.v4.new_output("display_data", data=plain)
    return None


def _picture(encoded: str, alt: str, name: str, pictures: Path, shown: list[Picture]) -> str:
    content = base64.b64decode(encoded)
    path = pictures / f"{name[:2]}-{len(shown) + 1:02d}.png"
    write_bytes(path, content)
    shown.append((path, alt))
    width, height = struct.unpack(">II", content[16:24]) if content.startswith(_PNG) else (0, 0)
    size = f' width="{width}" height="{height}"' if width else ""
    source = f"../_static/{pictures.name}/{path.name}"
    return f'<img class="tb-figure" src="{source}" alt="{html.escape(alt, quote=True)}"{size}>'


def _as_html(text: str) -> Any:
    import nbformat

    return nbformat.v4.new_output("display_data", data={"text/html": text})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)


def _without_root(text: str) -> str:
    """Paths below the project as a reader would type them."""
    return text.replace(f"{project_root()}/", "").replace(str(Path.home()), "~")
