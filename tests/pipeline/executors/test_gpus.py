"""GPUs that are found and tried: how many workers each has room for, and what ends waiting."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from motion_shards.processes import has_ended
from pipeline.executors.gpu_trial import in_words, trouble, troubles_with_flow
from pipeline.executors.gpus import Gpus, find_gpus
from pipeline.executors.limited import run_limited
from pipeline.flow.errors import DeviceError
from pipeline.flow.solver import flow_solver

MEMORY = {"room": 17, "why": "16 GB of memory"}


def found(visible: str | None = None, **options: float) -> Gpus:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    return find_gpus(**options)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"devices": 2}, Gpus(("0", "1"), **MEMORY)),
        ({"devices": 0}, Gpus(())),
        ({"memory": 4 << 30}, Gpus(("0",), room=4, why="4 GB of memory")),
        ({"memory": 8 << 30}, Gpus(("0",), room=8, why="8 GB of memory")),
        ({"memory": 1 << 29}, Gpus(("0",), room=1, why="0 GB of memory")),
        (
            {"mode": 3},
            Gpus(("0",), room=1, why="compute mode EXCLUSIVE_PROCESS, no MPS"),
        ),
        ({"mode": 3, "mps": 1}, Gpus(("0",), **MEMORY)),
        (
            {"mode": 2},
            Gpus((), "compute mode of GPU 0 is PROHIBITED: `nvidia-smi -c DEFAULT`"),
        ),
        (
            {"fail": "cuInit:1:803"},
            Gpus((), "the NVIDIA driver says error 803; see `nvidia-smi`"),
        ),
    ],
)
def test_what_the_driver_says_of_gpus(settings, expected, gpu):
    assert gpu.run(found, **settings) == expected


@pytest.mark.parametrize(
    ("visible", "devices", "names"),
    [
        ("GPU-3f, 7", 2, ("GPU-3f", "7")),
        ("5,-1,6", 1, ("5",)),
        ("MIG-a,MIG-b,MIG-c", 1, ("MIG-a", "MIG-b", "MIG-c")),
    ],
)
def test_gpus_keep_the_names_that_they_were_given(visible, devices, names, gpu):
    """The driver counts one slice (MIG) in a process, however many are listed."""
    assert gpu.run(found, visible, devices=devices).names == names


def seconds_to_find(seconds: float) -> tuple[float, Gpus]:
    began = time.monotonic()
    return found(seconds=seconds), time.monotonic() - began


def test_a_driver_that_hangs_is_one_line_after_the_limit(gpu):
    answer, took = gpu.run(seconds_to_find, 0.5, hang="cuInit")
    assert answer.names == ()
    assert answer.trouble.startswith("the NVIDIA driver does not answer in 0.5 s;")
    assert 0.5 <= took < 10


def test_no_driver_is_found_without_a_process(monkeypatch):
    monkeypatch.setattr("pipeline.executors.gpus.DRIVER", "libno-such-driver.so.1")
    monkeypatch.setattr("pipeline.executors.gpus.run_limited", None)
    assert find_gpus() == Gpus(())


def test_a_program_that_does_not_end_when_killed_is_left(monkeypatch):
    """Its child has the pipe, as a process that hangs in the kernel would."""
    monkeypatch.setattr("pipeline.executors.limited.LEAVE_SECONDS", 0.2)
    began = time.monotonic()
    ended = run_limited(
        {"hangs": ["sh", "-c", "sleep 8 & sleep 8"], "ends": ["echo", "done"]},
        seconds=0.5,
    )
    assert time.monotonic() - began < 6
    assert ended["hangs"].exit_code is None
    assert ended["ends"] == (0, "done\n", "")


class Wrong:
    """The CPU's flow, and something done to it."""

    backend, device = "cuda", "cuda Stub"

    def __init__(self, profile: str, change) -> None:
        self.profile, self._change = profile, change

    def flow(self, frames: np.ndarray) -> np.ndarray:
        return self._change(flow_solver("cpu", profile=self.profile).flow(frames))


@pytest.mark.parametrize(
    ("change", "right"),
    [
        (lambda flow: flow + 0.015, True),
        (lambda flow: flow + 0.025, False),
        (lambda flow: -flow, False),
        (lambda flow: flow[..., ::-1], False),
        (lambda flow: flow * 1.03, False),
        (np.zeros_like, False),
        (lambda flow: flow * np.nan, False),
    ],
)
def test_flow_of_a_trial_is_compared_with_the_cpus(change, right):
    said = trouble("default", make=lambda profile: Wrong(profile, change))
    assert (said == "") == right
    if not right:
        assert said.startswith(
            "cuda Stub computes wrong flow: expected at most 0.02 px"
        )


def test_a_solver_that_fails_is_one_line():
    def fails(profile: str) -> Wrong:
        raise DeviceError("no room\nat all")

    assert trouble("default", make=fails) == "no room at all"


@pytest.mark.slow
def test_a_trial_says_what_the_driver_says_or_that_it_hangs(gpu):
    """In processes of their own, side by side."""
    failed = gpu.run(troubles_with_flow, ("0", "1"), "default", fail="cuInit:1:802")
    assert failed.keys() == {"0", "1"} and len(set(failed.values())) == 1
    assert "is nvidia-fabricmanager running?" in failed["0"]
    assert in_words(failed) == f"GPU 0, GPU 1: {failed['0']}"
    assert in_words({"0": "a", "1": "b"}) == "GPU 0: a; GPU 1: b"
    hung = gpu.run(tried_for, 1.0, hang="cuInit")
    assert hung == {"0": "no answer in 1 s; a GPU that hangs often needs a reboot"}


def tried_for(seconds: float) -> dict[str, str]:
    return troubles_with_flow(("0",), "default", seconds=seconds)


HANGING = """
import ctypes, time
from motion_shards.processes import process_mark
from pipeline.executors import cuda_probe
class Hangs:
    def cuInit(self, flags):
        print(process_mark(), flush=True)
        time.sleep(60)
real = ctypes.CDLL
ctypes.CDLL = lambda name: Hangs() if name else real(None)
cuda_probe.main()
"""


def test_a_probe_that_hangs_ends_with_whoever_asks():
    code = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HANGING!r}])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        mark = parent.stdout.readline().strip()
        assert not has_ended(mark)
        parent.kill()
    deadline = time.monotonic() + 20
    while not has_ended(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert has_ended(mark)
