from __future__ import annotations

import dataclasses

import pytest

from tbcore import profiles
from tbcore.errors import ProfileError


def test_profiles_grow():
    smoke, laptop, gpu = profiles.PROFILES.values()
    assert [one.name for one in (smoke, laptop, gpu)] == ["smoke", "laptop", "gpu"]
    for name in ("needs_gb", "n_pairs", "n_simulated", "stage2_steps", "max_new_tokens"):
        assert getattr(smoke, name) < getattr(laptop, name) < getattr(gpu, name)


def test_smoke_and_laptop_keep_the_memory_promise():
    assert profiles.named("smoke").needs_gb <= 4
    assert profiles.named("laptop").needs_gb <= 6


def test_too_large_a_profile_names_the_one_that_fits():
    with pytest.raises(
        ProfileError, match=r"'gpu': needs 16 GB of memory, this machine has 8\.0 GB\. Use profile 'laptop'"
    ):
        profiles.fitting("gpu", memory_gb=8.0)
    with pytest.raises(ProfileError, match="No profile fits"):
        profiles.fitting("smoke", memory_gb=1.0)
    assert profiles.fitting("laptop", memory_gb=8.0).name == "laptop"


def test_a_profile_for_a_gpu_wants_one():
    with pytest.raises(ProfileError, match=r"needs a GPU with 8 GB, this machine has none\. Use profile 'laptop'"):
        profiles.fitting("gpu", memory_gb=64, gpu_gb=0)
    with pytest.raises(ProfileError, match=r"this machine has one with 4\.0 GB\. Use profile 'laptop'"):
        profiles.fitting("gpu", memory_gb=64, gpu_gb=4)
    with pytest.raises(ProfileError, match=r"needs 16 GB of memory, this machine has 5\.0 GB\. Use profile 'smoke'"):
        profiles.fitting("gpu", memory_gb=5, gpu_gb=80)
    assert profiles.fitting("gpu", memory_gb=64, gpu_gb=8).name == "gpu"
    assert profiles.fitting("laptop", memory_gb=8, gpu_gb=0).name == "laptop"


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(ProfileError, match=r"'tiny': unknown\. Use one of smoke, laptop, gpu"):
        profiles.named("tiny")


def test_impossible_sizes_are_refused():
    with pytest.raises(ProfileError, match="k_min <= k_max"):
        dataclasses.replace(profiles.named("smoke"), k_min=1)
