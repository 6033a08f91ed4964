"""Processes that say nothing: those that hang, and those that wait for a busy machine."""

import os
import subprocess
import sys
import threading
import time

import pytest

from motion_shards import silence
from motion_shards.silence import Pulse, SilentProcess, cpu_seconds, signs_of_life


class Made:
    """A process whose CPU time the test sets, and its clock."""

    def __init__(self) -> None:
        self.now, self.used = 100.0, 7.0
        self.silence = SilentProcess(
            1, clock=lambda: self.now, used=lambda pid: self.used
        )

    def after(self, seconds: float, *, cpu: float | None) -> bool:
        """Whether it hangs, with a limit of 60 s, so much later."""
        self.now += seconds
        self.used = None if cpu is None else self.used + cpu
        return self.silence.hangs(60)


def test_one_that_does_nothing_hangs_after_the_limit():
    made = Made()
    assert not made.after(59, cpu=2.9)
    assert made.after(1, cpu=0)


def test_one_that_waits_for_its_turn_does_not_hang():
    """It gets a twentieth of a processor, and is within its limit of CPU time."""
    made = Made()
    assert [made.after(60, cpu=3.0) for _ in range(20)] == [False] * 19 + [True]


def test_one_that_computes_without_a_word_hangs_after_as_much_cpu_time():
    made = Made()
    assert not made.after(61, cpu=59)
    assert made.after(1, cpu=1)


def test_the_limit_counts_from_the_end_of_work_and_from_the_last_word():
    made = Made()
    assert not made.after(30, cpu=20)
    assert not made.after(59, cpu=1)
    assert made.after(1, cpu=1)
    made.silence.heard()
    assert not made.after(59, cpu=50)
    assert not made.after(59, cpu=2)
    assert made.after(1, cpu=0)


def test_the_clock_decides_where_cpu_time_cannot_be_read():
    made = Made()
    assert not made.after(59, cpu=None)
    assert made.after(1, cpu=None)


def test_signs_of_life_come_while_a_process_computes_within_its_limit():
    used: list[float | None] = [7.0]
    pulse = Pulse(60, used=lambda: used[0])

    def after(cpu: float | None) -> bool:
        """Whether it gives one, 10 s later."""
        used[0] = None if cpu is None or used[0] is None else used[0] + cpu
        return pulse.beats(10)

    assert [after(cpu) for cpu in (0.5, 0.49, 0.5, 0)] == [True, False, True, False]
    assert [after(10) for _ in range(6)] == [True] * 5 + [False]
    pulse.heard()
    assert [after(10) for _ in range(6)] == [True] * 5 + [False]
    pulse.heard()
    assert not after(None)  # where CPU time cannot be read, the clock decides


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thread_tells_that_this_process_computes(monkeypatch):
    told = threading.Event()
    with signs_of_life(told.set, limit=60, seconds=0.05) as heard:
        heard()
        deadline = time.monotonic() + 30
        while not told.is_set() and time.monotonic() < deadline:
            sum(range(1000))
    assert told.is_set()
    told.clear()
    asked = []
    monkeypatch.setattr(silence, "cpu_seconds", lambda pid: asked.append(pid) or 5.0)
    with signs_of_life(told.set, limit=60, seconds=0.01):
        while len(asked) < 5 and time.monotonic() < deadline + 30:
            time.sleep(0.01)
    assert not told.is_set() and asked[-1] == os.getpid() and len(asked) >= 5


BURN = "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep({})"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN.format(0)!r}])
child = subprocess.Popen([sys.executable, "-c", {BURN.format(60)!r}])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cpu_time_is_that_of_the_process_and_of_those_below_it():
    """One child has ended and one runs."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        deadline = time.monotonic() + 30
        while (cpu_seconds(child) or 0) < 0.45 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert 0.45 <= cpu_seconds(child) < 5
        assert cpu_seconds(parent.pid) >= 0.9
        parent.stdin.close()
    assert cpu_seconds(parent.pid) is None
    own = time.process_time()
    assert cpu_seconds(os.getpid()) >= own - 0.05
