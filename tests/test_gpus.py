"""GPUs, with a stand-in for their list: each training has its own, and a profile that misses one says so."""

import os
import subprocess
import threading
import time

import pytest

from mosaicbook.batch import gpus, profiles, scheduler
from mosaiclib.latency.host import machine


@pytest.fixture
def two(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "gpus", lambda: ({"number": "0", "name": "x"}, {"number": "1", "name": "x"}))
    monkeypatch.setattr(gpus, "WAIT_S", 0.02)


def test_each_training_has_a_gpu_of_its_own_and_waits_for_one(two, tmp_path):
    with gpus.own(tmp_path):
        first = os.environ["CUDA_VISIBLE_DEVICES"]
        os.environ.pop("CUDA_VISIBLE_DEVICES")  # the second is another process
        with gpus.own(tmp_path):
            assert {first, os.environ["CUDA_VISIBLE_DEVICES"]} == {"0", "1"}
            os.environ.pop("CUDA_VISIBLE_DEVICES")
            entered = []

            def third():
                with gpus.own(tmp_path, everything=True):
                    entered.append(os.environ["CUDA_VISIBLE_DEVICES"])

            thread = threading.Thread(target=third)
            thread.start()
            time.sleep(0.1)
            assert not entered, "both are taken"
            os.environ["CUDA_VISIBLE_DEVICES"] = "1"
        os.environ["CUDA_VISIBLE_DEVICES"] = first
    thread.join(5)
    assert entered == ["0,1"] and "CUDA_VISIBLE_DEVICES" not in os.environ


def test_no_more_trainings_at_a_time_than_gpus(two, monkeypatch):
    assert [scheduler._trainings(jobs) for jobs in (None, 1, 2, 4)] == [1, 1, 2, 2]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpus.visible() == ["1"] and scheduler._trainings(4) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus.visible() == [] and scheduler._trainings(4) == 4


def test_without_a_gpu_nothing_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with gpus.own(tmp_path):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_profile_made_for_a_gpu_says_that_there_is_none_before_it_starts(monkeypatch, tmp_path, mosaic):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    status, _, stderr = mosaic("report", "--profile", "paper")
    assert status == 1 and "made for a GPU" in stderr and "--on-cpu" in stderr and not list(tmp_path.iterdir())
    gpus.refuse_without(profiles.load("paper"), on_cpu=True)
    gpus.refuse_without(profiles.load("quick"), on_cpu=False)


def test_gpus_are_read_from_nvidia_smi(monkeypatch):
    listed = "0, NVIDIA A100, 550.54, 81920 MiB\n1, NVIDIA A100, 550.54, 81920 MiB\n"
    monkeypatch.setattr(machine.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, listed))
    machine.gpus.cache_clear()
    try:
        found = machine.gpus()
    finally:
        machine.gpus.cache_clear()
    assert found[1] == {"number": "1", "name": "NVIDIA A100", "driver": "550.54", "memory": "81920 MiB"}
