"""Pictures to vectors: what a frozen vision tower makes of each picture, of length one.

pictures ─► load_ahead ─► Encoder ─► VectorStore
            threads       a tower    float16 parts by pixel hash; a kill loses less than one part
"""

from __future__ import annotations

from tbcore.data.embed.ahead import Embedded, embed_into, load_ahead
from tbcore.data.embed.encoders import Encoder, HashingEncoder, OpenClipEncoder, TowerEncoder
from tbcore.data.embed.store import VectorStore
from tbcore.data.embed.vectors import embed

__all__ = [
    "Embedded",
    "Encoder",
    "HashingEncoder",
    "OpenClipEncoder",
    "TowerEncoder",
    "VectorStore",
    "embed",
    "embed_into",
    "load_ahead",
]
