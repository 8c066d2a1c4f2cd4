"""The course on a memory stick: repository, weights and every wheel in one archive, with checksums and three commands.

    FILE.zip
      README.md            three commands
      SHA256SUMS           of everything else
      requirements.txt     every wheel by version and hash
      wheels/              the closure of constraints.txt, the language model's wheel among them
      textbind-workshop/   the repository; its zoo holds the shipped tower, reader and painter

Wheels are made for one kind of computer: bundle on the system that the class will use.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from tbcore.course.house import Project, pins_of, read_project
from tbcore.course.places import project_root
from tbcore.errors import InputError, MissingFileError
from tbcore.store import sha256_of

__all__ = ["FOLDER", "fetch_wheels", "main", "project_files", "readme", "requirements", "write_bundle"]

FOLDER = "textbind-workshop"
"""The repository's folder in the archive."""

_EXTRA = "notebooks"
_BUILD_TOOL = "setuptools>=77"  # the repository is installed in place, which needs it
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes
_EXECUTABLE, _PLAIN = 0o100755 << 16, 0o100644 << 16
_SKIPPED = {".git", ".venv", ".ci", "build", "dist", "runs", "__pycache__", "node_modules"}


def fetch_wheels(root: Path, folder: Path, *, call: Callable[[Sequence[str]], object] | None = None) -> list[Path]:
    """Fetch or build every wheel a reader needs, at the versions of constraints.txt; needs a network.

    Args:
        root: the course's folder.
        folder: where the wheels go.
        call: runs a command line; tests look at it.
    """
    project = read_project(root)
    run = call or (lambda command: subprocess.run(command, cwd=root, check=True))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder)]
    folder.mkdir(parents=True, exist_ok=True)
    run([*pip, "--constraint", "constraints.txt", f".[{_EXTRA}]"])
    run([*pip, "--no-deps", project.language_model])
    run([*pip, "--no-deps", "--constraint", "constraints.txt", _BUILD_TOOL])
    for own in folder.glob(f"{project.name}-*.whl"):
        own.unlink()  # the repository itself is installed in place
    return sorted(folder.glob("*.whl"))


