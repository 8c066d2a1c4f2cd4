"""`python -m tbcore serve`, and a server in the background of a program."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tbcore.demo.engine import Engine
from tbcore.demo.serving.app import ServeSettings, build_app
from tbcore.errors import InputError, MissingExtraError, TbcoreError

__all__ = ["main", "running"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_GRACE_S = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a model, serve it until interrupted; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        token = os.environ.get(options.token_variable, "")
        if options.host not in _LOOPBACK and not token:
            raise InputError(
                f"--host {options.host}: other computers could ask too, so a token is needed. Put one into the "
                f"environment variable {options.token_variable}, or leave --host out."
            )
        settings = ServeSettings(token=token, hosts=tuple(options.name or (options.host,)))
        server = _server(_engine(options), settings, host=options.host, port=options.port, quiet=False)
        listening = _listen(options.host, options.port)
        address = f"http://{options.host}:{listening.getsockname()[1]}/v1"
        sys.stdout.write(f"Serving at {address}. Interrupt (Ctrl+C) to stop.\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):  # raised again by the server when it has stopped in good order
            server.run([listening])
    except TbcoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


@contextmanager
def running(engine: Engine, settings: ServeSettings | None = None, *, port: int = 0) -> Iterator[str]:
    """A server on a thread of this program, for as long as the block runs.

    Args:
        engine: answers.
        settings: who may ask, and how much.
        port: 0 takes a free one.

    Yields:
        The base URL for clients, ending in /v1.

    Raises:
        InputError: the port is taken, or the server does not start.
    """
    listening = _listen("127.0.0.1", port)
    server = _server(engine, settings or ServeSettings(), host="127.0.0.1", port=port, quiet=True)
    thread = threading.Thread(target=server.run, args=([listening],), name="tbcore-serve", daemon=True)
    thread.start()
    started = time.monotonic()
    while not server.started:
        if not thread.is_alive() or time.monotonic() - started > _GRACE_S:
            raise InputError("running: the server did not start; its log says why.")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.leave()
        thread.join(_GRACE_S)
        listening.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tbcore serve", description="one model for many windows")
    parser.add_argument(
        "--run-dir", type=Path, default=Path("runs/laptop"), help="where notebook 06 left its checkpoint"
    )
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint folder, in place of the run's")
    parser.add_argument("--tiny", action="store_true", help="a random model in miniature: nonsense, but at once")
    parser.add_argument("--painter-steps", type=int, default=16, help="denoising steps per drawing")
    parser.add_argument("--memory-mb", type=int, default=512, help="for conversations kept in memory")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; others than 127.0.0.1 need a token")
    parser.add_argument("--name", nargs="+", metavar="HOST", help="host names under which clients reach the server")
    parser.add_argument("--port", type=int, default=8808, help="0 takes a free one")
    parser.add_argument("--token-variable", default="TBCORE_TOKEN", help="environment variable that holds the token")
    return parser


def _engine(options: argparse.Namespace) -> Engine:
    from tbcore.demo import assistant

    if options.tiny:
        return assistant.tiny_assistant(memory_bytes=options.memory_mb << 20)
    checkpoint = options.checkpoint or options.run_dir / "06_training" / "checkpoint"
    return assistant.load_assistant(
        checkpoint, painter_steps=options.painter_steps, memory_bytes=options.memory_mb << 20
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InputError(f"{host}:{port}: cannot listen there ({error.strerror}). Choose another --port.") from error
    return listening


def _server(engine: Engine, settings: ServeSettings, *, host: str, port: int, quiet: bool) -> Any:
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtraError("the server needs fastapi and uvicorn: pip install 'tbcore[serve]'") from error
    app = build_app(engine, settings)

    class Server(uvicorn.Server):
        """Tells those who wait to go as soon as it is asked to stop; who is being answered is answered."""

        home: asyncio.AbstractEventLoop | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            self.home = asyncio.get_running_loop()
            await super().startup(sockets)

        def handle_exit(self, sig: int, frame: Any) -> None:
            super().handle_exit(sig, frame)  # first: a second signal would cut off those who are being answered
            self.leave()

        def leave(self) -> None:
            self.should_exit = True
            if self.home is not None and not self.home.is_closed():
                self.home.call_soon_threadsafe(app.state.desk.close)

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning" if quiet else "info",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="on",
        ws="none",
    )
    return Server(config)


if __name__ == "__main__":
    sys.exit(main())
