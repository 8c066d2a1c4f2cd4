"""The whole course in profile smoke: solved edition without a network, student edition, and nothing done twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tbcore.course.places import course, project_root

pytestmark = [pytest.mark.chain, pytest.mark.slow, pytest.mark.timeout(1500)]

RESULTS = frozenset(
    {
        "chain.minutes",
        "chain.peak_gb",
        "01.purity",
        "01.topic_coherence",
        "01.random_coherence",
        "03.recorded",
        "04.kept",
        "04.rejected",
        "06.backdrop_exact",
        "06.things_exact",
        "06.things_probe",
        "06.blank_backdrop_exact",
        "06.blank_things_exact",
        "06.talk_or_draw",
        "06.drawn_scene_exact",
        "06.text_perplexity_ratio",
    }
)
SHARES = sorted(name for name in RESULTS if name.split(".")[1].endswith(("purity", "exact", "probe", "draw")))

# In a namespace of its own nothing leads outside; notebooks talk to their kernels over loopback, which starts down.
LOOPBACK_UP = """
import fcntl, socket, struct, sys, os
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name, get_flags, set_flags, up = b"lo", 0x8913, 0x8914, 1
flags = struct.unpack("16sh", fcntl.ioctl(probe, get_flags, struct.pack("16sh", name, 0)))[1]
fcntl.ioctl(probe, set_flags, struct.pack("16sh", name, flags | up))
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
sys.exit("the network is not cut")
"""


def can_cut_the_network():
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--net", "--map-root-user", sys.executable, "-c", LOOPBACK_UP, "-c", "print('cut')"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.stdout == "cut\n"


def run_chain(run_dir, *options, cut=False):
    command = ["-m", "tbcore", "run", "--profile", "smoke", "--run-dir", str(run_dir), *options]
    before = ["unshare", "--net", "--map-root-user", sys.executable, "-c", LOOPBACK_UP] if cut else [sys.executable]
    threads = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [*before, *command], cwd=project_root(), env=threads, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("chain") / "run"


@pytest.fixture(scope="module")
def solved(run_dir):
    cut = can_cut_the_network()
    if not cut:
        print("This system lets no test make a network namespace: the chain runs with libraries offline only.")
    return run_chain(run_dir, "--appendices", cut=cut)


def test_solved_chain_runs_without_a_network(solved, run_dir, capsys):
    results = json.loads((run_dir / "results.json").read_text("utf-8"))
    assert sorted(RESULTS - set(results)) == []
    assert [name for name in SHARES if not 0 <= results[name] <= 1] == []
    assert solved.count(": running") == len(course().sources())
    with capsys.disabled():
        print("\n" + solved)


def test_student_edition_runs_from_the_same_folder(solved, run_dir):
    before = (run_dir / "results.json").read_text("utf-8")
    said = run_chain(run_dir, "--edition", "student", "--appendices")
    after = json.loads((run_dir / "results.json").read_text("utf-8"))
    assert said.count(": running") == len(course().sources())
    assert sorted(RESULTS - set(after)) == []
    assert after.keys() == json.loads(before).keys()


def test_second_run_skips_everything(solved, run_dir):
    before = (run_dir / "results.json").read_text("utf-8")
    said = run_chain(run_dir, "--appendices")
    assert said.count("skipped") == len(course().sources())
    assert ": running" not in said
    assert (run_dir / "results.json").read_text("utf-8") == before
