"""Picture-caption pairs from where people have them, one at a time.

    folder + captions.jsonl/csv ─┐
    Hugging Face, disk or hub   ─┤
    parquet, bytes or paths     ─┼─► Draft ─► checks ─► Record (pair + picture) | Rejection (code + place)
    webdataset tar shards       ─┤
    LLaVA json                  ─┘

Nothing in a source is trusted: paths stay inside it, a file must begin like a picture, its header is read
before it is decoded, and what cannot be used becomes a rejection that names file and line. The rest goes on.
Memory holds one picture and a few bytes per id, however long the source is.
"""

from __future__ import annotations

from tbcore.data.pairs.captions import caption_flags, sanitise
from tbcore.data.pairs.drafts import Guard, Record
from tbcore.data.pairs.limited import LimitedDecoder
from tbcore.data.pairs.pictures import MAX_BYTES, MAX_PIXELS, MIN_SIDE, check_picture, load_picture
from tbcore.data.pairs.reading import Kind, Options, Sieve, kind_of, read_folder, read_pairs, read_records

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "Guard",
    "Kind",
    "LimitedDecoder",
    "Options",
    "Record",
    "Sieve",
    "caption_flags",
    "check_picture",
    "kind_of",
    "load_picture",
    "read_folder",
    "read_pairs",
    "read_records",
    "sanitise",
]
