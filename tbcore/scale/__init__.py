"""Outgrowing one computer: the stages of the data engine on Ray, and a plan of what a large run takes.

    rows ─► shards ─► workers ─► merge
            by the    a stage    by place: the bytes
            id's      of         of a run on one
            hash      tbcore     machine
                      .data

shards    a shard is the hash of a row's id; results are merged by the rows' places
runner    one stage over all shards: in this program, or on Ray workers that hold the models
session   a Ray session of one's own, or a cluster by its address
stages    judging, finding duplicates and exporting, by the functions of tbcore.data
embedding, generation    the two stages that keep something beside their rows: vectors, and a ledger per shard
ledgers   ledgers of shards: dealt out, and merged by key
assign    k-means for millions: a fitted part, and every vector to its nearest centroid in chunks
plan      what a large run takes: counted work, stated rates, hours and money
launch, training_shards   training in many processes, from shards that any of them can enter at any place

The workers of a cluster need the run's folder under the same path: it lies on a shared disk.
"""

from __future__ import annotations

__all__: list[str] = []
