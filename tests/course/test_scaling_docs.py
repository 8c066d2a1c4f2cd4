"""The recipes for larger machines: what can be checked without such a machine."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
import yaml

from tbcore import __main__ as command
from tbcore.course.places import project_root
from tbcore.parts.catalogue import gpus, sets
from tbcore.parts.cost import need
from tests.scale.judging import files_of, plain_loop, write_candidates

FOLDER = project_root() / "docs" / "scaling"
PAGES = sorted(FOLDER.glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(page, language):
    """Each block of a language, with the text of the page before it."""
    text = page.read_text("utf-8")
    return [(text[: one.start()], one[2]) for one in BLOCK.finditer(text) if one[1] == language]


def every(language):
    return [(page, *one) for page in PAGES for one in blocks(page, language)]


def commands():
    """What follows `-m tbcore` on each command line, comments and redirections left out."""
    text = "".join(code.replace("\\\n", " ") for _, _, code in every("bash"))
    for line in re.findall(r"-m tbcore (.*)", text):
        parts = shlex.split(line, comments=True)
        yield parts[: parts.index(">")] if ">" in parts else parts


def test_every_command_says_whether_it_ran():
    for page, before, code in [*every("bash"), *every("yaml"), *every("dockerfile")]:
        last = max(before.rfind("Ran here"), before.rfind("Not run"))
        assert last >= 0, (page.name, code)
        assert "```" not in before[last:], (page.name, code)  # the mark stands between this block and the last


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).is_file(), (page.name, target)
    assert {page.name for page in PAGES} == {"README.md", *re.findall(r"\((\w+\.md)\)", PAGES[0].read_text("utf-8"))}


def test_options_of_this_project_exist():
    read = [command._parser().parse_args(line).command for line in commands()]
    assert {"doctor", "run"} == set(read)
    assert len(read) >= 8


def test_options_of_a_launch_exist():
    """Read from its source: importing it loads torch."""
    source = (project_root() / "tbcore" / "scale" / "launch.py").read_text("utf-8")
    known = set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', source))
    text = "".join(code.replace("\\\n", " ") for _, _, code in every("bash"))
    launches = re.findall(r"-m tbcore\.scale\.launch(.*)", text)
    assert len(launches) == 3
    for line in launches:
        used = set(re.findall(r"(--[a-z-]+)", line))
        assert {"--stage", "--data", "--out"} <= used <= known
    configs = re.findall(r"tbcore/scale/configs/\w+\.yaml", (FOLDER / "slurm.md").read_text("utf-8"))
    assert configs
    assert all((project_root() / one).is_file() for one in configs)


@pytest.mark.parametrize("number", range(len(every("bash"))))
def test_shell_blocks_are_shell(number):
    page, _, code = every("bash")[number]
    if page.name == "colab.md":
        return  # cells of a notebook
    done = subprocess.run(["bash", "-n"], input=code.replace("<this repository>", "url"), text=True, check=False)
    assert done.returncode == 0, (page.name, code)


def test_the_ray_job_is_one_and_of_the_tested_version():
    pinned = re.search(r"^ray==(\S+)$", (project_root() / "constraints.txt").read_text("utf-8"), re.M)
    ((_, _, code),) = every("yaml")
    job = yaml.safe_load(code)
    assert (job["kind"], job["spec"]["rayClusterSpec"]["rayVersion"]) == ("RayJob", pinned[1])
    assert f"rayproject/ray:{pinned[1]}-py311-cpu" in (FOLDER / "kubernetes.md").read_text("utf-8")
    workers = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    cpus = workers["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
    told = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    assert int(told["WORKERS"]) == workers["replicas"] * int(cpus)


def test_the_table_of_sets_is_the_counted_one():
    text = (FOLDER / "README.md").read_text("utf-8")
    for name, parts in sets().items():
        counted = need(parts)
        sums = ", ".join(f"{sum(one.values()):.1f}" for one in (counted.training, counted.chat, counted.teacher))
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith(f"| {counted.download:.1f} GB | {sums} GB |")
    assert need(sets()["gpu"]).gpu <= gpus()["L4"].memory_gb
    assert need(sets()["gpu-large"]).gpu <= 40


def test_python_blocks_compile_and_the_ray_program_runs_without_ray(tmp_path, monkeypatch, capsys):
    for page, _, code in every("python"):
        compile(code, page.name, "exec")
    ((_, code),) = blocks(FOLDER / "slurm.md", "python")
    monkeypatch.setenv("SHARDS", "2")
    for name in ("WORKERS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    rows = write_candidates(tmp_path / "candidates.jsonl", 12)
    monkeypatch.setattr("sys.argv", ["judge.py", str(rows), str(tmp_path / "judged")])
    exec(compile(code, "judge.py", "exec"), {"__name__": "__main__"})
    plain_loop(rows, tmp_path / "plain")
    assert files_of(tmp_path / "judged") == files_of(tmp_path / "plain")
    assert "2 shards, no workers" in capsys.readouterr().out
