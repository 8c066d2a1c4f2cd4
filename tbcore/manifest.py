"""What a step of the chain did: parameters, hashes of what went in and came out, numbers, time.

A step writes `manifest.json` into its folder. A later run reads it to decide whether the files beside it are
still what would be computed now. The module knows files and hashes, not what they mean.
"""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tbcore.errors import ManifestError
from tbcore.store import sha256_of, write_json

__all__ = [
    "NAME",
    "Artifact",
    "Manifest",
    "code_digest",
    "digest",
    "digest_of_path",
    "outputs_of",
    "problems",
    "read",
    "write",
]

NAME = "manifest.json"

# What cannot change a step's files: how lessons are shown.
_PRESENTATION = ("course", "demo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One file or folder that a step made, and everything it was made from.

    Args:
        name: path relative to the step's folder.
        reasons: digest of each thing the file depends on, by name ("inputs", "parameters", ...).
        sha256: digest of the file or folder.
        seconds: how long it took to compute.
    """

    name: str
    reasons: dict[str, str]
    sha256: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The record of one step.

    Args:
        step: such as "01_clustering".
        inputs: digest of each earlier step that was read, by its name.
        outputs: digest of every file in the step's folder, by relative path; filled when the step is closed.
        results: the numbers the step reports, by name.
        seconds: from opening to closing the step.
        complete: False while the step is under way or was interrupted.
    """

    step: str
    version: str
    profile: str
    seed: int
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    inputs: dict[str, str] = field(default_factory=dict[str, str])
    artifacts: tuple[Artifact, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    results: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0
    complete: bool = False

    def artifact(self, name: str) -> Artifact | None:
        """The record of one file, if the step made it."""
        return next((found for found in self.artifacts if found.name == name), None)

    def state(self) -> str:
        """One digest that changes when anything a later step could read changes."""
        return digest({"outputs": self.outputs, "step": self.step})


def digest(value: object) -> str:
    """SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_path(path: Path) -> str:
    """SHA-256 of a file, or of a folder's relative paths and contents."""
    if path.is_dir():
        return digest({name.as_posix(): sha256_of(path / name) for name in _files(path)})
    return sha256_of(path)


def outputs_of(folder: Path) -> dict[str, str]:
    """Digest of every file below a step's folder; the manifest and check verdicts are not outputs."""
    names = [name for name in _files(folder) if name.name != NAME and not name.name.startswith("checks-")]
    return {name.as_posix(): sha256_of(folder / name) for name in names}


def read(folder: Path) -> Manifest | None:
    """The manifest of a step's folder; None if there is none.

    Raises:
        ManifestError: the file is not a manifest.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text("utf-8"))
        artifacts = tuple(Artifact(**one) for one in raw.pop("artifacts"))
        return Manifest(artifacts=artifacts, **raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ManifestError(
            f"{path}: not a readable manifest ({error}). Delete the file; the step is then computed again."
        ) from error


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically."""
    write_json(folder / NAME, asdict(manifest))


def problems(folder: Path, manifest: Manifest) -> list[str]:
    """What keeps a finished step's files from being trusted, one sentence each; empty if nothing does."""
    if not manifest.complete:
        return [f"{folder.name}: was interrupted before its end"]
    found: list[str] = []
    for name, wanted in manifest.outputs.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{folder.name}/{name}: is missing")
        elif sha256_of(path) != wanted:
            found.append(f"{folder.name}/{name}: was changed after the step wrote it")
    return found


@cache
def code_digest(package: Path | None = None, *, lessons: bool = False) -> str:
    """Digest of the code and data a step's files can depend on.

    Comments, docstrings and layout do not count, nor do the packages that only present lessons: mending
    a sentence must not cost a new training run.

    Args:
        package: the package's folder, tbcore's own by default.
        lessons: count the code that presents lessons too.
    """
    root = package or Path(__file__).parent
    parts: dict[str, str] = {}
    skipped = ("__main__.py", "starter") if lessons else ("__main__.py", "starter", *_PRESENTATION)
    for name in _files(root):
        if name.parts[0] in skipped:
            continue
        path = root / name
        parts[name.as_posix()] = _code_of(path) if path.suffix == ".py" else sha256_of(path)
    return digest(parts)


def _code_of(path: Path) -> str:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return digest(ast.dump(tree))


def _files(folder: Path) -> list[Path]:
    """Relative paths below a folder, without files still being written, an editor's, or bytecode."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(_passing(part) for part in path.parts))


def _passing(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__"
