import io
from itertools import pairwise

import pytest

from training.runs import progress
from training.runs.progress import BarReporter, LineReporter, Remaining


class Clock:
    """Time that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def test_lines_are_few_and_the_last_one_comes():
    stream = io.StringIO()
    lines = LineReporter(stream, seconds=3600)
    lines.begin("flow", 100)
    for done in range(1, 101):
        lines.step(done, f"loss {1 / done:.2f}")
    lines.end()
    assert stream.getvalue() == "flow: step 100 of 100  loss 0.01\n"


def test_lines_say_what_is_left_in_words(monkeypatch):
    """10 of 110 steps were done before; 25 steps take 150 s, 75 are left."""
    clock, stream = Clock(monkeypatch), io.StringIO()
    lines = LineReporter(stream)
    lines.begin("flow", 110, done=10)
    clock.now += 150
    lines.step(35, "loss 1")
    assert stream.getvalue() == ("flow: step 35 of 110, about 8 minutes left  loss 1\n")


def test_lines_come_every_so_often_and_less_often_the_longer_it_takes(monkeypatch):
    """Ten hours, a step a second: not 36,000 lines, and not 2,400."""
    clock, stream = Clock(monkeypatch), io.StringIO()
    lines = LineReporter(stream)
    lines.begin("flow", 36_000)
    for done in range(1, 36_001):
        clock.now += 1
        lines.step(done, "loss 1")
    told = stream.getvalue().splitlines()
    assert 100 < len(told) < 200
    steps = [int(line.split()[2]) for line in told]
    assert steps[:3] == [15, 30, 45] and steps[-1] == 36_000
    assert max(b - a for a, b in pairwise(steps)) <= 601


def test_nothing_is_guessed_before_the_first_step():
    left = Remaining(10, 4)
    assert left.text(4) == "" and left.text(10) == ""


def test_bars_go_and_what_was_said_stays():
    stream = io.StringIO()
    bars = BarReporter(stream)
    bars.begin("flow", 10, done=4)
    bars.step(5, "loss 1")
    bars.say("a line [with brackets]")
    bars.end()
    bars.begin("mv", 10)
    bars.end()
    assert "a line [with brackets]" in stream.getvalue()
