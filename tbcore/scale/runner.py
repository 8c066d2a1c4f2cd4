"""One stage over all shards, in this program or on Ray workers: the same folders, the same bytes.

    folder/about.json      settings, the source's hash, the number of shards
           in/             the rows of each shard
           kept-of-00002/  what outlives everything: ledgers, vectors
           done/00000/     the results of a shard; the folder appears when they are whole
           NAME.jsonl      the results in the order of the rows
           report.json

A worker takes one shard at a time and streams through it, so what is in flight is bounded by the number of workers.
One that dies leaves no folder in done/, and its shard is taken up again. Run it again at any time: finished shards
are not looked at.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tbcore import errors
from tbcore.errors import BudgetError, InputError, TbcoreError
from tbcore.scale.session import ray_session
from tbcore.scale.shards import Row, ShardWriter, merge_shards, shard_name, split_rows
from tbcore.scale.stage import Desk, Stage, Work
from tbcore.store import read_json, read_jsonl, sha256_of, write_json

__all__ = ["Progress", "Report", "run_stage"]

_TIMES = 50  # so often a shard is taken up again; one that always takes its worker down would go on for ever


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: shards done of all, and seconds since it began."""

    stage: str
    done: int
    shards: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.stage}: {self.done} of {self.shards} shards after {self.seconds:.1f} s"


@dataclass
class Report:
    """What one stage did, in the same words whatever it ran on.

    Args:
        stage: its name.
        rows: rows that went in.
        written: objects in each file that came out.
        codes: rejections by code, in order of the code.
        shards, workers: how it was done; 0 workers is this program alone.
        found_done: shards that an earlier run had finished.
        taken_up_again: times a shard was begun again because a worker died.
        seconds: wall clock of this run.
        beside: what the stage itself tells, such as where the money stands.
    """

    stage: str
    rows: int = 0
    written: dict[str, int] = field(default_factory=dict[str, int])
    codes: dict[str, int] = field(default_factory=dict[str, int])
    shards: int = 1
    workers: int = 0
    found_done: int = 0
    taken_up_again: int = 0
    seconds: float = 0.0
    beside: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        files = ", ".join(f"{n} {name}" for name, n in self.written.items()) or "nothing"
        told = f"{self.stage}: {self.rows} rows gave {files}; {self.shards} shards, {self.workers or 'no'} workers, "
        told += f"{self.seconds:.1f} s"
        if self.codes:
            told += "; rejected: " + ", ".join(f"{code} {n}" for code, n in self.codes.items())
        return told + (f"; {self.taken_up_again} shards taken up again" if self.taken_up_again else "")


@dataclass(frozen=True)
class _Task:
    """What a worker is told: a shard, and what it may spend."""

    stage: Stage
    folder: Path
    shards: int

    def kept(self, shard: int) -> Path:
        return self.folder / f"kept-of-{shard_name(self.shards)}" / shard_name(shard)

    def done(self, shard: int) -> Path:
        return self.folder / "done" / shard_name(shard)

    def desk(self, shard: int) -> Desk:
        return Desk(self.kept(shard), self.done(shard))


