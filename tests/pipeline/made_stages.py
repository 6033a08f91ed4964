"""Stages that end in every way, for processes that import them by name."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from motion_shards.errors import MotionShardsError
from pipeline.bench.gpu.rows import Fact, NotRun, Row
from pipeline.bench.gpu.settings import Settings
from pipeline.bench.gpu.stages import Stage


def stage(name: str, seconds: float = 10.0) -> Stage:
    """The stage of a function of this module."""
    return Stage(name, f"title of {name}", seconds, f"{__name__}:{name}")


def one_row(settings: Settings) -> Iterator[Row]:
    yield Fact(name="seconds", value=f"{settings.seconds:g}")


def cannot(settings: Settings) -> Iterator[Row]:
    yield Fact(name="first", value="row")
    raise MotionShardsError("flow back end cuda: no GPU here")


def has_a_bug(settings: Settings) -> Iterator[Row]:
    yield Fact(name="first", value="row")
    raise ZeroDivisionError("a bug shows itself")


def crashes(settings: Settings) -> Iterator[Row]:
    yield Fact(name="first", value="row")
    print("the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def crashes_at_its_end(settings: Settings) -> Iterator[Row]:
    import atexit

    atexit.register(os.kill, os.getpid(), signal.SIGSEGV)
    yield Fact(name="first", value="row")


def hangs(settings: Settings) -> Iterator[Row]:
    """As in a call of the driver: nothing but SIGKILL ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield Fact(name="first", value="row")
    time.sleep(60)


def takes_too_long(settings: Settings) -> Iterator[Row]:
    """It is told in time, and says so."""
    try:
        while True:
            yield Fact(name="again", value="row")
            time.sleep(0.05)
    except KeyboardInterrupt:
        print("ended in good order", flush=True)
        raise


def leaves_a_child(settings: Settings) -> Iterator[Row]:
    child = subprocess.Popen(["sleep", "60"])
    yield Fact(name="child", value=str(child.pid))


def is_left_out(settings: Settings) -> Iterator[Row]:
    yield NotRun(part="all", reason="no torch")


def is_partly_left_out(settings: Settings) -> Iterator[Row]:
    yield Fact(name="first", value="row")
    yield NotRun(part="the rest", reason="no torch")


def is_interrupted(settings: Settings) -> Iterator[Row]:
    yield Fact(name="first", value="row")
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
