"""Windows of a video, and the segments that they become."""

import numpy as np
import pytest

from pipeline.extract.video import Block
from training.data.clip_config import ClipConfig
from training.recognition import Recognizer, Segment, Window
from training.recognition.stream_scores import StreamNetwork
from training.recognition.timeline import Segments, WindowScorer, segments_of
from training.scoring.clip_protocol import ClipProtocol


class Entries:
    """A network whose scores are the first and the last entry of each clip."""

    runtime = "none"

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def logits(self, clips: np.ndarray) -> np.ndarray:
        found = np.rint(clips[:, 0, [0, -1], 0, 0] * 20).astype(int)
        self.seen += [tuple(each) for each in found.tolist()]
        return found.astype(np.float64)


def scorer(hop=None, length=4, **options) -> tuple[WindowScorer, Entries]:
    backend = Entries()
    stream = StreamNetwork(
        name="mv",
        sees="mv",
        clip=ClipConfig(length=length, crop_px=(8, 8), cells=(1, 1)),
        protocol=ClipProtocol(),
        backend=backend,
    )
    combine = lambda found: found[0].logits
    found = WindowScorer(
        [stream], combine, height=8, width=8, fps=10.0, hop=hop, **options
    )
    return found, backend


def block(first: int, count: int) -> Block:
    """Frames from this one on, each 0.1 s; interval k moves by k px."""
    entries = np.arange(first, first + count)
    vectors = np.zeros((count, 1, 1, 2), np.float32)
    vectors[..., 0] = entries[:, None, None]
    arrays = {"mv": vectors, "mv_valid": np.ones(count, bool)}
    return Block(entries / 10, np.zeros(count, np.uint8), arrays)


def times(windows: list[Window]) -> list[tuple[float, float]]:
    return [(round(each.start, 6), round(each.end, 6)) for each in windows]


@pytest.mark.parametrize("hop", [5, 6, 30, 10**9])
def test_the_last_window_reaches_back_behind_windows_that_are_far_apart(hop):
    made, backend = scorer(hop=hop)
    found = []
    for first in range(0, 12, 3):
        made.send(block(first, 3))
        found += made.windows()
    found += made.finish()
    assert backend.seen[0] == (0, 3) and backend.seen[-1] == (8, 11)
    assert times(found)[-1] == (0.8, 1.2)


def test_windows_begin_every_hop_and_the_last_ends_with_the_video():
    made, backend = scorer(hop=2)
    found = []
    for first in range(0, 9, 3):
        made.send(block(first, 3))
        found += made.windows()
    assert backend.seen == [(0, 3), (2, 5), (4, 7)]
    found += made.finish()
    assert backend.seen == [(0, 3), (2, 5), (4, 7), (5, 8)]
    assert times(found) == [(0.0, 0.4), (0.2, 0.6), (0.4, 0.8), (0.5, 0.9)]
    assert [tuple(each.scores) for each in found] == backend.seen


def test_a_video_that_ends_with_a_window_has_no_other():
    made, backend = scorer(hop=2)
    made.send(block(0, 8))
    assert len(made.windows()) == 3 and made.finish() == []
    assert backend.seen[-1] == (4, 7)


def test_the_hop_is_half_a_window_and_may_leave_gaps():
    made, _ = scorer()
    assert (made.span, made.hop) == (4, 2)
    made, backend = scorer(hop=6)
    made.send(block(0, 20))
    made.windows()
    assert backend.seen == [(0, 3), (6, 9), (12, 15)]
    made.finish()
    assert backend.seen[3:] == [(16, 19)]


def test_half_of_an_odd_window_is_rounded_down():
    assert [scorer(length=length)[0].hop for length in (1, 4, 5)] == [1, 2, 2]


def test_a_video_shorter_than_a_window_is_one_window():
    made, backend = scorer()
    made.send(block(0, 2))
    assert made.windows() == []
    assert times(made.finish()) == [(0.0, 0.2)]
    assert backend.seen == [(0, 1)]  # 0 1 0 1


def test_the_newest_window_alone_is_scored_if_time_is_short():
    made, backend = scorer(hop=2)
    made.send(block(0, 11))
    made.windows(latest=True)
    assert backend.seen == [(6, 9)] and made.dropped == 3


def test_memory_does_not_grow_and_times_have_an_offset():
    made, _ = scorer(hop=2, offset=100.0)
    for first in range(0, 3000, 3):
        made.send(block(first, 3))
        found = made.windows()
    assert made.buffers[0].nbytes <= 12 * 4 and len(made._seconds) <= 12
    assert times(found)[-1] == (399.6, 400.0)