def run_stage(
    stage: Stage,
    source: Path | str,
    folder: Path | str,
    *,
    shards: int = 1,
    workers: int = 0,
    address: str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Do one stage for every row of a JSON Lines file; the results lie in `folder`, one file for each name.

    The files have the same bytes for any number of shards and workers.

    Args:
        stage: what to do.
        source: the rows.
        folder: of this stage and no other; made.
        shards: units of work. What was paid for is dealt out anew when the number changes.
        workers: processes that work at once; 0 does it in this program, without Ray.
        address: of a Ray cluster; None for one on this computer.
        progress: called whenever a shard is done.

    Raises:
        InputError: a row does not fit the stage, or shards is below 1.
        BudgetError: a cap ended it; what was answered is kept, and a later run goes on.
        MissingExtraError: workers are wanted and Ray is not installed.
    """
    begun = time.perf_counter()
    task = _Task(stage, Path(folder), shards)
    rows = _prepare(task, Path(source))
    left = [one for one in range(shards) if not task.done(one).is_dir()]
    report = Report(stage.name, rows, shards=shards, workers=workers, found_done=shards - len(left))
    report.taken_up_again = _sweep(task)
    _work_off(task, left, workers, address, begun, progress)
    report.taken_up_again += _sweep(task)
    _merge(task, report)
    report.seconds = time.perf_counter() - begun
    write_json(task.folder / "report.json", asdict(report))
    return report


def _prepare(task: _Task, source: Path) -> int:
    """Split the rows, bring over what earlier shards kept, and throw away results that other settings made."""
    place = task.folder / "about.json"
    before = read_json(place) if place.is_file() else None
    now = {"stage": task.stage.name, "settings": task.stage.settings, "key": task.stage.key}
    now |= {"source": sha256_of(source), "shards": task.shards}
    if before is not None and before["stage"] != now["stage"]:
        raise InputError(
            f"{task.folder}: belongs to stage {before['stage']!r}; got {now['stage']!r}. Name another one."
        )
    if before is not None and all(before[name] == value for name, value in now.items()):
        return int(before["rows"])
    shutil.rmtree(task.folder / "done", ignore_errors=True)
    for old_result in task.folder.glob("*.jsonl"):
        old_result.unlink()
    rows = split_rows(source, task.folder / "in", task.shards, task.stage.key)
    old = before["shards"] if before else task.shards
    if old != task.shards:
        _carry(task, old)
    write_json(place, {**now, "rows": rows})
    if old != task.shards:
        shutil.rmtree(_Task(task.stage, task.folder, old).kept(0).parent, ignore_errors=True)
    return rows


def _carry(task: _Task, old: int) -> None:
    before = _Task(task.stage, task.folder, old)
    target = task.kept(0).parent
    part = target.with_name(f".{target.name}.part")
    for one in (target, part):  # what an interrupted change left
        shutil.rmtree(one, ignore_errors=True)
    new = [part / shard_name(shard) for shard in range(task.shards)]
    for one in new:
        one.mkdir(parents=True)
    there = [one for one in map(before.kept, range(old)) if one.is_dir()]
    task.stage.carry(there, new, [task.folder / "in" / f"{one.name}.jsonl" for one in new])
    part.replace(target)


def _work_off(
    task: _Task,
    left: list[int],
    workers: int,
    address: str | None,
    begun: float,
    progress: Callable[[Progress], object] | None,
) -> None:
    """Rounds over the unfinished shards: with a cap, what some leave over goes to the others in the next round."""
    kept = [task.kept(one) for one in range(task.shards)]
    before: list[Any] = []
    while left:
        budgets = task.stage.budgets(task.folder, kept)
        if budgets == before:
            raise BudgetError(
                f"{task.folder}: {len(left)} of {task.shards} shards are not done, and what is left under the cap is "
                "not enough for one more call. Raise the cap, or keep what you have: nothing is paid for again."
            )
        before = budgets
        told = _on_ray if workers else _here
        for _, problem, detail in told(task, left, budgets, workers, address):
            if problem not in ("", BudgetError.__name__):
                raise _raised(problem, detail)
            if not problem:
                done = sum(task.done(one).is_dir() for one in range(task.shards))
                if progress is not None:
                    progress(Progress(task.stage.name, done, task.shards, time.perf_counter() - begun))
        left = [one for one in left if not task.done(one).is_dir()]


def _here(task: _Task, left: list[int], budgets: list[Any], *_: Any) -> Iterator[tuple[int, str, str]]:
    work = task.stage.ready()
    for shard in left:
        yield shard, *_take_up(task, shard, budgets[shard], work)


def _on_ray(
    task: _Task, left: list[int], budgets: list[Any], workers: int, address: str | None
) -> Iterator[tuple[int, str, str]]:
    with ray_session(workers, address=address) as ray:
        _quiet(ray)
        shards = ray.data.from_items([{"shard": one} for one in left], override_num_blocks=len(left))
        size = min(workers, len(left))
        if task.stage.loads:
            pool = ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1)
            made: Any = {"fn": _Worker, "fn_constructor_args": (task, budgets), "compute": pool}
        else:
            # An actor is a fresh process each time, which costs seconds; plain tasks find processes that are awake.
            made = {"fn": _Worker(task, budgets).__call__, "compute": ray.data.TaskPoolStrategy(size=size)}
        results = shards.map_batches(**made, batch_size=1, num_cpus=1)
        for row in results.iter_rows():
            yield int(row["shard"]), str(row["problem"]), str(row["detail"])


class _Worker:
    """Takes one shard after the other; as an actor of Ray it holds the models."""

    def __init__(self, task: _Task, budgets: list[Any]) -> None:
        self.task, self.budgets = task, budgets
        self.work: Work | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        (shard,) = (int(one) for one in batch["shard"])
        try:
            self.work = self.work or self.task.stage.ready()
            problem, detail = _take_up(self.task, shard, self.budgets[shard], self.work)
        except TbcoreError as error:
            problem, detail = type(error).__name__, str(error)
        return {"shard": [shard], "problem": [problem], "detail": [detail]}


def _take_up(task: _Task, shard: int, budget: Any, work: Work) -> tuple[str, str]:
    """Do one shard; what went wrong, as the name of an error and words. Errors of our own travel as text."""
    kept, target = task.kept(shard), task.done(shard)
    if target.is_dir():
        return "", ""
    if len(list(target.parent.glob(f".{target.name}.*.part"))) >= _TIMES:
        return "TbcoreError", f"{target}: {_TIMES} workers died over this shard. Look at its rows, and at their memory."
    kept.mkdir(parents=True, exist_ok=True)
    writer = ShardWriter(target)
    places: deque[int] = deque()

    def rows() -> Iterator[Row]:
        for one in read_jsonl(task.folder / "in" / f"{shard_name(shard)}.jsonl"):
            places.append(one["place"])
            yield one["row"]

    try:
        for found in work(rows(), Desk(kept, writer.part, budget)):
            writer.write(places.popleft(), found)
        if places:
            raise InputError(f"stage {task.stage.name!r}: {len(places)} rows of shard {shard} gave no result.")
    except TbcoreError as error:
        writer.abandon()
        shutil.rmtree(writer.part)
        return type(error).__name__, str(error)
    write_json(writer.part / "count.json", {"written": dict(writer.written), "codes": dict(writer.codes)})
    writer.close()
    return "", ""


def _sweep(task: _Task) -> int:
    left = list((task.folder / "done").glob(".*.part"))
    for one in left:
        shutil.rmtree(one)
    return len(left)


def _merge(task: _Task, report: Report) -> None:
    folders = [task.done(one) for one in range(task.shards)]
    codes: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for one in folders:
        counts = read_json(one / "count.json")
        written.update(counts["written"])
        codes.update(counts["codes"])
    for name in sorted(written):
        report.written[name] = merge_shards(folders, name, task.folder / f"{name}.jsonl")
    report.codes = dict(sorted(codes.items()))
    report.beside = task.stage.finish(task.folder, [task.desk(one) for one in range(task.shards)])


def _raised(problem: str, detail: str) -> TbcoreError:
    kind = getattr(errors, problem, errors.TeacherError)
    return kind(detail)


def _quiet(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
