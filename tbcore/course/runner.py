"""Execute the notebooks in order, skip what is done, measure, and keep every executed copy.

A notebook is done when its code cells, tbcore's code, its parameters and everything before it are unchanged
and its step's files still have the hashes they were written with. `run.json` in the run folder remembers.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbcore import manifest, store
from tbcore.course import bands, checks, lesson, report
from tbcore.course.editions import Edition
from tbcore.course.environment import prepared
from tbcore.course.harvest import Meter
from tbcore.course.places import APPENDIX, Course, project_root
from tbcore.errors import InputError, MissingFileError, TbcoreError

__all__ = ["NotebookFailedError", "Options", "run"]

_CHECK = re.compile(r"checks\.check\(\s*[\"']((?:\d\d|A\d)\.\d+)[\"']")
_CELL_TIMEOUT_S = 45 * 60
_OUTPUT_TIMEOUT_S = 60  # a busy machine may deliver the last output of a cell long after the cell has ended


class NotebookFailedError(TbcoreError):
    """A notebook stopped with an error, or its exercises do not stand as its edition demands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What to run.

    Args:
        profile: name of the profile.
        seed: passed to every notebook.
        edition: "solved" or "student"; the student edition loads what the solved one computed.
        force: redo what is done.
        only: numbers of the notebooks to run, such as ("01", "A2"); empty: all numbered ones.
        appendices: with `only` empty, run the appendices too.
        run_dir: folder of this chain.
        parameters: further parameters; each must be known to at least one of the notebooks.
    """

    profile: str
    run_dir: Path
    seed: int = 0
    edition: Edition = "solved"
    force: bool = False
    only: tuple[str, ...] = ()
    appendices: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


def run(course: Course, options: Options) -> dict[str, float]:
    """Run the chain and return the numbers of results.json.

    Raises:
        InputError: unknown notebook numbers or parameter names.
        NotebookFailedError: a notebook failed; what was finished before stays done.
    """
    names = _selected(course, options)
    given = _parameters_for(course, names, options)
    before = ""
    with prepared(course, options.edition):
        for name in [source.stem for source in course.sources()]:
            if name in names:
                place = f"[{names.index(name) + 1}/{len(names)}] {name}"
                _one(course, options, name, given[name], before=before, place=place)
            before = str(_entries(options).get(name, {}).get("signature", before))
    results = _write_results(options)
    limits = {one.name: one for one in bands.load(course.notebooks / "bands.toml") if one.profile == options.profile}
    entries = _entries(options)
    print(report.closing_table([entries[name] for name in names], results, limits))
    print(f"Executed notebooks: {_shown(course.executed(options.profile, options.edition))}")
    print(f"Files and numbers:  {_shown(options.run_dir)} (results.json)")
    return results


def _selected(course: Course, options: Options) -> list[str]:
    names = [source.stem for source in course.sources()]
    unknown = [number for number in options.only if number not in {name[:2] for name in names}]
    if unknown or not names:
        raise InputError(f"only: no notebook {', '.join(unknown)}; there are {', '.join(names) or 'none'}")
    if options.only:
        return [name for name in names if name[:2] in options.only]
    return [name for name in names if options.appendices or not name.startswith(APPENDIX)]


def _parameters_for(course: Course, names: list[str], options: Options) -> dict[str, dict[str, Any]]:
    """Parameters of each notebook; a name that no notebook knows is an error, not silence."""
    base = {
        "profile": options.profile,
        "seed": options.seed,
        "run_dir": str(options.run_dir),
        "refresh": options.force,
    }
    known = {name: _known_parameters(course.edition(name, options.edition)) for name in names}
    for name in names:
        lacking = sorted(set(base) - known[name])
        if lacking:
            raise InputError(f"notebook {name}: its parameters cell lacks {', '.join(lacking)}")
    strange = sorted(set(options.parameters) - set().union(*known.values()))
    if strange:
        every = sorted(set().union(*known.values()))
        raise InputError(f"parameter {strange[0]!r}: no notebook knows it; they know {', '.join(every)}")
    extra = options.parameters
    return {name: {**base, **{key: extra[key] for key in extra if key in known[name]}} for name in names}


def _known_parameters(path: Path) -> set[str]:
    import papermill

    if not path.is_file():
        raise MissingFileError(f"{path}: there is no such notebook. `make notebooks` generates it.")
    return set(papermill.inspect_notebook(str(path)))


def _one(course: Course, options: Options, name: str, parameters: dict[str, Any], *, before: str, place: str) -> None:
    source = course.edition(name, options.edition)
    signature = _signature(source, parameters, before)
    known = _entries(options).get(name)
    if known and known["signature"] == signature and not options.force and _is_done(options.run_dir / name):
        print(f"{place}: done before ({known['seconds'] / 60:.1f} min then), skipped", flush=True)
        return
    print(f"{place}: running", flush=True)
    meter = _execute(course, options, name, parameters, place=place)
    _verify_exercises(course, options, name)
    record = {"name": name, "signature": signature, "seconds": meter.seconds, "peak_gb": meter.peak_gb}
    _remember(options, name, record)
    print(f"{place}: {meter.seconds / 60:.1f} min, peak {meter.peak_gb:.1f} GB", flush=True)


def _signature(source: Path, parameters: dict[str, Any], before: str) -> str:
    import nbformat

    book = nbformat.read(source, as_version=4)
    given = {key: value for key, value in parameters.items() if key not in ("refresh", "run_dir")}
    return manifest.digest(
        {
            "before": before,
            "cells": [cell.source for cell in book.cells if cell.cell_type == "code"],
            "code": manifest.code_digest(lessons=True),
            "parameters": given,
        }
    )


def _is_done(folder: Path) -> bool:
    record = manifest.read(folder)
    return record is not None and not manifest.problems(folder, record)


def _execute(course: Course, options: Options, name: str, parameters: dict[str, Any], *, place: str) -> Meter:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    folder = course.executed(options.profile, options.edition)
    folder.mkdir(parents=True, exist_ok=True)
    _copy_figures(course, folder)
    target = folder / f"{name}.ipynb"

    def tell(seconds: float, peak_gb: float) -> None:
        print(f"{place}: {seconds / 60:.0f} min so far, peak {peak_gb:.1f} GB", flush=True)

    try:
        with Meter(tell) as meter:
            papermill.execute_notebook(
                str(course.edition(name, options.edition)),
                str(target),
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                cwd=str(project_root()),
                execution_timeout=_CELL_TIMEOUT_S,
                iopub_timeout=_OUTPUT_TIMEOUT_S,
                extra_arguments=["--IPKernelApp.log_level=40"],  # its advice on encryption is not for readers
            )
    except PapermillExecutionError as error:
        raise NotebookFailedError(
            f"{name}: the cell with execution count {error.exec_count} raised {error.ename}: {error.evalue}. "
            f"The copy up to there: {_shown(target)}"
        ) from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookFailedError(
            f"{name}: the notebook's process stopped answering ({type(error).__name__}: {error}). "
            f"If memory ran out, use a smaller profile. The copy up to there: {_shown(target)}"
        ) from error
    return meter


def _verify_exercises(course: Course, options: Options, name: str) -> None:
    """All passed in the solved edition, none attempted in the student edition; else the lesson is broken."""
    text = course.edition(name, options.edition).read_text("utf-8").replace('\\"', '"')
    wanted = sorted(set(_CHECK.findall(text)))
    path = checks.verdicts_file(options.run_dir / name, options.edition)
    verdicts = store.read_json(path) if path.is_file() else {}
    right = checks.PASSED if options.edition == "solved" else checks.NOT_ATTEMPTED
    wrong = [(one, verdicts.get(one, {"verdict": "not checked", "hint": ""})) for one in wanted]
    wrong = [(one, verdict) for one, verdict in wrong if verdict["verdict"] != right]
    if wrong:
        first, verdict = wrong[0]
        raise NotebookFailedError(
            f"{name}, {options.edition} edition: exercise {first} should be {right!r}, "
            f"but is {verdict['verdict']!r} {verdict['hint']}".rstrip()
        )


def _copy_figures(course: Course, folder: Path) -> None:
    """Executed copies refer to figures beside them, or one folder up in the student edition."""
    figures = course.notebooks / "figures"
    if figures.is_dir():
        for place in (folder / "figures", folder.parent / "figures"):
            shutil.copytree(figures, place, dirs_exist_ok=True)


def _record(options: Options) -> dict[str, Any]:
    path = options.run_dir / "run.json"
    if path.is_file():
        return store.read_json(path)
    return {"profile": options.profile, "seed": options.seed, "editions": {}}


def _entries(options: Options) -> dict[str, Any]:
    return _record(options)["editions"].get(options.edition, {})


def _remember(options: Options, name: str, entry: dict[str, Any]) -> None:
    record = _record(options)
    record["editions"].setdefault(options.edition, {})[name] = entry
    store.write_json(options.run_dir / "run.json", {**record, "profile": options.profile, "seed": options.seed})


def _write_results(options: Options) -> dict[str, float]:
    """Numbers of every finished step, and what the solved chain took in all."""
    entries = _record(options)["editions"].get("solved", {}).values()
    results = lesson.results_of(options.run_dir)
    if entries:
        results["chain.minutes"] = round(sum(entry["seconds"] for entry in entries) / 60, 2)
        results["chain.peak_gb"] = round(max(entry["peak_gb"] for entry in entries), 2)
    results = dict(sorted(results.items()))
    store.write_json(options.run_dir / "results.json", results)
    return results


def _shown(path: Path) -> str:
    root = project_root()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
