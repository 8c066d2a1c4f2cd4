from __future__ import annotations

import pytest

from tbcore.course import bands
from tbcore.course.places import project_root
from tbcore.errors import InputError
from tbcore.profiles import PROFILES

ROW = '[[band]]\nname = "01.a"\nprofile = "laptop"\nlow = {low}\nhigh = {high}\nunit = "share"\nwhy = "a test"\n'


def test_the_courses_own_bands_are_valid_and_name_known_profiles():
    found = bands.load(project_root() / "notebooks" / "bands.toml")
    assert "01.purity" in {one.name for one in found}
    assert {one.profile for one in found} <= set(PROFILES)


@pytest.mark.parametrize(("value", "inside"), [(0.5, True), (1.0, True), (0.49, False), (1.01, False)])
def test_limits_belong_to_the_band(tmp_path, value, inside):
    path = tmp_path / "bands.toml"
    path.write_text(ROW.format(low=0.5, high=1))
    one = bands.band("01.a", "laptop", path)
    assert one is not None
    assert one.holds(value) is inside
    assert bands.band("01.a", "smoke", path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW.format(low=2, high=1), "low must not exceed high"),
        (ROW.format(low=0, high=1) * 2, "stands there twice"),
        (ROW.format(low=0, high=1) + "extra = 1\n", "extra"),
        ("[[band]\n", "bands.toml"),
    ],
)
def test_malformed_files_name_themselves(tmp_path, text, message):
    path = tmp_path / "bands.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        bands.load(path)