def project_files(root: Path) -> list[Path]:
    """Paths of the repository's files, relative, sorted: those that git knows or would add; without git, all.

    Raises:
        MissingFileError: this is not the course's folder.
    """
    if not (root / "pyproject.toml").is_file():
        raise MissingFileError(f"{root}: no pyproject.toml. A bundle is made in the course's own folder.")
    listed = None
    if (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
        listed = done.stdout.decode().split("\0") if done.returncode == 0 else None
    names = [Path(name) for name in listed if name] if listed is not None else _walked(root)
    return sorted({name for name in names if (root / name).is_file() and not _SKIPPED & set(name.parts)})


def _walked(root: Path) -> list[Path]:
    found = (path.relative_to(root) for path in root.rglob("*"))
    return [path for path in found if not any(part.endswith(".egg-info") for part in path.parts)]


def requirements(wheels: Iterable[Path]) -> str:
    """A requirements file that names each wheel by version and hash.

    Raises:
        InputError: a file is no wheel, or two versions of one package lie there.
    """
    lines: dict[str, str] = {}
    for path in sorted(wheels):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename as error:
            raise InputError(f"{path}: not the name of a wheel. Take the file away.") from error
        if name in lines:
            raise InputError(f"{path.parent}: two versions of {name}. Keep the one that constraints.txt names.")
        lines[name] = f"{name}=={version} --hash=sha256:{sha256_of(path)}\n"
    return "".join(lines.values())


def _missing(project: Project, pins: dict[str, str], wheels: Iterable[Path]) -> list[str]:
    """Direct requirements without a wheel, or with one of another version than the lock's."""
    have = {str(name): str(version) for name, version, *_ in (parse_wheel_filename(path.name) for path in wheels)}
    needs = [need for need in project.requirements([_EXTRA]) if need.marker is None or need.marker.evaluate()]
    wanted = {str(canonicalize_name(need.name)): pins.get(canonicalize_name(need.name)) for need in needs}
    model, _, version = project.language_model.partition("==")
    wanted[str(canonicalize_name(model))] = version
    wanted["setuptools"] = None
    found: list[str] = []
    for name, version in sorted(wanted.items()):
        if name not in have:
            found.append(f"{name} is missing")
        elif version is not None and have[name].partition("+")[0] != version:
            found.append(f"{name} is {have[name]} instead of {version}")
    return found


def readme(system: str, python: str) -> str:
    """The page at the top of the archive.

    Args:
        system: such as "Linux x86_64".
        python: such as "3.12".
    """
    return "\n".join(
        [
            "# TextBind Workshop, offline",
            "",
            f"Made for {system} with Python {python}. Unpack the archive, open a terminal in this folder, and give",
            "three commands. None of them uses a network.",
            "",
            "```",
            "python3 -m venv .venv",
            ".venv/bin/python -m pip install --no-index --no-deps --find-links wheels --requirement requirements.txt",
            f".venv/bin/python -m pip install --no-index --no-deps --no-build-isolation --editable {FOLDER}",
            "```",
            "",
            r"On Windows write `.venv\Scripts\python` for `.venv/bin/python`, and `py` for `python3`.",
            "",
            "Is everything there? The doctor names a remedy for whatever is not:",
            "",
            "```",
            ".venv/bin/python -m tbcore doctor",
            "```",
            "",
            "Then begin: `.venv/bin/python -m jupyter lab` and open a notebook in",
            f"`{FOLDER}/notebooks/exercises`. `sha256sum -c SHA256SUMS` tells whether the copy is whole; pip compares",
            "the hash of each wheel as well.",
            "",
        ]
    )


def write_bundle(root: Path, out: Path, wheels: Sequence[Path], *, complete: bool = True) -> dict[str, int]:
    """Write the archive; returns bytes by part: "wheels", "repository", "archive".

    Args:
        root: the course's folder.
        out: a .zip file; replaced, whole or not at all.
        wheels: files to pack.
        complete: refuse wheels that would not make a working course; False packs whatever is given.

    Raises:
        InputError: not a .zip, a wheel is missing or of another version than constraints.txt says.
        MissingFileError: this is not the course's folder.
    """
    if out.suffix != ".zip":
        raise InputError(f"{out}: a bundle is a .zip file. Write --out textbind-workshop.zip")
    files = project_files(root)
    listing = requirements(wheels)
    if complete:
        pins = pins_of((root / "constraints.txt").read_text("utf-8"))
        if lacking := _missing(read_project(root), pins, wheels):
            raise InputError(f"wheels: {'; '.join(lacking[:5])}. Without --wheels they are fetched, with a network.")
    texts = {
        "README.md": readme(f"{platform.system()} {platform.machine()}", ".".join(map(str, sys.version_info[:2]))),
        "requirements.txt": listing,
    }
    packed = {f"wheels/{path.name}": path for path in wheels}
    packed |= {f"{FOLDER}/{name.as_posix()}": root / name for name in files}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as folder:
        fresh = Path(folder) / out.name
        _write_zip(fresh, texts, packed)
        fresh.replace(out)
    return {
        "wheels": sum(path.stat().st_size for path in wheels),
        "repository": sum((root / name).stat().st_size for name in files),
        "archive": out.stat().st_size,
    }


def _write_zip(path: Path, texts: dict[str, str], packed: dict[str, Path]) -> None:
    import hashlib

    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    sums |= {name: sha256_of(source) for name, source in packed.items()}
    listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in [*texts.items(), ("SHA256SUMS", listing)]:
            archive.writestr(_entry(name, executable=False), text)
        for name, source in sorted(packed.items()):
            entry = _entry(name, executable=bool(source.stat().st_mode & 0o100))
            entry.file_size = source.stat().st_size
            with source.open("rb") as content, archive.open(entry, "w") as target:
                while chunk := content.read(1 << 20):
                    target.write(chunk)


def _entry(name: str, *, executable: bool) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _MOMENT)
    entry.external_attr = _EXECUTABLE if executable else _PLAIN
    entry.compress_type = zipfile.ZIP_STORED if name.endswith((".whl", ".png")) else zipfile.ZIP_DEFLATED
    return entry


def main(arguments: list[str] | None = None) -> int:
    """Write the bundle named on the command line."""
    options = argparse.ArgumentParser(prog="python -m tbcore bundle", description="Pack the course for no network.")
    options.add_argument("--out", type=Path, required=True, help="the archive, such as textbind-workshop.zip")
    options.add_argument("--wheels", type=Path, help="a folder with all wheels; without it they are fetched")
    options.add_argument("--only-project", action="store_true", help="pack no wheel but those in --wheels, unchecked")
    given = options.parse_args(arguments)
    root = project_root()
    with tempfile.TemporaryDirectory() as folder:
        if given.wheels is not None:
            wheels = sorted(given.wheels.glob("*.whl"))
        else:
            wheels = [] if given.only_project else fetch_wheels(root, Path(folder))
        sizes = write_bundle(root, given.out.resolve(), wheels, complete=not given.only_project)
    print(f"{len(wheels)} wheels {sizes['wheels'] / 1e6:.1f} MB, repository {sizes['repository'] / 1e6:.1f} MB")
    print(f"{given.out}: {sizes['archive'] / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
