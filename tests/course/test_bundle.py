from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tbcore.course import bundle
from tbcore.course.house import read_project
from tbcore.course.places import project_root
from tbcore.errors import InputError, MissingFileError

NOWHERE = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    "PIP_NO_INDEX": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_CONFIG_FILE": os.devnull,
}


def a_wheel(folder, name="lantern", version="1.0"):
    """A wheel of one module, written by hand."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": b"LIGHT = 1\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return path


@pytest.fixture
def small_project(tmp_path):
    """The course's own dependency files around an almost empty package."""
    root = tmp_path / "project"
    (root / "tbcore").mkdir(parents=True)
    (root / "tbcore" / "__init__.py").write_text("x = 1\n")
    (root / "runs").mkdir()
    (root / "runs" / "large.bin").write_bytes(b"0" * 1000)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(project_root() / name, root / name)
    return root


def test_an_archive_holds_repository_wheels_hashes_and_a_page(small_project, tmp_path):
    wheel = a_wheel(tmp_path / "wheels")
    sizes = bundle.write_bundle(small_project, tmp_path / "b.zip", [wheel], complete=False)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        names = set(archive.namelist())
        sums = dict(reversed(line.split("  ")) for line in archive.read("SHA256SUMS").decode().splitlines())
        assert names == {
            "README.md",
            "SHA256SUMS",
            "requirements.txt",
            "textbind-workshop/constraints.txt",
            "textbind-workshop/pyproject.toml",
            "textbind-workshop/tbcore/__init__.py",
            "wheels/lantern-1.0-py3-none-any.whl",
        }
        assert sums == {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names - {"SHA256SUMS"}}
        listing = archive.read("requirements.txt").decode()
    assert listing == f"lantern==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    assert sizes["wheels"] == wheel.stat().st_size
    assert sizes["archive"] == (tmp_path / "b.zip").stat().st_size


def test_the_same_content_gives_the_same_bytes(small_project, tmp_path):
    wheel = a_wheel(tmp_path / "wheels")
    for name in ("one.zip", "two.zip"):
        bundle.write_bundle(small_project, tmp_path / name, [wheel], complete=False)
        os.utime(small_project / "pyproject.toml", (1, 1))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_bundle_without_a_needed_wheel_is_refused(small_project, tmp_path):
    with pytest.raises(InputError, match="wheels: accelerate is missing; anywidget is missing"):
        bundle.write_bundle(small_project, tmp_path / "b.zip", [a_wheel(tmp_path / "wheels")])
    other = a_wheel(tmp_path / "wheels", "accelerate", "0.1")
    with pytest.raises(InputError, match=r"accelerate is 0\.1 instead of \d"):
        bundle.write_bundle(small_project, tmp_path / "b.zip", [other])
    assert not (tmp_path / "b.zip").exists()


def test_faults_are_named(small_project, tmp_path):
    with pytest.raises(InputError, match="two versions of lantern"):
        bundle.requirements([a_wheel(tmp_path / "w"), a_wheel(tmp_path / "w", version="2.0")])
    (tmp_path / "w" / "odd.whl").write_bytes(b"")
    with pytest.raises(InputError, match="not the name of a wheel"):
        bundle.requirements([tmp_path / "w" / "odd.whl"])
    with pytest.raises(InputError, match=r"a bundle is a \.zip file"):
        bundle.write_bundle(small_project, tmp_path / "b.tar", [], complete=False)
    with pytest.raises(MissingFileError, match="made in the course's own folder"):
        bundle.project_files(tmp_path)


def test_wheels_are_fetched_at_the_locked_versions(small_project, tmp_path):
    asked = []

    def call(command):
        asked.append(command[2:])
        a_wheel(tmp_path / "w", "tbcore" if "--constraint" in command and not asked[1:] else f"part{len(asked)}")

    found = bundle.fetch_wheels(small_project, tmp_path / "w", call=call)
    assert [path.name.split("-")[0] for path in found] == ["part2", "part3"]
    start = ["pip", "wheel", "--quiet", "--wheel-dir", str(tmp_path / "w")]
    assert asked == [
        [*start, "--constraint", "constraints.txt", ".[notebooks]"],
        [*start, "--no-deps", read_project(project_root()).language_model],
        [*start, "--no-deps", "--constraint", "constraints.txt", "setuptools>=77"],
    ]


def test_the_repository_is_packed_without_what_runs_leave_behind():
    names = {path.as_posix() for path in bundle.project_files(project_root())}
    assert {"pyproject.toml", "tbcore/__init__.py", "notebooks/01_clustering.ipynb", "constraints.txt"} <= names
    assert [name for name in names if name.startswith(("runs/", "build/", ".venv/", ".git/"))] == []


def offline(command, cwd):
    """Run a command with no way out: in a network namespace where the system lets us, else with proxies to nowhere."""
    probe = ["unshare", "--net", "--map-root-user", "true"]
    cut = (
        shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )
    line = [*probe[:-1], *command] if cut else command
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(line, cwd=cwd, env={**kept, **NOWHERE}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_the_three_commands_of_the_page_work_without_a_network(tmp_path):
    wheel = a_wheel(tmp_path / "made")
    place = tmp_path / "stick"
    bundle.write_bundle(project_root(), tmp_path / "b.zip", [wheel], complete=False)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extractall(place)
    block = re.search(r"```\n(.*?)```", (place / "README.md").read_text("utf-8"), flags=re.S)
    assert block is not None
    commands = block.group(1).strip().splitlines()
    assert len(commands) == 3
    for number, command in enumerate(commands):
        words = command.split()
        words[0] = sys.executable if words[0] == "python3" else str(place / words[0])
        code, said = offline(words, place)
        assert code == 0, f"{command}\n{said}"
        if number == 0:  # what the full bundle would bring as wheels is lent by this environment
            (packages,) = (place / ".venv").glob("lib/python*/site-packages")
            (packages / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
            for older in packages.glob("setuptools*"):  # Python 3.11 brings one; the bundle's would replace it
                shutil.rmtree(older)
    python = str(place / ".venv" / "bin" / "python")
    code, said = offline([python, "-c", "import lantern, tbcore; print(tbcore.__file__)"], tmp_path)
    assert (code, said.strip()) == (0, str(place / bundle.FOLDER / "tbcore" / "__init__.py"))
    code, said = offline([python, "-m", "tbcore", "doctor", "--quick"], place)
    assert code in (0, 1), said  # 1: this computer lacks something, which the doctor is there to say
    assert re.search(r"^ok\s+Python\s+3\.", said, flags=re.M), said
    assert re.search(r"^ok\s+shipped weights", said, flags=re.M), said
    assert not Path(place, bundle.FOLDER, "runs").exists()
