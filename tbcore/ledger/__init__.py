"""Paid calls: every call is written down before it is made, every answer before it is read.

journal     the SQLite file: calls, attempts and their states
budget      caps on calls, tokens and money
caller      asks a teacher through the journal
"""

from __future__ import annotations

__all__: list[str] = []
