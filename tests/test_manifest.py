from __future__ import annotations

import pytest

from tbcore import manifest
from tbcore.manifest import Artifact, Manifest


def a_manifest(**changes):
    return Manifest(**{"step": "01_one", "version": "0", "profile": "smoke", "seed": 0, **changes})


def test_written_and_read_back(tmp_path):
    record = a_manifest(
        artifacts=(Artifact(name="a.json", reasons={"seed": "x"}, sha256="y", seconds=1.5),),
        results={"01.n": 1.0},
        complete=True,
    )
    manifest.write(tmp_path, record)
    assert manifest.read(tmp_path) == record


def test_no_manifest_is_none(tmp_path):
    assert manifest.read(tmp_path) is None


def test_digest_does_not_depend_on_the_order_of_keys():
    assert manifest.digest({"a": 1, "b": 2}) == manifest.digest({"b": 2, "a": 1})
    assert manifest.digest([1, 2]) != manifest.digest([2, 1])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("other"), "one/a.txt: was changed after the step wrote it"),
        (lambda path: path.unlink(), "one/a.txt: is missing"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    record = a_manifest(outputs=manifest.outputs_of(folder), complete=True)
    assert manifest.problems(folder, record) == []
    damage(folder / "a.txt")
    assert manifest.problems(folder, record) == [message]


def test_verdicts_and_unfinished_files_are_no_outputs(tmp_path):
    for name in ("a.txt", "checks-solved.json", ".a.txt.part", "manifest.json"):
        (tmp_path / name).write_text("x")
    assert list(manifest.outputs_of(tmp_path)) == ["a.txt"]


@pytest.fixture
def package(tmp_path):
    for name, text in {"a.py": "x = 1\n", "course/b.py": "y = 1\n", "data/words.txt": "one\n"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "lessons", "same"),
    [
        ("a.py", '"""Now documented."""\n\nx = 1  # one\n', False, True),
        ("a.py", "x = 2\n", False, False),
        ("data/words.txt", "two\n", False, False),
        ("course/b.py", "y = 2\n", False, True),
        ("course/b.py", "y = 2\n", True, False),
    ],
)
def test_code_digest_follows_what_can_change_results(package, name, text, lessons, same):
    before = manifest.code_digest(package, lessons=lessons)
    (package / name).write_text(text)
    manifest.code_digest.cache_clear()
    assert (manifest.code_digest(package, lessons=lessons) == before) is same
