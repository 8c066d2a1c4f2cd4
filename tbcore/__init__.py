"""TextBind Workshop: conversations that look at pictures and draw them, built and trained step by step.

    pairs -> embed -> cluster -> sample -> prompt -> generate -> refine -> filter -> dialogues
    dialogues -> pack -> pre-align -> stage 1 -> stage 2 -> decode -> chat

Each stage reads records from the run folder and writes records to it. The notebooks walk through them in this
order. Importing this package loads nothing heavy.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
