"""The process behind `LimitedDecoder`: eight bytes of length and a file come in, one JSON line goes out."""

from __future__ import annotations

import json
import sys

from tbcore.data.pairs.pictures import decode

__all__ = ["main"]


def main() -> None:
    """The limited process: answer until the input ends."""
    if sys.platform != "win32":  # there, only the time limit holds
        import resource

        limit = int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(8):
        found = decode(source.read(int.from_bytes(head, "big")))
        sink.write(json.dumps(found if isinstance(found, tuple) else None).encode() + b"\n")
        sink.flush()


if __name__ == "__main__":
    main()
