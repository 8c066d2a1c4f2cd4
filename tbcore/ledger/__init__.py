"""Paid calls: every call is written down before it is made, every answer before it is read.

journal     the SQLite file: calls, attempts, batches and their states
commits     group commit: many calls share one sync of the disk
budget      caps on calls, tokens and money
prices      a dated price table, and a quote from a pilot
caller      asks a teacher through the journal, one call after the other
many        many calls at once, answers in the order of the calls
pace, gate  how many at once: learned from the teacher, and kept to
batch       calls handed over as batches, answered hours later
report      where the money stands, and the calls that brought nothing
"""

from __future__ import annotations

__all__: list[str] = []
