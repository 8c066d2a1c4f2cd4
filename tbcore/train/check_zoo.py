"""Measure what is shipped, ceilings first: what the parts can do bounds what the assistant can.

    make check-zoo            about five minutes on two cores; writes tbcore/weights/zoo/scores.json

Every share is printed with its number of items and its 95 % interval (Wilson). All scenes are of the test split, which
nothing trained on.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tbcore.errors import InputError
from tbcore.model.painter.pipeline import GUIDANCE, PostcardPipeline, load_painter
from tbcore.model.trained_reader import TrainedReader, load_trained_reader
from tbcore.seeds import stream
from tbcore.store import write_bytes
from tbcore.train.build import assemble, load_shipped_qformer
from tbcore.train.evaluate import wilson
from tbcore.train.painter_updates import to_pixels
from tbcore.train.pretrain_qformer import EXAMINED, reads
from tbcore.train.pretrain_reader import disturbed
from tbcore.train.pretrain_tower import recall_at_1
from tbcore.train.probes import probe_fields
from tbcore.weights.zoo import ZOO, load_tower
from tbcore.world.captions import caption
from tbcore.world.reader import nearest_many, read_many
from tbcore.world.render import render_many
from tbcore.world.scenes import Scene, sample_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "SCORES_BEGIN",
    "SCORES_END",
    "check_painter",
    "check_qformer",
    "check_reader",
    "check_tower",
    "confusions",
    "main",
    "noisy",
    "paint_scenes",
    "score_table",
    "trade_off",
    "write_card",
]

log = logging.getLogger(__name__)

SCORES_BEGIN = "<!-- scores: written by make check-zoo -->"
SCORES_END = "<!-- end of scores -->"

Rows = dict[str, dict[str, float]]


def _share(right: int, n: int) -> dict[str, float]:
    share = wilson(right, n)
    return {"value": share.value, "low": share.low, "high": share.high, "n": n}


def _scenes(purpose: str, n: int, seed: int, **kind: Any) -> list[Scene]:
    """`n` different scenes of the test split."""
    rng, found = stream(seed, f"check-zoo/{purpose}"), dict[Scene, None]()
    for _ in range(50 * n):
        found.setdefault(sample_scene(rng, split="test", **kind))
        if len(found) == n:
            break
    return list(found)


def noisy(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shift each picture by one pixel some way and add noise of sigma 8 grey levels; uint8[n 64 64 3] both ways."""
    moves = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    out = np.empty_like(pictures)
    for k, picture in enumerate(pictures):
        dy, dx = moves[int(rng.integers(len(moves)))]
        moved = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")[1 + dy : 65 + dy, 1 + dx : 65 + dx]
        out[k] = np.clip(np.rint(moved + rng.normal(0, 8, size=moved.shape)), 0, 255)
    return out


def paint_scenes(
    pipeline: PostcardPipeline, scenes: Sequence[Scene], *, seed: int = 0, batch: int = 32, **sampling: Any
) -> NDArray[np.uint8]:
    """Draw one phrasing of each scene, each with its own seed: uint8[n 64 64 3]."""
    rng = stream(seed, "check-zoo/phrasing")
    captions = [caption(scene, rng) for scene in scenes]
    drawn: list[NDArray[np.uint8]] = []
    for start in range(0, len(scenes), batch):
        some = captions[start : start + batch]
        generators = [torch.Generator().manual_seed(seed + start + k) for k in range(len(some))]
        drawn.append(np.asarray(pipeline(some, generator=generators, output_type="np", **sampling).images))
    return np.concatenate(drawn)


def _agreement(trained: TrainedReader, pictures: NDArray[np.uint8]) -> tuple[int, int]:
    """On how many of the accepted pictures both readers name the same scene, and how many are accepted."""
    readings = read_many(pictures)
    accepted = [k for k, reading in enumerate(readings) if reading.scene is not None]
    if not accepted:
        return 0, 0
    second = trained.read_many(pictures[accepted])
    return sum(readings[k].scene == one for k, one in zip(accepted, second, strict=True)), len(accepted)


