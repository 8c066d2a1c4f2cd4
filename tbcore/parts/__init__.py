"""Which parts a larger model is made of: their names, licences, sizes, and what they ask of a machine.

catalogue.toml  the one file that names parts of the hub
catalogue       reads it, and a parts file of your own
files           what lies in a folder: numbers and bytes from the headers of its weights, nothing loaded
cost            memory, downloads and hours, counted; a set that does not fit names the next smaller
accelerator     the GPU of this machine, if it has one
"""

from __future__ import annotations

__all__: list[str] = []