def test_shorter_clips_lie_in_the_middle_of_the_window():
    long, short = Entries(), Entries()
    streams = [
        StreamNetwork(
            name=str(length),
            sees="mv",
            clip=ClipConfig(length=length, crop_px=(8, 8), cells=(1, 1)),
            protocol=ClipProtocol(),
            backend=backend,
        )
        for length, backend in ((8, long), (2, short))
    ]
    made = WindowScorer(
        streams, lambda found: found[0].logits, height=8, width=8, fps=10.0
    )
    made.send(block(0, 12))
    made.windows()
    assert long.seen == [(0, 7), (4, 11)] and short.seen == [(3, 4), (7, 8)]


def window(start: float, *scores: float) -> Window:
    return Window(start=start, end=start + 2, scores=np.array(scores))


WINDOWS = [
    window(0, 0.9, 0.1),
    window(1, 0.8, 0.2),
    window(2, 0.4, 0.6),
    window(3, 0.9, 0.1),
    window(4, 0.1, 0.9),
    window(5, 0.2, 0.8),
]
AB = ("a", "b")


def test_segments_meet_half_way_between_the_middles_of_their_windows():
    found = segments_of(WINDOWS, AB, smooth=0)
    assert [(s.start, s.end, s.label, round(s.score, 6)) for s in found] == [
        (0, 2.5, "a", 0.85),
        (2.5, 3.5, "b", 0.6),
        (3.5, 4.5, "a", 0.9),
        (4.5, 7, "b", 0.85),
    ]


def test_smoothing_is_the_mean_of_the_windows_near_by():
    found = segments_of(WINDOWS, AB, smooth=2)
    # means of a: .85 .7 .7 .4667 .4 .15
    assert [(s.start, s.end, s.label) for s in found] == [(0, 3.5, "a"), (3.5, 7, "b")]
    assert found[0].score == pytest.approx((0.85 + 0.7 + 0.7) / 3)
    assert found[1].score == pytest.approx((1.6 / 3 + 0.6 + 0.85) / 3)


def test_segments_below_the_least_score_are_left_out_and_gaps_end_them():
    found = segments_of(WINDOWS, AB, smooth=0, min_score=0.85)
    assert [(s.start, s.label) for s in found] == [(0, "a"), (3.5, "a"), (4.5, "b")]
    apart = [window(0, 0.9, 0.1), window(5, 0.9, 0.1)]
    found = segments_of(apart, AB, smooth=0)
    assert [(s.start, s.end) for s in found] == [(0, 2), (5, 7)]
    touching = [window(0, 0.75, 0.25), window(2, 0.75, 0.25)]
    found = segments_of(touching, AB, smooth=0, min_score=0.75)
    assert [(s.start, s.end) for s in found] == [(0, 4)]


def test_segments_come_as_soon_as_they_are_certain():
    joiner = Segments(AB, smooth=2)
    came = [len(joiner.send(each)) for each in WINDOWS]
    # The window at 3 is smoothed by the one at 4, and known when that at 5 has come.
    assert came == [0, 0, 0, 0, 0, 1]
    assert joiner.finish() == [
        Segment(start=3.5, end=7, label="b", score=pytest.approx((1.6 / 3 + 1.45) / 3))
    ]
    assert len(joiner._windows) == 0


def test_a_timeline_of_a_file_covers_it(model_of, videos):
    recognizer = Recognizer(model_of("r3d_rgb_tiny").folder, device="cpu")
    found = recognizer.windows(videos / "right" / "v_right_g02.mp4", hop=5)
    span = recognizer.model.streams[0].clip.span
    assert found.windows[0].start == 0 and found.windows[0].end == span / 25
    assert [round(one.start * 25) for one in found.windows][:3] == [0, 5, 10]
    assert found.windows[-1].end == found.video.seconds == 40 / 25
    assert found.segments[0].start == 0 and found.segments[-1].end == 40 / 25
    np.testing.assert_allclose(
        found.scores, np.mean([one.scores for one in found.windows], axis=0)
    )
    assert found.scores.sum() == pytest.approx(1)


def test_a_window_s_length_is_smoothed_over_unless_told(model_of, videos, monkeypatch):
    recognizer = Recognizer(model_of("mv_tiny").folder, device="cpu")
    given = []
    monkeypatch.setattr(
        "training.recognition.recognizer.segments_of",
        lambda windows, classes, *, smooth, min_score: given.append(smooth) or (),
    )
    for options in ({}, {"smooth": 0.5}):
        recognizer.windows(videos / "right" / "v_right_g02.mp4", **options)
    assert given == [recognizer.model.streams[0].clip.span / 25, 0.5]
