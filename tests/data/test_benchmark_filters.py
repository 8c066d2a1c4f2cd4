"""The benchmark of the filter measures what it says, on small sizes."""

from __future__ import annotations

from tests.benchmarks import data_filters


def test_the_benchmark_finds_no_mismatch_and_little_memory() -> None:
    assert data_filters.mismatches(100) == 0
    assert data_filters.codec_failures(500) == 0
    assert data_filters.memory(3000) <= 100  # the allowance of the full size, and some noise of so few
    assert data_filters.speed(200) > 0
