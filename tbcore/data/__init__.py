"""From picture-caption pairs to a filtered dataset of conversations.

    pairs ─► embed ─► cluster ─► sample ─► prompt ─► generate ─► refine ─► filter ─► stats, export

Each stage reads records and gives records; no stage imports another.
"""

from __future__ import annotations

__all__: list[str] = []
