"""The bytes of a dialogue's pictures: read from one folder only, and only if they are pictures."""

from __future__ import annotations

import base64
from pathlib import Path, PurePosixPath

from tbcore.errors import InputError

__all__ = ["data_url", "picture_bytes", "picture_kind"]

_MAGIC = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
}


def picture_kind(content: bytes) -> str | None:
    """The kind that the first bytes tell, whatever the file is called; None if they tell none."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for kind, starts in _MAGIC.items() if content.startswith(starts)), None)


def picture_bytes(root: Path | str, name: str) -> bytes:
    """The file `name` below `root`.

    Raises:
        InputError: the name leads out of the folder, through a link, to nothing, or to a file that is no picture.
    """
    base = Path(root).resolve()
    path = PurePosixPath(name)
    place = base.joinpath(*path.parts)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or not place.resolve().is_relative_to(base)
    links = not outside and any(part.is_symlink() for part in (place, *place.parents) if part.is_relative_to(base))
    if outside or links or not name:
        raise InputError(f"picture {name!r}: a picture lies below {base} and is no link. Copy the file there.")
    if not place.is_file():
        raise InputError(f"picture {name!r}: there is no such file below {base}. Write the pictures first.")
    content = place.read_bytes()
    if picture_kind(content) is None:
        raise InputError(f"picture {name!r}: its first bytes are those of no picture (png, jpeg, gif, webp).")
    return content


def data_url(content: bytes) -> str:
    """A picture as the text of a `data:` address.

    Raises:
        InputError: the bytes are those of no picture.
    """
    kind = picture_kind(content)
    if kind is None:
        raise InputError("data_url: the first bytes are those of no picture (png, jpeg, gif, webp).")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
