"""Slides from the cells tagged `slide`: one page of HTML per notebook that needs nothing but a browser.

    source (which cells, which words) + executed copy (pictures, printed lines) ─► slides ─► HTML

A heading, or a text after a picture was shown, begins a new slide. Pictures come from the executed notebook; where
none was executed, an empty frame stands in their place.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbcore.course import editions
from tbcore.course.places import Course
from tbcore.course.slides_page import page
from tbcore.course.slides_pictures import Shown, arranged, shown
from tbcore.errors import MissingExtraError

__all__ = ["Slide", "body_of", "deck", "group", "slides_of", "tagged"]

_HEADING = re.compile(r"^#{1,6} +(.*)$", re.M)
_LEFT_OUT = ("Quiz", "Further reading")
_PICTURE = re.compile(r'(<img\b[^>]*?\bsrc=")([^"]+)(")')
_LONGEST_PRINT = 14  # lines of printed text on a slide
_MANY_WORDS = 75
_SHORT_QUESTION = 12  # words
_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}


@dataclass(slots=True)
class Slide:
    """One slide: its title, and the cells it shows."""

    title: str
    cells: list[Any] = field(default_factory=list[Any])

    @property
    def words(self) -> int:
        """Words of prose on it."""
        return sum(len(cell.source.split()) for cell in self.cells if cell.cell_type == "markdown")


def tagged(cell: Any) -> bool:
    """Whether a cell goes into the slides."""
    return "slide" in cell.metadata.get("tags", [])


def group(cells: Sequence[Any]) -> list[Slide]:
    """The tagged cells as slides; each has the title of the section it stands in.

    Args:
        cells: all cells of a notebook, in order.
    """
    slides: list[Slide] = []
    section, last = "", -2
    for place, cell in enumerate(cells):
        titles = _HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
        if tagged(cell):
            after_code = bool(slides) and slides[-1].cells[-1].cell_type == "code"
            reads = cell.cell_type == "markdown" and after_code and last == place - 1
            second = (
                cell.cell_type == "code" and bool(slides) and any(one.cell_type == "code" for one in slides[-1].cells)
            )
            opens = not reads and (second or last != place - 1 or _begins_with_heading(cell))
            if opens or not slides:
                slides.append(Slide(titles[0] if titles else section))
            slides[-1].cells.append(cell)
            last = place
        section = titles[-1] if titles else section
    return slides


def slides_of(course: Course, source: Path, *, profile: str = "laptop") -> list[Slide]:
    """A notebook's slides, with the outputs of its executed copy where there is one."""
    import nbformat

    cells = editions.build(source, "solved").cells
    copy = course.executed(profile, "solved") / f"{source.stem}.ipynb"
    if copy.is_file():
        shown = {cell.source: cell.outputs for cell in nbformat.read(copy, as_version=4).cells if cell.get("outputs")}
        for cell in cells:
            if cell.cell_type == "code":
                cell.outputs = shown.get(cell.source, [])
    return group(cells)


def deck(course: Course, source: Path, *, profile: str = "laptop") -> str:
    """All slides of a notebook as one HTML page, pictures inside.

    Raises:
        MissingExtraError: the notebook tools are not installed.
    """
    slides = slides_of(course, source, profile=profile)
    title = slides[0].title if slides else source.stem
    bodies = [body_of(slide, course.notebooks, first=n == 0) for n, slide in enumerate(slides)]
    return page(f"{source.stem[:2]} {title}", bodies)


def _begins_with_heading(cell: Any) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("#")


