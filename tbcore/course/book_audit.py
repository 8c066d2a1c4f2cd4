"""Does the built book stand alone? Every link inside it has a target, and nothing is loaded from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Page", "audit", "read_page"]

_LOADS = {("img", "src"), ("script", "src"), ("source", "src"), ("iframe", "src"), ("video", "src"), ("object", "data")}
_LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest", "search"}


@dataclass(kw_only=True)
class Page:
    """What one page refers to.

    Args:
        links: targets of its anchors, as written.
        loads: what the browser fetches to show it.
        anchors: ids that a link can lead to.
        pictures_without_alt: sources of such pictures.
    """

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    pictures_without_alt: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.page.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and found.get("href"):
            self.page.links.append(found["href"])
        if tag == "link" and found.get("href") and _LOADING_LINKS & set(found.get("rel", "").split()):
            self.page.loads.append(found["href"])
        self.page.loads += [found[name] for name in ("src", "data") if (tag, name) in _LOADS and name in found]
        if tag == "img" and "alt" not in found:
            self.page.pictures_without_alt.append(found.get("src", ""))


def read_page(path: Path) -> Page:
    """Links, loaded files and anchors of an HTML file."""
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    return reader.page


def audit(folder: Path) -> list[str]:
    """What is wrong with a built book, a line each; empty if it stands alone.

    Args:
        folder: holds `index.html`.
    """
    root = folder.resolve()
    pages = {path: read_page(path) for path in sorted(root.rglob("*.html")) if "_static" not in path.parts}
    found: list[str] = []
    for path, page in pages.items():
        where = path.relative_to(root).as_posix()
        found += [f"{where}: picture {one!r} has no alt text" for one in page.pictures_without_alt]
        found += [f"{where}: loads {one!r} from outside" for one in page.loads if _outside(one)]
        for link in [one for one in page.links + page.loads if not _elsewhere(one)]:
            trouble = _broken(link, path, root, pages)
            if trouble:
                found.append(f"{where}: {trouble}")
    return found


def _outside(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme in {"http", "https", "ftp"}


def _elsewhere(link: str) -> bool:
    return _outside(link) or urlsplit(link).scheme in {"data", "mailto", "javascript"}


def _broken(link: str, page: Path, root: Path, pages: dict[Path, Page]) -> str:
    """What is wrong with a link inside the book; empty if nothing."""
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target != root and root not in target.parents:
        return f"link {link!r} leads out of the book"
    if not target.is_file():
        return f"link {link!r} has no target"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors | {"top"}:
        return f"link {link!r} names an anchor that {target.name} does not have"
    return ""
