"""Joining a cluster ends: in time, at a signal, or with what Ray raised."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from motion_shards import joining
from motion_shards.joining import joined

ROOT = Path(__file__).parents[2]
STUCK = """
import atexit, signal, sys, threading, time
from motion_shards import joining
joining.LEAVE_SECONDS = 0.5
signal.signal(signal.SIGTERM, signal.default_int_handler)

def shutdown():
    threading.Event().wait()  # as Ray's does, for the thread that is stuck

atexit.register(shutdown)

def init():
    print("waits", flush=True)
    threading.Event().wait()

try:
    with joining.joined(init, shutdown, where="the cluster at X", seconds=SECONDS):
        print("joined")
except joining.ClusterError as error:
    print(error, file=sys.stderr)
    raise SystemExit(1)
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    raise SystemExit(130)
"""


@pytest.fixture(name="stuck")
def stuck_processes() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts processes whose `ray.init` never comes back, up to its call; ends them."""
    with contextlib.ExitStack() as stack:

        def start(seconds: float, code: str = STUCK) -> subprocess.Popen:
            process = subprocess.Popen(
                [sys.executable, "-c", code.replace("SECONDS)", f"{seconds})")],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout and process.stdout.readline() == "waits\n"
            return process

        yield start


def test_a_join_that_does_not_come_back_is_one_line_and_the_process_ends(stuck):
    process = stuck(seconds=0.5)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert said.startswith("expected to join the cluster at X, got no answer in 0 s")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_join_that_is_stuck(stuck, sent):
    process = stuck(seconds=600)
    process.send_signal(sent)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and said == "interrupted\n"


def test_a_pause_of_this_process_does_not_use_up_the_time(stuck):
    process = stuck(seconds=1.5)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    resumed = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert time.monotonic() - resumed > 0.9


def test_what_ray_raises_is_raised_and_what_it_does_is_done_and_undone():
    def refuse() -> None:
        raise ConnectionError("nobody there")

    done: list[str] = []
    with (
        pytest.raises(ConnectionError, match="nobody there"),
        joined(refuse, lambda: done.append("shutdown"), where="X"),
    ):
        done.append("inside")
    before = signal.getsignal(signal.SIGTERM)
    with joined(
        lambda: done.append("init"), lambda: done.append("shutdown"), where="X"
    ):
        done.append("inside")
        assert signal.getsignal(signal.SIGTERM) is before
    assert done == ["init", "inside", "shutdown"]


def test_the_thread_that_starts_ray_lives_as_long_as_ray():
    """With it, Linux would end the processes that it has started."""
    names = []
    with joined(lambda: names.append(threading.current_thread().name), int, where="X"):
        assert names[0] in [thread.name for thread in threading.enumerate()]
    deadline = time.monotonic() + 10
    while names[0] in [thread.name for thread in threading.enumerate()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_interrupted_join_that_ends_is_undone(monkeypatch):
    done: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def init() -> None:
        inside.set()
        go_on.wait(10)
        done.append("joined")

    real = joining._done

    def ended(answer: Future, seconds: float) -> bool:
        if seconds == 77:  # the first wait
            inside.wait(10)
            raise KeyboardInterrupt
        go_on.set()
        return real(answer, seconds)

    monkeypatch.setattr(joining, "_done", ended)
    with (
        pytest.raises(KeyboardInterrupt),
        joined(init, lambda: done.append("shutdown"), where="X", seconds=77),
    ):
        done.append("inside")
    assert done == ["joined", "shutdown"]


HELD = """
import ctypes, signal, sys, time
from motion_shards import joining
joining.LEAVE_SECONDS = 0.5
signal.signal(signal.SIGINT, signal.default_int_handler)

def init():
    print("waits", flush=True)
    time.sleep(LATER)
    ctypes.PyDLL(None).sleep(600)  # with Python's lock held, as Ray's C++ does

with joining.joined(init, print, where="the cluster at X", seconds=SECONDS):
    print("joined")
"""


@pytest.mark.parametrize("later", [0, 0.3], ids=["before", "after"])
@pytest.mark.parametrize("sent", [None, signal.SIGINT])
def test_a_join_that_holds_the_lock_of_python_is_ended_from_outside(stuck, sent, later):
    """Also where Ray takes the lock when the signal has been handled."""
    code = HELD.replace("LATER", str(later))
    process = stuck(seconds=600 if sent else 0.5, code=code)
    began = time.monotonic()
    if sent:
        process.send_signal(sent)
    _, said = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 10
    assert said.count("\n") == 1
    begins = "interrupted while joining" if sent else "Error: expected to join"
    assert said.startswith(f"{begins} the cluster at X")


def test_ray_does_not_keep_what_it_has_put_in_the_place_of_sigterm():
    code = """
import ctypes, os, signal
from motion_shards import joining
signal.signal(signal.SIGTERM, signal.default_int_handler)
init = lambda: ctypes.CDLL(None).signal(15, 0)  # past Python, as Ray's C++ does
try:
    with joining.joined(init, print, where="X"):
        os.kill(os.getpid(), 15)
except KeyboardInterrupt:
    raise SystemExit(130)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 130
