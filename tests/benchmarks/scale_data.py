"""Stages on Ray beside a plain loop: equal bytes, what the adapter costs, what a second worker brings, killed workers.

python -m tests.benchmarks.scale_data [--quick]
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tbcore.data.embed import HashingEncoder
from tbcore.scale.embedding import EmbedStage
from tbcore.scale.runner import run_stage
from tbcore.scale.session import ray_session
from tbcore.scale.stages import ExportStage, JudgeStage, PerceptualStage
from tbcore.seeds import stream
from tbcore.store import pixel_hash, write_jsonl
from tests.data import adversarial
from tests.scale import killing
from tests.scale.judging import NAMES, files_of, plain_loop

__all__ = ["efficiency", "identical", "killed", "measure", "overhead", "stage_rates"]

_SHARDS = 8


def measure(
    quick: bool, *, records: int | None = None, kills: int | None = None, pictures: int | None = None
) -> dict[str, float]:
    """Numbers of one run.

    Args:
        quick: small sizes.
        records: candidates that are judged.
        kills: workers killed, over as many trials.
        pictures: pictures that are read and hashed.
    """
    n = records or (4_000 if quick else 100_000)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = stage_rates(folder / "rates", pictures or (200 if quick else 2_000))
        source = folder / "candidates.jsonl"
        write_jsonl(source, (one.to_json() for one in adversarial.candidates(n, 0)))
        begun = time.perf_counter()
        with ray_session(2):
            found["ray.session_seconds"] = time.perf_counter() - begun
            found |= identical(source, folder / "identical")
            found |= overhead(source, folder / "overhead", rounds=1 if quick else 3)
            found |= efficiency(source, folder / "efficiency", rounds=1 if quick else 3)
            found |= killed(folder / "killed", kills or (4 if quick else 20))
    return {**found, "ray.records": n}


def identical(source: Path, folder: Path) -> dict[str, float]:
    """1 when the files of 1, 2 and 4 shards on two workers equal those of a plain loop to the byte."""
    folder.mkdir(parents=True)
    plain_loop(source, folder)
    same = True
    for shards in (1, 2, 4):
        run_stage(JudgeStage(), source, folder / f"s{shards}", shards=shards, workers=2)
        same = same and files_of(folder / f"s{shards}") == files_of(folder)
    assert all((folder / f"{name}.jsonl").stat().st_size for name in NAMES)
    return {"ray.identical_bytes": float(same)}


def overhead(source: Path, folder: Path, *, rounds: int) -> dict[str, float]:
    """What splitting, one Ray worker and merging add to a plain loop, as a share of it; they take turns."""
    shares: list[float] = []
    plain: list[float] = []
    for turn in range(rounds):
        own = folder / f"o{turn}"
        own.mkdir(parents=True)
        begun = time.perf_counter()
        plain_loop(source, own)
        plain.append(time.perf_counter() - begun)
        ours = _seconds(source, own / "ray", workers=1)
        shares.append(ours / plain[-1] - 1)
        shutil.rmtree(own)
    return {"ray.adapter_overhead": float(np.median(shares)), "ray.plain_seconds": float(np.median(plain))}


def efficiency(source: Path, folder: Path, *, rounds: int) -> dict[str, float]:
    """How many times faster two workers are than one; they take turns."""
    ratios = [
        _seconds(source, folder / f"one{turn}", workers=1) / _seconds(source, folder / f"two{turn}", workers=2)
        for turn in range(rounds)
    ]
    return {"ray.efficiency_2_workers": float(np.median(ratios))}


def killed(folder: Path, kills: int) -> dict[str, float]:
    """Workers killed at random moments of a generation, five in each trial, until there are as many as wanted."""
    folder.mkdir(parents=True)
    count: dict[str, float] = {}
    trial = 0
    while count.get("kills", 0) < kills and trial < 4 * kills:
        own = folder / str(trial)
        own.mkdir()
        wanted = min(5, kills - int(count.get("kills", 0)))
        found = killing.trials(own, n=1, kills=wanted, rows=200, shards=_SHARDS, seed=trial, pause_s=1.0)
        for name, value in found.items():
            if not isinstance(value, list):
                count[name] = count.get(name, 0) + value
        trial += 1
    return {
        "ray.kill_workers": count["kills"],
        "ray.kill_worker_lost": count["rows_lost"] + count["replies_lost"],
        "ray.kill_worker_paid_twice": count["paid_twice"],
        "ray.kill_worker_paid_in_vain": count["paid_in_vain"],
        "ray.kill_worker_reported": count["reported"],
        "ray.kill_worker_identical_share": count["identical"] / count["trials"],
    }


def stage_rates(folder: Path, n: int) -> dict[str, float]:
    """What one worker does in a second, in this program: numbers that a plan stands on."""
    folder.mkdir(parents=True)
    rows = folder / "rows.jsonl"
    write_jsonl(rows, _photographs(folder, n))
    dialogues = folder / "dialogues.jsonl"
    _write_dialogues(dialogues, n)
    stages = {
        "stage.pictures_read_per_s": (EmbedStage(root=folder, encoder=HashingEncoder, decoders=1), rows),
        "stage.hashes_per_s": (PerceptualStage(root=folder), rows),
        "stage.exported_per_s": (ExportStage(form="llava"), dialogues),
    }
    found = {name: n / run_stage(stage, source, folder / name).seconds for name, (stage, source) in stages.items()}
    return {**found, "stage.pictures": n}


def _seconds(source: Path, folder: Path, *, workers: int) -> float:
    begun = time.perf_counter()
    run_stage(JudgeStage(), source, folder, shards=_SHARDS, workers=workers)
    seconds = time.perf_counter() - begun
    shutil.rmtree(folder)
    return seconds


def _photographs(folder: Path, n: int) -> Iterator[dict[str, str]]:
    """JPEG files of 256 pixels a side, noisy enough to be about as large as photographs of that size."""
    rng = stream(0, "photographs")
    for number in range(n):
        pixels = np.kron(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        (folder / f"{number}.jpg").write_bytes(buffer.getvalue())
        yield {"id": pixel_hash(pixels), "picture": f"{number}.jpg"}


def _write_dialogues(path: Path, n: int) -> None:
    from tbcore.data.filter import judge_all

    kept = (one.dialogue for one in judge_all(adversarial.candidates(2 * n, 1)) if one.dialogue is not None)
    write_jsonl(path, (one.to_json() for _, one in zip(range(n), kept, strict=False)))


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    print(json.dumps(measure(parser.parse_args().quick), indent=1))


if __name__ == "__main__":
    main()
