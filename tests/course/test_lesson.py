from __future__ import annotations

import json

import numpy as np
import pytest

from tbcore import manifest
from tbcore.course import lesson
from tbcore.errors import InputError, ManifestError, MissingFileError, ProfileError


def opened(tmp_path, step="01_one", **options):
    settings = {"profile": "smoke", "seed": 0, "run_dir": tmp_path, **options}
    return lesson.open(step, **settings)


class Counter:
    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self):
        self.calls += 1
        return self.value


@pytest.mark.parametrize(
    ("name", "value"),
    [("a.json", {"k": [1, "ü"]}), ("a.jsonl", [{"id": 1}, {"id": 2}]), ("a.npy", np.eye(2))],
)
def test_make_returns_what_was_saved_and_loads_it_next_time(tmp_path, name, value):
    compute = Counter(value)
    first = opened(tmp_path).make(name, compute)
    second = opened(tmp_path).make(name, compute)
    assert compute.calls == 1
    np.testing.assert_equal(first, value)
    np.testing.assert_equal(second, value)


@pytest.mark.parametrize("change", [{"seed": 1}, {"params": {"pairs": "photos"}}, {"refresh": True}])
def test_make_computes_again_when_something_changed(tmp_path, change):
    compute = Counter([1])
    opened(tmp_path).make("a.json", compute)
    opened(tmp_path, **change).make("a.json", compute)
    assert compute.calls == 2


def test_a_changed_earlier_file_makes_the_later_one_stale(tmp_path, capsys):
    later = Counter([1])
    for value in (1, 2):
        step = opened(tmp_path, params={})
        step.make("first.json", lambda value=value: value) if value == 1 else step.make("first.json", lambda: 2)
        step.make("later.json", later)
    assert later.calls == 2
    assert "because of a change in the files made before it" in capsys.readouterr().out


def test_a_file_changed_by_hand_is_made_again(tmp_path, capsys):
    compute = Counter([1])
    step = opened(tmp_path)
    step.make("a.json", compute)
    (step.path / "a.json").write_text("[2]")
    assert opened(tmp_path).make("a.json", compute) == [1]
    assert "changed by somebody else" in capsys.readouterr().out


def test_running_a_cell_twice_loads(tmp_path):
    first, second = Counter([1]), Counter([2])
    step = opened(tmp_path)
    for _ in range(2):
        step.make("a.json", first)
        step.make("b.json", second)
    assert (first.calls, second.calls) == (1, 1)


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.pkl.*use folder"):
        opened(tmp_path).make("a.pkl", lambda: 1)


def test_a_half_filled_folder_is_resumed(tmp_path):
    seen = []

    def fill(path):
        seen.append(sorted(one.name for one in path.iterdir()))
        (path / f"part{len(seen)}").write_text("x")
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path).folder("checkpoint", fill)
    done = opened(tmp_path).folder("checkpoint", fill)
    opened(tmp_path).folder("checkpoint", fill)
    assert seen == [[], ["part1"]]
    assert sorted(one.name for one in done.iterdir()) == ["part1", "part2"]


def test_a_folder_with_other_parameters_starts_empty(tmp_path):
    def fill(path):
        assert list(path.iterdir()) == []
        (path / "x").write_text("x")

    opened(tmp_path).folder("checkpoint", fill)
    opened(tmp_path, seed=1).folder("checkpoint", fill)


def closed(tmp_path, value=1, **options):
    step = opened(tmp_path, **options)
    step.make("a.json", Counter(value))
    step.result("01.n", value)
    step.close()
    return step


def test_close_writes_results_of_all_steps(tmp_path):
    closed(tmp_path)
    other = opened(tmp_path, "02_two")
    other.result("02.share", 0.5)
    other.close()
    assert json.loads((tmp_path / "results.json").read_text()) == {"01.n": 1, "02.share": 0.5}


def test_upstream_gives_the_folder_and_its_change_makes_files_stale(tmp_path, capsys):
    closed(tmp_path)
    compute = Counter([1])
    for value in (1, 1, 2):
        closed(tmp_path, value, seed=value)
        step = opened(tmp_path, "02_two")
        assert step.upstream("01_one") == tmp_path / "01_one"
        step.make("b.json", compute)
    assert compute.calls == 2
    assert "a change in the files of an earlier step" in capsys.readouterr().out


def test_upstream_refuses_changed_files(tmp_path):
    step = closed(tmp_path)
    (step.path / "a.json").write_text("[2]")
    with pytest.raises(ManifestError, match=r"01_one/a\.json: was changed.*refresh=True"):
        opened(tmp_path, "02_two").upstream("01_one")


def test_upstream_missing_says_what_to_run(tmp_path):
    with pytest.raises(MissingFileError, match=r"step 90_none has not been run.*make run"):
        opened(tmp_path, "91_two").upstream("90_none")


def test_upstream_falls_back_to_starter_files_with_a_banner(tmp_path, monkeypatch, capsys):
    closed(tmp_path / "other")
    monkeypatch.setattr(lesson, "starter_folder", lambda step: tmp_path / "other" / step)
    assert opened(tmp_path, "02_two").upstream("01_one") == tmp_path / "other" / "01_one"
    assert "STARTER FILES: step 01_one has not been run" in capsys.readouterr().out


def test_an_interrupted_step_is_not_complete(tmp_path):
    step = opened(tmp_path)
    step.make("a.json", Counter(1))
    record = manifest.read(step.path)
    assert record is not None
    assert not record.complete
    assert manifest.problems(step.path, record) == ["01_one: was interrupted before its end"]


@pytest.mark.parametrize(("name", "value"), [("02.n", 1.0), ("01.n", float("nan"))])
def test_bad_results_are_refused(tmp_path, name, value):
    with pytest.raises(InputError, match="must be"):
        opened(tmp_path).result(name, value)


def test_step_names_and_profiles_are_checked(tmp_path):
    with pytest.raises(InputError, match="named like"):
        opened(tmp_path, "clustering")
    with pytest.raises(ProfileError, match="unknown"):
        opened(tmp_path, profile="huge")


def test_a_broken_manifest_names_its_file(tmp_path):
    (tmp_path / "01_one").mkdir()
    (tmp_path / "01_one" / "manifest.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"manifest\.json: not a readable manifest"):
        opened(tmp_path)
