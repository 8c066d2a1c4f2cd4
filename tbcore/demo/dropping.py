"""Pictures dropped onto the chat, or pasted into it: a small widget of our own hands the files over.

The browser's side is `dropping.js` beside this file, sent with the widget, so nothing is loaded from elsewhere. What
it sends is checked here like anything from outside: each file is one message with a name and one buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tbcore.demo.pictures import MAX_UPLOAD_BYTES
from tbcore.errors import InputError, MissingExtraError

__all__ = ["HOME", "MAX_FILES", "drop_zone", "dropped_file"]

HOME = "tbcore-chat"
"""Class of the element that files can be dropped onto, and in which they can be pasted."""

MAX_FILES = 8
"""Files taken from one drop."""

_SOURCE = Path(__file__).with_name("dropping.js")
_STYLE = ".tbcore-drop-here { outline: 3px dashed #2563eb; outline-offset: 4px; }"


def drop_zone(take: Callable[[str, bytes], None], fail: Callable[[Exception], None]) -> Any:
    """The widget; it belongs anywhere inside an element of class `HOME`.

    Args:
        take: gets name and content of each file, unread.
        fail: is told why something that arrived is no file.

    Raises:
        MissingExtraError: anywidget is not installed.
    """
    zone = _kind()(most_bytes=MAX_UPLOAD_BYTES, most_files=MAX_FILES, home=HOME)

    def arrived(_zone: Any, content: Any, buffers: Any) -> None:
        try:
            file = dropped_file(content, buffers)
        except InputError as error:
            fail(error)
        else:
            take(*file)

    zone.on_msg(arrived)
    return zone


def dropped_file(content: object, buffers: Sequence[Any] | None) -> tuple[str, bytes]:
    """Name and content of a file, from a message of the browser's side.

    Raises:
        InputError: the message has another form, or says that the file is too large or one too many.
    """
    row = content if isinstance(content, dict) else {}
    kind, name = row.get("kind"), row.get("name")
    if not isinstance(name, str) or kind not in ("file", "too large", "too many"):
        raise InputError("drop: what arrived is no file. Drop or paste picture files, or use the upload button.")
    shown = " ".join(name.split())[:80] or "picture"
    if kind == "too many":
        raise InputError(f"{shown}: at most {MAX_FILES} files at once. Drop the others in turn.")
    if kind == "too large":
        raise InputError(f"{shown}: at most {MAX_UPLOAD_BYTES:,} bytes are read. Make it smaller.")
    if not buffers or len(buffers) != 1:
        raise InputError(f"{shown}: it arrived without its content. Drop it again, or use the upload button.")
    return name, bytes(buffers[0])


@cache
def _kind() -> Any:
    """The widget's class; made once, when it is first needed."""
    try:
        import anywidget
        import traitlets
    except ModuleNotFoundError as error:
        raise MissingExtraError("dropping pictures needs anywidget: pip install anywidget") from error

    class DropZone(anywidget.AnyWidget):
        """A line of text; the chat around it takes files."""

        _esm = _SOURCE.read_text(encoding="utf-8")
        _css = _STYLE
        most_bytes = traitlets.Int(0).tag(sync=True)
        most_files = traitlets.Int(0).tag(sync=True)
        home = traitlets.Unicode("").tag(sync=True)

    return DropZone
