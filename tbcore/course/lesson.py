"""One step of the chain as a notebook sees it: open it, make files or load them, report numbers, close it.

    step = lesson.open("01_clustering", profile=profile, seed=seed, run_dir=run_dir, refresh=refresh)
    vectors = step.make("vectors.npy", lambda: embed(pictures))
    step.result("01.purity", purity)
    step.close()

A file is loaded when everything it was made from is unchanged: the files of earlier steps, the files made
before it, parameters, profile, seed, the code. Otherwise it is made again, and the reason is said.
"""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

import tbcore
from tbcore import manifest, store
from tbcore.course import artifacts
from tbcore.course.places import project_root
from tbcore.errors import InputError, ManifestError, MissingFileError
from tbcore.manifest import Artifact, Manifest
from tbcore.parts.accelerator import accelerator
from tbcore.profiles import Profile, fitting

__all__ = ["Lesson", "current", "open", "results_of", "starter_folder"]

_STEP = re.compile(r"(?:\d\d|A\d)_[a-z][a-z0-9_]*")
_REASONS = {
    "before": "the files made before it",
    "code": "the code of tbcore",
    "inputs": "the files of an earlier step",
    "maker": "the cell that makes it",
    "parameters": "the parameters",
    "profile": "the profile",
    "seed": "the seed",
}
# The chat's own code is among the lessons; steps before it do not depend on it.
_FIRST_CHAT = "07"
_open_lesson: Lesson | None = None


def open(
    step: str,
    *,
    profile: str,
    seed: int,
    run_dir: str | Path,
    refresh: bool = False,
    params: Mapping[str, Any] | None = None,
) -> Lesson:
    """Begin a step, or take it up where an earlier run left it.

    Args:
        step: the step's folder, such as "01_clustering".
        profile: name of the profile; refused if this machine is too small for it.
        seed: every random stream derives from it.
        run_dir: folder of this chain; a relative one lies in the project's root.
        refresh: True makes every file again.
        params: further parameters the step's files depend on.

    Raises:
        ProfileError: unknown profile, or too little memory or no fitting GPU.
        ManifestError: the step's manifest cannot be read.
    """
    global _open_lesson
    if not _STEP.fullmatch(step):
        raise InputError(f"lesson.open: a step is named like '01_clustering'; got {step!r}")
    memory_gb, gpu_gb = psutil.virtual_memory().total / 1e9, None
    if profile == "gpu":  # asking for the GPU loads torch, which the other profiles may not need
        gpu_gb = accelerator().memory_gb
    sizes = fitting(profile, memory_gb=memory_gb, gpu_gb=gpu_gb)
    _open_lesson = Lesson(step, sizes, seed, _rooted(Path(run_dir)), refresh=refresh, params=dict(params or {}))
    return _open_lesson


def current() -> Lesson | None:
    """The lesson this process opened last."""
    return _open_lesson


def starter_folder(step: str) -> Path:
    """Where the package keeps small files of a step for readers who start in the middle."""
    return Path(tbcore.__file__).parent / "starter" / step


def results_of(run_dir: Path) -> dict[str, float]:
    """All numbers reported by the finished steps of a run folder, sorted by name."""
    found: dict[str, float] = {}
    for folder in sorted(path.parent for path in run_dir.glob(f"[0-9A][0-9]_*/{manifest.NAME}")):
        record = manifest.read(folder)
        found.update(record.results if record and record.complete else {})
    return dict(sorted(found.items()))