def check_reader(trained: TrainedReader, painted: NDArray[np.uint8], *, n: int = 2300, seed: int = 0) -> Rows:
    """Is the judge right on clean and noisy renders, and does a second, trained reader agree with it?

    Args:
        trained: the second reader.
        painted: pictures that the painter drew, uint8[m 64 64 3]; only those that the first reader accepts count.
        n: clean and noisy pictures each.
        seed: of scenes and noise.
    """
    scenes = _scenes("reader", n, seed)
    clean = render_many(scenes)
    rough = noisy(clean, stream(seed, "check-zoo/noise"))
    rows: Rows = {}
    for name, pictures in (("clean", clean), ("noisy", rough)):
        right = sum(one.scene == scene for one, scene in zip(read_many(pictures), scenes, strict=True))
        rows[f"reader.{name}"] = _share(right, len(scenes))
    agreed = [_agreement(trained, pictures) for pictures in (clean, rough, painted)]
    for name, (same, accepted) in zip(("clean", "noisy", "painted"), agreed, strict=True):
        if accepted:  # an early painter may have drawn nothing that is accepted
            rows[f"reader.agreement_{name}"] = _share(same, accepted)
    rows["reader.agreement"] = _share(sum(same for same, _ in agreed), sum(accepted for _, accepted in agreed))
    return rows


def confusions(pictures: NDArray[np.uint8], scenes: Sequence[Scene]) -> Counter[tuple[str, str]]:
    """Count (what stands there, what the exact reader names instead), thing by thing; uint8[n 64 64 3]."""
    counted: Counter[tuple[str, str]] = Counter()
    for reading, scene in zip(nearest_many(pictures), scenes, strict=True):
        if reading.scene is None or len(reading.scene.things) != len(scene.things):
            counted["(the number of things)", "(another number)"] += 1
            continue
        counted.update((a, b) for a, b in zip(scene.things, reading.scene.things, strict=True) if a != b)
    return counted


def trade_off(
    good: NDArray[np.uint8], scenes: Sequence[Scene], bad: NDArray[np.uint8], limits: Sequence[float]
) -> list[dict[str, float]]:
    """What each limit on the distance costs: good pictures refused or misread, and bad pictures accepted.

    Args:
        good: pictures that should be accepted, uint8[n 64 64 3].
        scenes: what they show.
        bad: pictures that no scene explains, uint8[m 64 64 3].
        limits: distances in grey levels.
    """
    seen, unseen = nearest_many(good), nearest_many(bad)
    curve: list[dict[str, float]] = []
    for limit in limits:
        right = sum(one.scene == scene and one.distance <= limit for one, scene in zip(seen, scenes, strict=True))
        accepted = sum(one.scene is not None and one.distance <= limit for one in unseen)
        curve.append({"limit": limit, "good_read_right": right / len(good), "bad_accepted": accepted / len(bad)})
    return curve


def check_tower(*, train: int = 3000, test: int = 400, seed: int = 0) -> Rows:
    """Retrieval of the pooled vectors, and a linear probe of every field of the scene on the frozen patches."""
    tower = load_tower()
    n = 400
    rows: Rows = {"tower.recall_at_1": _share(round(n * recall_at_1(tower, n=n, seed=seed)), n)}
    for count in (1, 2, 3):
        found = probe_fields(tower, n_things=count, train=train, test=test, seed=seed)
        rows |= {f"tower.probe_{name}_{count}": _share(right, total) for name, (right, total) in found.items()}
    worst = min((rows[f"tower.probe_things_{count}"] for count in (1, 2, 3)), key=lambda row: row["value"])
    return {"tower.probe_things": worst} | rows


def check_painter(pipeline: PostcardPipeline, *, n: int = 200, seed: int = 0) -> tuple[Rows, NDArray[np.uint8]]:
    """The ceiling (reconstructions read right), whole scenes drawn right for 1, 2 and 3 things, and the time of one.

    Returns:
        The rows, and the pictures that were drawn, uint8[3*n 64 64 3].
    """
    scenes = _scenes("painter/ceiling", 2 * n, seed)
    with torch.no_grad():
        latents = pipeline.autoencoder.encode(to_pixels(render_many(scenes)))
    given_back = read_many(pipeline.preview(latents))
    rows: Rows = {
        "painter.ceiling": _share(
            sum(one.scene == scene for one, scene in zip(given_back, scenes, strict=True)), len(scenes)
        )
    }
    drawn: list[NDArray[np.uint8]] = []
    for count in (1, 2, 3):
        wanted = _scenes(f"painter/{count}", n, seed, n_things=count)
        pictures = paint_scenes(pipeline, wanted, seed=seed)
        drawn.append(pictures)
        pairs = list(zip(read_many(pictures), nearest_many(pictures), wanted, strict=True))
        rows[f"painter.scene_exact_{count}"] = _share(sum(one.scene == scene for one, _, scene in pairs), len(pairs))
        rows[f"painter.nearest_scene_{count}"] = _share(sum(one.scene == scene for _, one, scene in pairs), len(pairs))
        rows[f"painter.rejected_{count}"] = _share(sum(one.scene is None for one, _, _ in pairs), len(pairs))
        rows[f"painter.plain_walk_exact_{count}"] = _plain_walk(pipeline, wanted, seed)
    seconds: list[float] = []
    for k in range(8):
        started = time.perf_counter()
        pipeline("a tiger on a sandy beach", generator=torch.Generator().manual_seed(k), output_type="np")
        seconds.append(time.perf_counter() - started)
    low, middle, high = (float(np.quantile(seconds[1:], q)) for q in (0, 0.5, 1))
    rows["painter.seconds_per_picture"] = {"value": middle, "low": low, "high": high, "n": len(seconds) - 1}
    return rows, np.concatenate(drawn)


