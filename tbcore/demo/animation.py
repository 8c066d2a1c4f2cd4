"""A short film of the chat: `python -m tbcore.demo.animation --checkpoint FOLDER --out docs/demo.webp`.

A browser opens the real page on the real model, a program clicks as a reader would, and what stands on the screen is
photographed while it changes. Waiting is shortened to fit the film; nothing that is seen is made up.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from tbcore.demo.page import opened
from tbcore.errors import InputError, MissingExtraError, TbcoreError

__all__ = ["Film", "main", "record"]

_PATIENCE_MS = 300_000
_STILL_S, _END_S = 0.6, 2.0
_SIZE = {"width": 760, "height": 620}
_BROWSER = "/usr/bin/chromium"
_WISH = "Please draw a tiger on a sandy beach."


@dataclass(slots=True)
class Film:
    """Pictures of a screen with the times they were taken at.

    Attributes:
        frames: seconds and picture, in order; a picture that equals the one before is left out.
    """

    frames: list[tuple[float, Image.Image]] = field(default_factory=list[tuple[float, Image.Image]])

    def take(self, second: float, picture: Image.Image) -> None:
        """Add what is seen at this second."""
        if not self.frames or ImageChops.difference(self.frames[-1][1], picture).getbbox() is not None:
            self.frames.append((second, picture))

    def durations(self, seconds: float) -> list[int]:
        """How long each frame is shown, in milliseconds; together `seconds`.

        Long waits count as `_STILL_S`, and the last frame stays for `_END_S`; the rest is scaled.

        Raises:
            InputError: there is no frame.
        """
        if not self.frames:
            raise InputError("film: nothing was taken. Take at least one picture.")
        times = [second for second, _ in self.frames]
        waits = [min(later - now, _STILL_S) for now, later in pairwise(times)]
        end = min(_END_S, seconds)
        scale = (seconds - end) / sum(waits) if waits else 0.0
        shown = [max(20, round(1000 * wait * scale)) for wait in waits]
        return [*shown, max(20, round(1000 * seconds) - sum(shown))]

    def save(self, path: Path, *, seconds: float = 10, most_bytes: int = 2_000_000) -> int:
        """Write it as an animated WebP, as good as fits; returns its bytes.

        Raises:
            InputError: even the smallest does not fit.
        """
        shown = self.durations(seconds)
        for quality, share in ((75, 1.0), (55, 1.0), (40, 0.8), (30, 0.6)):
            pictures = [_smaller(picture, share) for _, picture in self.frames]
            buffer = io.BytesIO()
            pictures[0].save(
                buffer, "WEBP", save_all=True, append_images=pictures[1:], duration=shown, loop=0, quality=quality,
                method=4, minimize_size=True,
            )  # fmt: skip
            if buffer.tell() <= most_bytes:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(buffer.getvalue())
                return buffer.tell()
        raise InputError(f"film: {len(pictures)} frames do not fit into {most_bytes:,} bytes. Take fewer.")


class _Camera:
    """Photographs the page while something is waited for."""

    def __init__(self, page: Any) -> None:
        self.page, self.film, self._started = page, Film(), time.monotonic()

    def shoot(self) -> None:
        self.page.evaluate(_TO_THE_END)
        shown = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.film.take(time.monotonic() - self._started, shown)

    def until(self, done: Callable[[], bool]) -> None:
        """Shoot until it is so.

        Raises:
            InputError: it does not become so in time.
        """
        began = time.monotonic()
        while not done():
            self.shoot()
            if time.monotonic() - began > _PATIENCE_MS / 1000:
                raise InputError("film: the page does not come to an end. Is the model server alive?")
        self.shoot()


# What was said last is seen, and the message below it.
_TO_THE_END = """() => {
    const message = document.querySelector(".tbcore-chat textarea");
    if (message) message.scrollIntoView({block: "end"});
}"""


def record(page: Any, wishes: Sequence[str]) -> Film:
    """Ask about the first postcard, then wish for drawings, in a page with the chat.

    Args:
        page: of a browser, with the chat in it.
        wishes: further messages.
    """
    camera = _Camera(page)
    send, said = page.get_by_role("button", name="Send"), page.locator("article")
    message = page.get_by_placeholder("Write here, then press Send")
    writing = page.get_by_text("The assistant is writing ...")
    camera.shoot()
    page.get_by_role("button", name="Try: What do you see?").click()
    camera.until(lambda: message.input_value() != "")
    for number, wish in enumerate(["", *wishes], start=1):
        if wish:
            for word in wish.split(" "):
                message.press_sequentially(f"{word} ")
                camera.shoot()
        send.click()
        camera.until(lambda number=number: said.count() >= 2 * number and send.is_enabled() and not writing.count())
    return camera.film


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the film; returns the exit status."""
    options = _parser().parse_args(arguments)
    serving = ["--tiny"] if options.tiny else ["--checkpoint", str(options.checkpoint)]
    try:
        from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise MissingExtraError("the film needs playwright: pip install 'tbcore[browser]'") from error
    try:
        with opened(serving) as site, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=str(options.browser), args=["--no-sandbox"])
            page = browser.new_page(viewport=_SIZE)  # type: ignore[arg-type]
            page.set_default_timeout(_PATIENCE_MS)
            page.goto(site.address, wait_until="commit")
            page.get_by_role("button", name="Send").wait_for()
            film = record(page, options.wish)
            browser.close()
        size = film.save(options.out, seconds=options.seconds)
        if options.frames:
            options.frames.mkdir(parents=True, exist_ok=True)
            for number, (_, picture) in enumerate(film.frames):
                picture.save(options.frames / f"{number:03d}.png")
    except TbcoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    took = film.frames[-1][0] - film.frames[0][0]
    sys.stdout.write(f"{options.out}: {len(film.frames)} frames, {size:,} bytes; the talk took {took:.0f} s\n")
    return 0


def _smaller(picture: Image.Image, share: float) -> Image.Image:
    if share == 1:
        return picture
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tbcore.demo.animation", description="a short film of the chat")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/laptop/06_training/checkpoint"))
    parser.add_argument("--tiny", action="store_true", help="a random model in miniature")
    parser.add_argument("--out", type=Path, default=Path("docs/demo.webp"))
    parser.add_argument("--frames", type=Path, help="a folder that gets every frame as PNG")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--wish", nargs="*", default=[_WISH], help="what is said next")
    parser.add_argument("--browser", type=Path, default=Path(os.environ.get("TBCORE_CHROMIUM", _BROWSER)))
    return parser


if __name__ == "__main__":
    sys.exit(main())
