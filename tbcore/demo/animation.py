"""A short film of the chat: `python -m tbcore.demo.animation --checkpoint FOLDER --out docs/demo.webp`.

A browser opens the real page on the real model, a program clicks as a reader would, and what stands on the screen is
photographed while it changes. Waiting is shortened to fit the film; nothing that is seen is made up.

The film shows a talk that goes well, so it is no measure of the model: postcards and wishes are rehearsed one after the
other, and the first talk is filmed whose answer names all that is on the card, and whose drawing the exact reader finds
as it was wished. How many were tried is said at the end; put it into the caption of the film.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from tbcore.demo.client import EndpointEngine
from tbcore.demo.conversation import Conversation
from tbcore.demo.engine import Engine
from tbcore.demo.page import opened
from tbcore.demo.postcards import palette
from tbcore.demo.transcript import Drawing
from tbcore.errors import InputError, MissingExtraError, TbcoreError
from tbcore.world.captions import Problem, parse_caption
from tbcore.world.reader import read
from tbcore.world.scenes import Scene

__all__ = ["Film", "Talk", "main", "record", "rehearse"]

_PATIENCE_MS = 300_000
_STILL_S, _END_S = 0.6, 2.0
_SIZE = {"width": 760, "height": 620}
_BROWSER = "/usr/bin/chromium"
_BROWSER_OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage")  # as containers need it
_QUESTION = "What do you see?"
_WISHES = (
    "a tiger on a sandy beach",
    "a pig in a green meadow",
    "a fish in the sea",
    "an apple in a green meadow",
    "a tractor in the desert",
    "a rose on a sandy beach",
)


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


@dataclass(frozen=True, slots=True)
class Talk:
    """What is asked about and wished for.

    Attributes:
        card: which postcard of the palette, from 0.
        wish: a caption.
        answer: what the model said to the card; empty: it was not rehearsed.
        tried: talks that were rehearsed, this one included.
    """

    card: int
    wish: str
    answer: str = ""
    tried: int = 0


def rehearse(engine: Engine, cards: Mapping[str, NDArray[np.uint8]], wishes: Sequence[str]) -> Talk:
    """The first talk that goes well.

    Args:
        engine: answers; it must say the same to the same talk each time.
        cards: captions and pictures uint8[y x 3], as the page offers them.
        wishes: captions.

    Raises:
        InputError: a wish is no caption of a postcard, or no talk goes well.
    """
    wanted = [(wish, parse_caption(wish)) for wish in wishes]
    for wish, scene in wanted:
        if isinstance(scene, Problem):
            raise InputError(
                f"film: the wish {wish!r} is no caption of a postcard ({scene.reason}). Write another one."
            )
    tried = 0
    for number, (told, card) in enumerate(cards.items()):
        chat = Conversation(engine)
        chat.send([card, _QUESTION])
        tried += 1
        answer = chat.turns[-1].text
        if not _same(parse_caption(answer), parse_caption(told)):
            continue
        for place, (wish, scene) in enumerate(wanted):
            tried += bool(place)
            chat.send(_wished(wish))
            drawn = chat.transcript.drawings(chat.turns[-1])
            if len(drawn) == 1 and _same(parse_caption(drawn[0].caption), scene) and _same(_found(drawn[0]), scene):
                return Talk(number, wish, answer, tried)
            chat.undo()
    raise InputError(
        f"film: of {tried} talks none went well. Train longer, name other wishes with --wish, or film the first talk "
        "with --as-it-comes."
    )


def _found(drawing: Drawing) -> Scene | None:
    """What the exact reader sees in a drawing."""
    return read(drawing.picture).scene if drawing.picture.shape == (64, 64, 3) else None


def _same(one: Scene | Problem | None, other: Scene | Problem | None) -> bool:
    """Whether both show the same things before the same backdrop."""
    if not isinstance(one, Scene) or not isinstance(other, Scene):
        return False
    return (one.backdrop, one.things) == (other.backdrop, other.things)


def _wished(wish: str) -> str:
    return f"Please draw {wish}."


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


def record(page: Any, talk: Talk) -> Film:
    """Ask about a postcard, then wish for a drawing, in a page with the chat.

    Args:
        page: of a browser, with the chat in it.
        talk: what to ask about, and to wish for.

    Raises:
        InputError: it does not come to an end, or goes otherwise than in the rehearsal.
    """
    camera = _Camera(page)
    send, said = page.get_by_role("button", name="Send"), page.locator("article")
    message = page.get_by_placeholder("Write here, then press Send")
    writing = page.get_by_text("The assistant is writing ...")
    camera.shoot()
    page.get_by_role("button", name=f"Add postcard {talk.card + 1}").click()
    camera.until(lambda: page.get_by_alt_text("a picture you are about to send").count() == 1)
    for number, words in enumerate([_QUESTION, _wished(talk.wish)], start=1):
        for word in words.split(" "):
            message.press_sequentially(f"{word} ")
            camera.shoot()
        send.click()
        camera.until(lambda number=number: said.count() >= 2 * number and send.is_enabled() and not writing.count())
    if talk.answer and not said.nth(1).inner_text().endswith(talk.answer):
        raise InputError(f"film: in the rehearsal it said {talk.answer!r}, now another thing. Try again.")
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
            talk = _chosen(site.server, options)
            browser = play.chromium.launch(executable_path=str(options.browser), args=list(_BROWSER_OPTIONS))
            page = browser.new_page(viewport=_SIZE)  # type: ignore[arg-type]
            page.set_default_timeout(_PATIENCE_MS)
            page.goto(site.address, wait_until="commit")
            page.get_by_role("button", name="Send").wait_for()
            film = record(page, talk)
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
    how = f"the first of {talk.tried} talks to go well" if talk.tried else "as it came"
    sys.stdout.write(f"Postcard {talk.card + 1}, then {talk.wish!r}: {how}. Say so in the caption.\n")
    return 0


def _chosen(server: str, options: argparse.Namespace) -> Talk:
    """The talk to be filmed."""
    if options.tiny or options.as_it_comes:
        return Talk(0, options.wish[0])
    engine = EndpointEngine(server)
    try:
        return rehearse(engine, palette(), options.wish)
    finally:
        engine.close()


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
    parser.add_argument(
        "--wish", nargs="+", default=list(_WISHES), help="captions to wish for, the first that goes well"
    )
    parser.add_argument("--as-it-comes", action="store_true", help="film the first talk without a rehearsal")
    parser.add_argument("--browser", type=Path, default=Path(os.environ.get("TBCORE_CHROMIUM", _BROWSER)))
    return parser


if __name__ == "__main__":
    sys.exit(main())