def _plain_walk(pipeline: PostcardPipeline, wanted: Sequence[Scene], seed: int) -> dict[str, float]:
    """The same network and captions along the flow without fresh noise: what the scheduler is worth."""
    plain = FlowMatchEulerDiscreteScheduler()
    drawn = paint_scenes(PostcardPipeline(**{**pipeline.components, "scheduler": plain}), wanted, seed=seed)
    return _share(sum(one.scene == scene for one, scene in zip(read_many(drawn), wanted, strict=True)), len(wanted))


def check_qformer() -> dict[str, dict[str, float]]:
    """Captions of which the shipped Q-Former alone names every telling word; the language model is not run."""
    model, processor = assemble()
    load_shipped_qformer(model)
    _, whole = reads(model, processor.layout.text, split="test")
    return {"qformer.captions_right": _share(round(whole * EXAMINED), EXAMINED)}


def score_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The rows as a Markdown table: shares in percent, seconds as they are."""
    lines = ["| what | value | 95 % interval | n |", "|---|---|---|---|"]
    for name, row in rows.items():
        form = "{:.2f} s" if "seconds" in name else "{:.1%}"
        value, low, high = (form.format(row[key]) for key in ("value", "low", "high"))
        lines.append(f"| `{name}` | {value} | {low} to {high} | {row['n']:.0f} |")
    return "\n".join(lines)


def write_card(card: Path, table: str) -> None:
    """Put the table between the two score marks of the model card.

    Raises:
        InputError: the card lacks a mark.
    """
    text = card.read_text(encoding="utf-8")
    before, begin, rest = text.partition(SCORES_BEGIN)
    _, end, after = rest.partition(SCORES_END)
    if not begin or not end:
        raise InputError(f"{card}: the lines {SCORES_BEGIN!r} and {SCORES_END!r} must stand in it; restore them")
    write_bytes(card, f"{before}{begin}\n\n{table}\n\n{end}{after}".encode())


def main() -> None:
    """Print and write all rows, and the model card's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--painter", type=Path, help="another painter's folder than the shipped one")
    parser.add_argument("--n", type=int, default=200, help="captions per number of things")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ZOO / "scores.json")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    started = time.monotonic()
    drawn_rows, drawn = check_painter(load_painter(args.painter), n=args.n, seed=args.seed)
    rows = drawn_rows | check_tower(seed=args.seed) | check_reader(load_trained_reader(), drawn, seed=args.seed)
    rows |= check_qformer()
    for name, row in rows.items():
        log.info("%-32s %.4f  (%.4f to %.4f, n = %d)", name, row["value"], row["low"], row["high"], row["n"])
    scenes = _scenes("reader", 1000, args.seed)
    log.info(
        "look-alikes under blur and noise: %s",
        confusions(disturbed(render_many(scenes), stream(args.seed, "blur")), scenes).most_common(8),
    )
    weights = json.loads((ZOO / "hashes.json").read_text(encoding="utf-8"))
    if args.painter is None and args.out == ZOO / "scores.json":
        write_card(ZOO / "README.md", score_table(rows))
    written = {"rows": rows, "sampling": {"steps": 16, "guidance": GUIDANCE}, "weights": weights}
    write_bytes(args.out, (json.dumps(written, indent=1) + "\n").encode())
    log.info("written to %s after %.0f s", args.out, time.monotonic() - started)


if __name__ == "__main__":
    main()
