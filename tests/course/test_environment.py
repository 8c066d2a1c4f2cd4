from __future__ import annotations

import os
import threading

from tbcore.course.environment import cores, prepared
from tbcore.course.harvest import Meter


def test_surroundings_are_set_and_put_back(tiny_course, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv("TBCORE_EDITION", raising=False)
    before = dict(os.environ)
    with prepared(tiny_course, "student"):
        assert os.environ["OMP_NUM_THREADS"] == "7"
        assert os.environ["MKL_NUM_THREADS"] == str(cores())
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
        assert os.environ["TBCORE_EDITION"] == "student"
    assert dict(os.environ) == before


def test_meter_measures_time_and_memory_and_tells():
    told, heard = [], threading.Event()

    def tell(seconds, peak_gb):
        told.append((seconds, peak_gb))
        heard.set()

    with Meter(tell, every_s=0.0) as meter:
        assert heard.wait(120)
    assert meter.seconds >= told[0][0] >= 0
    assert meter.peak_gb >= told[0][1] > 0.01
