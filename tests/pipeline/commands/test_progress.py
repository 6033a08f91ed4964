"""Progress: it never goes back, tells the time left in words, and does not flood a log."""

import io

import pytest
from rich.console import Console

from motion_shards.plain_text import in_words, time_left
from pipeline.commands import progress
from pipeline.commands.progress import BarReporter, LineReporter, LineTimes, Pace, steps
from pipeline.shard.task import ShardProgress


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "now", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 seconds"),
        (1.2, "1 second"),
        (89, "89 seconds"),
        (90, "2 minutes"),
        (12 * 60 + 20, "12 minutes"),
        (89 * 60, "89 minutes"),
        (90 * 60, "1.5 hours"),
        (2 * 3600, "2 hours"),
        (26.4 * 3600, "26 hours"),
        (48 * 3600, "2 days"),
        (9.6 * 86400, "10 days"),
        (17_336.4 * 86400, "17,336 days"),
    ],
)
def test_lengths_of_time_are_said_in_words(seconds, words):
    assert in_words(seconds) == words


def test_the_time_left_is_about_right():
    assert time_left(3) == "a few seconds left"
    assert time_left(16) == "about 20 seconds left"
    assert time_left(62) == "about 60 seconds left"
    assert time_left(12 * 60) == "about 12 minutes left"


def test_the_time_left_follows_from_what_is_done(clock):
    pace = Pace(100)
    assert pace.left() == ""
    clock.now += 60
    pace.reach(1)
    assert pace.left() == ""  # too little to tell
    pace.reach(25)
    assert pace.left() == "about 3 minutes left"
    pace.reach(100)
    assert pace.left() == ""


def numbers(text: str) -> list[int]:
    return [int(line.split(" of ")[0]) for line in text.splitlines() if " of " in line]


def test_a_shard_that_is_tried_again_does_not_turn_the_count_back(clock):
    stream = io.StringIO()
    lines = LineReporter(stream)
    lines.start(videos=12)
    for moving, frames in ((3, 300), (6, 600), (0, 0), (2, 200), (7, 700)):
        clock.now += 100
        lines.running([ShardProgress(0, moving, frames, 10**9)])
    assert numbers(stream.getvalue()) == [3, 6, 6, 6, 7]
    assert stream.getvalue().splitlines()[2].startswith("6 of 12 videos (50%), 600 fr")


def test_preparation_does_not_count_as_work(clock):
    stream = io.StringIO()
    lines = LineReporter(stream)
    lines.start(videos=12)
    for _ in range(20):
        clock.now += 10
        lines.running([ShardProgress(0, 0, 0, 0), ShardProgress(1, 0, 0, 0)])
    assert "0 of 12 videos (0%), starting" in stream.getvalue()
    clock.now += 100
    lines.running([ShardProgress(0, 3, 300, 0)])
    last = stream.getvalue().splitlines()[-1]
    assert "3 of 12" in last and "3 frames/s" in last
    assert "about 5 minutes left" in last


def test_what_was_just_published_is_not_counted_twice(clock):
    stream = io.StringIO()
    lines = LineReporter(stream)
    lines.start(videos=12)
    lines.running([ShardProgress(0, 4, 400, 0), ShardProgress(1, 3, 300, 0)])
    clock.now += 100
    lines.published(videos=4, frames=400, stored_bytes=0)
    clock.now += 100
    lines.running([ShardProgress(1, 4, 400, 0)])
    assert numbers(stream.getvalue()) == [7, 8]
    for _ in range(2):
        lines.published(videos=4, frames=400, stored_bytes=0)
    last = stream.getvalue().splitlines()[-1]
    assert (
        last.startswith("12 of 12 videos (100%), 1,200 frames") and "left" not in last
    )


def test_a_log_gets_a_line_now_and_then(clock):
    times = LineTimes()
    told = []
    for second in range(3600):
        clock.now = 1000.0 + second
        if times.due():
            told.append(second)
    assert told[:3] == [10, 20, 30] and 60 <= len(told) <= 80
    assert told[-1] - told[-2] == 60


def test_a_bar_shows_videos_frames_and_the_time_left(clock):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with BarReporter(console) as bars:
        bars.start(videos=4)
        clock.now += 100
        bars.running([ShardProgress(0, 1, 50, 10**9)])
    assert "1/4" in stream.getvalue()
    assert "50 frames, 0 frames/s, 1 GB, about 5 minutes left" in stream.getvalue()


def test_steps_are_told_in_a_log_with_the_time_left(clock, capsys):
    with steps("draw the clips") as tell:
        for done in (1, 5, 3):
            clock.now += 11
            tell(done, 10)
    assert capsys.readouterr().err.splitlines() == [
        "draw the clips: 1 of 10, about 2 minutes left",
        "draw the clips: 5 of 10, about 20 seconds left",
        "draw the clips: 5 of 10, about 30 seconds left",
    ]
