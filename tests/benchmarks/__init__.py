"""Benchmarks: ratios within one run, never bare times. `python -m tests.benchmarks.X` writes one JSON file."""