class Lesson:
    """An open step; see the module's example. `profile` holds the sizes, `folder_path` the step's folder."""

    def __init__(
        self, step: str, profile: Profile, seed: int, run_dir: Path, *, refresh: bool, params: dict[str, Any]
    ) -> None:
        self.name = step
        self.profile = profile
        self.seed = seed
        self.run_dir = run_dir.resolve()
        self.refresh = refresh
        self.params = params
        self.path = self.run_dir / step
        self.path.mkdir(parents=True, exist_ok=True)
        self._earlier = manifest.read(self.path)
        self._inputs: dict[str, str] = {}
        self._made: list[Artifact] = []
        self._results: dict[str, float] = {}
        self._began = time.monotonic()
        print(f"{step}: profile {profile.name}, seed {seed}, files in {self._short(self.path)}")

    def make(self, name: str, compute: Callable[[], Any]) -> Any:
        """Load the file if nothing it was made from has changed; otherwise compute and save it.

        Args:
            name: path in the step's folder; the suffix (.npy .json .jsonl) decides the format.
            compute: takes nothing, returns what to save.

        Returns:
            The value as read back from the file, so that a later run sees the very same thing.
        """
        path = self.path / name
        if path.suffix not in artifacts.SUFFIXES:
            raise InputError(f"{name}: make() knows {', '.join(artifacts.SUFFIXES)}; use folder() for anything else")
        self._remember(name, compute, lambda: artifacts.save(path, compute()))
        return artifacts.load(path)

    def folder(self, name: str, fill: Callable[[Path], object]) -> Path:
        """The same for a folder: `fill` gets its path and writes into it.

        A folder left half-filled by an interrupt is handed to `fill` as it is, so that training resumes;
        with `refresh`, or when its reasons changed, it starts empty.
        """
        path = self.path / name
        marker = self.path / f".{name}.reasons"
        reasons = self._reasons(name, fill)
        wanted = manifest.digest(reasons)

        def run() -> None:
            resumes = marker.is_file() and marker.read_text("utf-8") == wanted and not self.refresh
            if path.exists() and not resumes:
                shutil.rmtree(path)
            path.mkdir(parents=True, exist_ok=True)
            store.write_bytes(marker, wanted.encode())
            fill(path)
            marker.unlink()

        self._remember(name, fill, run)
        return path

    def upstream(self, step: str) -> Path:
        """The folder of an earlier step, its files verified by hash.

        Starter files shipped with the course stand in for a step that was not run, with a banner.

        Raises:
            MissingFileError: not run, and no starter files are shipped.
            ManifestError: its files are not those it wrote.
        """
        folder = self.run_dir / step
        record = manifest.read(folder)
        if record is None or not record.complete:
            folder, record = self._starter(step)
        faults = manifest.problems(folder, record)
        if faults:
            raise ManifestError(
                f"{faults[0]}. Run notebook {step[:2]} again with refresh=True, or `make run FORCE=1 ONLY={step[:2]}`."
            )
        for name, state in record.inputs.items():
            source = manifest.read(self.run_dir / name)
            if source is not None and source.state() != state:
                print(f"Note: {step} is stale: {name} has changed since. Run notebook {step[:2]} again.")
        self._inputs[step] = record.state()
        return folder

    def result(self, name: str, value: float) -> None:
        """Report a number, such as "01.purity"; it goes to the manifest and to results.json.

        Raises:
            InputError: the name does not begin with the step's number, or the value is not finite.
        """
        if not name.startswith(f"{self.name[:2]}."):
            raise InputError(f"result {name!r}: must begin with {self.name[:2]!r}, the number of step {self.name}")
        number = float(value)
        if not math.isfinite(number):
            raise InputError(f"result {name!r}: must be a finite number; got {value!r}")
        self._results[name] = int(number) if number.is_integer() and not isinstance(value, float) else number

    def close(self) -> None:
        """Write the finished manifest, and the run folder's results.json anew."""
        for record in self._made:
            if not (self.path / record.name).exists():
                raise ManifestError(f"{self.name}/{record.name}: was deleted before the step was closed. Run again.")
        self._write(complete=True)
        store.write_json(self.run_dir / "results.json", self._all_results())
        print(f"{self.name}: done, {len(manifest.outputs_of(self.path))} files in {self._short(self.path)}")

    def _all_results(self) -> dict[str, Any]:
        path = self.run_dir / "results.json"
        kept = store.read_json(path) if path.is_file() else {}
        return dict(sorted({**kept, **results_of(self.run_dir)}.items()))

    def _remember(self, name: str, maker: Callable[..., Any], run: Callable[[], None]) -> None:
        path = self.path / name
        reasons = self._reasons(name, maker)
        self._made = self._before(name)
        known = self._earlier.artifact(name) if self._earlier else None
        why = self._why(path, known, reasons)
        if known is not None and why is None:
            print(f"{name}: loaded (took {_duration(known.seconds)} to compute)")
            self._made.append(known)
            return
        began = time.monotonic()
        run()
        took = time.monotonic() - began
        print(f"{name}: {why} ({_duration(took)})")
        done = Artifact(name=name, reasons=reasons, sha256=manifest.digest_of_path(path), seconds=took)
        self._made.append(done)
        self._write(complete=False)
        self._earlier = manifest.read(self.path)

    def _why(self, path: Path, known: Artifact | None, reasons: dict[str, str]) -> str | None:
        if self.refresh:
            return "computed, as asked by refresh"
        if known is None or not path.exists():
            return "computed"
        changed = [text for key, text in _REASONS.items() if known.reasons.get(key) != reasons[key]]
        if changed:
            return f"computed again, because of a change in {', '.join(changed)}"
        if manifest.digest_of_path(path) != known.sha256:
            return "computed again, because the file was changed by somebody else"
        return None

    def _before(self, name: str) -> list[Artifact]:
        """What was made before this file; running a cell a second time forgets what came after it."""
        names = [record.name for record in self._made]
        return self._made[: names.index(name)] if name in names else list(self._made)

    def _reasons(self, name: str, maker: Callable[..., Any]) -> dict[str, str]:
        return {
            "before": manifest.digest({record.name: record.sha256 for record in self._before(name)}),
            "code": manifest.code_digest(lessons=self.name >= _FIRST_CHAT),
            "inputs": manifest.digest(self._inputs),
            "maker": artifacts.function_digest(maker),
            "parameters": manifest.digest(self.params),
            "profile": manifest.digest(self.profile.to_json()),
            "seed": manifest.digest(self.seed),
        }

    def _starter(self, step: str) -> tuple[Path, Manifest]:
        folder = starter_folder(step)
        record = manifest.read(folder)
        if record is None:
            raise MissingFileError(
                f"{self._short(self.run_dir / step)}: step {step} has not been run here, and the course "
                f"ships no starter files for it. Run notebook {step[:2]} first, or `make run`."
            )
        print("=" * 78)
        print(f"STARTER FILES: step {step} has not been run in {self._short(self.run_dir)}.")
        print("This notebook goes on with small files shipped with the course; numbers will differ.")
        print("=" * 78)
        return folder, record

    def _write(self, *, complete: bool) -> None:
        kept = self._earlier.artifacts if self._earlier and not complete else ()
        names = {record.name for record in self._made}
        manifest.write(
            self.path,
            Manifest(
                step=self.name,
                version=tbcore.__version__,
                profile=self.profile.name,
                seed=self.seed,
                parameters=self.params,
                inputs=dict(self._inputs),
                artifacts=(*self._made, *(record for record in kept if record.name not in names)),
                outputs=manifest.outputs_of(self.path) if complete else {},
                results=dict(self._results) if complete else {},
                seconds=round(time.monotonic() - self._began, 3),
                complete=complete,
            ),
        )

    def _short(self, path: Path) -> str:
        root = project_root()
        return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _rooted(path: Path) -> Path:
    """A relative run folder means the same wherever the notebook was opened."""
    return path if path.is_absolute() else project_root() / path


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