def body_of(slide: Slide, folder: Path, *, first: bool) -> tuple[str, str]:
    """Class names and inner HTML of a slide.

    Args:
        slide: with its outputs.
        folder: what addresses of pictures are relative to.
        first: whether it opens the deck.

    Raises:
        MissingExtraError: the notebook tools are not installed.
    """
    level = 1 if first else 2
    parts: list[str | Shown] = []
    seen_code = False
    for cell in slide.cells:
        if cell.cell_type == "markdown":
            parts.append(_markdown(_prose(cell.source, after_code=seen_code), folder))
        else:
            seen_code = True
            parts += list(_outputs(cell)) or [_without_outputs(cell.source)]
    names = ["first"] if first else []
    names += ["pictured"] if any(isinstance(one, Shown) or "<img" in one for one in parts) else ["spoken"]
    names += ["worded"] if any(isinstance(one, str) and one.strip() for one in parts) else []
    names += ["dense"] if slide.words > _MANY_WORDS else []
    return " ".join(names), f"<h{level}>{_inline(slide.title)}</h{level}>\n{arranged(parts)}"


def _prose(text: str, *, after_code: bool) -> str:
    """What of a text belongs on the slide: before its first heading if it reads a picture, else its first section."""
    pieces = re.split(r"^(?=#{1,6} )", text, flags=re.M)
    before, sections = pieces[0].strip(), [piece for piece in pieces[1:] if _title(piece) not in _LEFT_OUT]
    if (after_code and before) or not sections:
        return _reading(_without_lead(before)) if after_code else _without_lead(before)
    return _without_lead("\n".join(sections[0].splitlines()[1:]).strip())


def _without_lead(text: str) -> str:
    """The text without a last sentence that leads on, with a colon, to a cell which the slide does not show."""
    if not text.rstrip().endswith(":"):
        return text
    end = max((match.end() for match in re.finditer(r"[.!?](?=\s)", text)), default=0)
    return text[:end] or text


def _reading(text: str) -> str:
    """What a text says about a picture: not a last question which the next cell answers, and no more than fits."""
    paragraphs = text.split("\n\n")
    if len(paragraphs) > 1 and paragraphs[-1].endswith("?") and len(paragraphs[-1].split()) <= _SHORT_QUESTION:
        paragraphs.pop()
    while len(paragraphs) > 1 and sum(len(one.split()) for one in paragraphs) > _MANY_WORDS:
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def _title(section: str) -> str:
    return section.splitlines()[0].lstrip("# ").strip()


def _inline(text: str) -> str:
    return re.sub(r"\*\*?([^*]+)\*\*?", r"\1", html.escape(text, quote=False)).replace("`", "")


def _markdown(text: str, folder: Path) -> str:
    try:
        from nbconvert.filters.markdown_mistune import markdown2html_mistune
    except ImportError as error:
        raise MissingExtraError("slides need nbconvert. Install it: pip install '.[notebooks]'") from error

    return _PICTURE.sub(lambda match: match[1] + _inside(match[2], folder) + match[3], str(markdown2html_mistune(text)))


def _inside(address: str, folder: Path) -> str:
    """A picture of the course as a data address; anything else stays out of the slides."""
    path = folder / address
    if address.startswith("data:"):
        return address
    if path.suffix not in _TYPES or not path.is_file():
        return "data:,"
    return _data(path.read_bytes(), _TYPES[path.suffix])


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _outputs(cell: Any) -> Iterator[str | Shown]:
    """A code cell's pictures, each with its finding; its printed lines only if it has none."""
    found = False
    for one in cell.get("outputs", []):
        png = one.get("data", {}).get("image/png")
        if png:
            found = True
            yield from shown(base64.b64decode(png), one.get("metadata", {}).get("image/png", {}).get("alt", ""))
    if found:
        return
    printed = "".join(
        one.text for one in cell.get("outputs", []) if one.output_type == "stream" and one.name == "stdout"
    )
    if printed.strip():
        lines = printed.rstrip().splitlines()
        cut = [*lines[:_LONGEST_PRINT], "..."] if len(lines) > _LONGEST_PRINT else lines
        yield f'<pre class="printed">{html.escape(chr(10).join(cut))}</pre>'


def _without_outputs(source: str) -> str:
    """What stands for a cell that was not executed: a frame where a figure belongs, else its code."""
    if "checks.show(" in source:
        return '<p class="missing">A figure belongs here. Run this notebook, and write the kit again.</p>'
    return _code(source)


def _code(source: str) -> str:
    return f"<pre><code>{html.escape(source)}</code></pre>"
