"""The tests, and the benchmarks beside them: a package, so that `python -m tests.benchmarks.X` finds them."""
