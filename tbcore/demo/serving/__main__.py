"""`python -m tbcore.demo.serving`, the same as `python -m tbcore serve`."""

from __future__ import annotations

import sys

from tbcore.demo.serving.command import main

__all__ = []

if __name__ == "__main__":
    sys.exit(main())
