"""Put freshly trained parts in the place of the shipped ones, but only those that are better.

    python -m tbcore.train.adopt --from runs/pretrain

Weights weigh on a repository for ever, so a part is replaced only where its score on validation captions rises. The
test split is never looked at here; `make check-zoo` measures that afterwards.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from tbcore.errors import MissingFileError, TbcoreError
from tbcore.model.painter.pipeline import load_painter
from tbcore.model.trained_reader import load_trained_reader
from tbcore.train.pretrain_painter import scene_exact
from tbcore.train.pretrain_qformer import qformer_reads
from tbcore.train.pretrain_reader import reader_right
from tbcore.train.pretrain_tower import recall_at_1
from tbcore.weights.zoo import ZOO, load_tower, write_hashes

__all__ = ["SCORES", "adopt", "main"]

log = logging.getLogger(__name__)


def _painter(folder: Path) -> float:
    shares = scene_exact(load_painter(folder), n=32)
    return sum(shares.values()) / len(shares)


SCORES: dict[str, Callable[[Path], float]] = {
    "tower": lambda folder: recall_at_1(load_tower(folder)),
    "reader": lambda folder: reader_right(load_trained_reader(folder), 0),
    "painter": _painter,
    "qformer": lambda folder: qformer_reads(folder)[1],
}
"""Part -> its score on the validation split, from its folder; higher is better."""


def adopt(fresh: Path, shipped: Path = ZOO, scores: dict[str, Callable[[Path], float]] | None = None) -> list[str]:
    """Replace the parts of `shipped` that `fresh/PART/weights` beats; returns their names.

    Raises:
        MissingFileError: there is nothing to compare.
    """
    found = {name: fresh / name / "weights" for name in SCORES if (fresh / name / "weights").is_dir()}
    if not found:
        raise MissingFileError(
            f"{fresh}: no PART/weights folder of {sorted(SCORES)} there; `make pretrain` writes them"
        )
    replaced: list[str] = []
    for name, folder in found.items():
        score = (scores or SCORES)[name]
        new, old = score(folder), _or_nothing(score, shipped / name)
        log.info("%s: %.4f against %.4f of the shipped one", name, new, old)
        if new > old:
            shutil.rmtree(shipped / name, ignore_errors=True)
            shutil.copytree(folder, shipped / name)
            replaced.append(name)
    write_hashes(shipped)
    return replaced


def _or_nothing(score: Callable[[Path], float], folder: Path) -> float:
    """The shipped part's score; one that cannot be loaded any more, after a change of its code, counts as -1."""
    try:
        return score(folder)
    except (TbcoreError, OSError) as error:
        log.info("%s: cannot be used any more: %s", folder, error)
        return -1.0


def main() -> None:
    """Compare, replace, and say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="fresh", type=Path, default=Path("runs/pretrain"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log.info("replaced: %s. Now run `make check-zoo`.", ", ".join(adopt(args.fresh)) or "nothing")


if __name__ == "__main__":
    main()
