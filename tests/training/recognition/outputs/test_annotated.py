"""Annotated videos: frames and times of the source, the answer of each moment."""

import resource
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from made_predictions import SUMMARY, prediction, scores
from written_videos import flat, read, textured, write

from pipeline.extract.errors import NotAVideo
from pipeline.extract.video import Block
from training.errors import RunError, WriteError
from training.recognition.answers import Window
from training.recognition.outputs.annotated import Answers, annotate, with_vectors

UNEVEN_MS = (0, 40, 41, 200, 1000, 1001, 1040, 3000, 3001, 9999)


def test_frames_and_times_are_those_of_the_source(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", flat(10), times=UNEVEN_MS)
    out = tmp_path / "out.mp4"
    annotate(prediction(source), out)
    times, frames = read(out)
    assert times == pytest.approx([ms / 1000 for ms in UNEVEN_MS], abs=1 / 90_000)
    assert {frame.shape for frame in frames} == {(240, 320, 3)}
    with av.open(str(out)) as container:
        assert container.duration is not None
        assert 9.999 < container.duration / av.time_base < 12  # the last one counts
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]


def test_pixels_differ_only_where_something_is_drawn(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", textured(12), crf="1")
    annotate(prediction(source), tmp_path / "out.mp4", top=2)
    (_, before), (_, after) = read(source), read(tmp_path / "out.mp4")
    assert len(before) == len(after) == 12
    for one, other in zip(before, after, strict=True):
        apart = np.abs(one.astype(int) - other).max(axis=-1)
        assert apart[48:176].max() <= 16  # of coding anew
        assert apart[48:, 224:].max() <= 16
        assert np.median(apart[:30]) > 40
        assert np.median(apart[192:, :200]) > 40


@pytest.mark.parametrize("source", ["canonical", "original"])
def test_the_motion_of_each_frame_is_drawn(
    moving_video: Path, tmp_path: Path, source: Literal["canonical", "original"]
) -> None:
    """The texture moves right and down: arrows in red and yellow, from the second frame on."""
    annotate(
        replace(prediction(moving_video), classes=(), scores=scores()),
        tmp_path / "out.mp4",
        mv_source=source,
    )
    _, before = read(moving_video)
    _, after = read(tmp_path / "out.mp4")
    assert [frame.shape for frame in after] == [(256, 256, 3)] * 12
    darker = []
    for one, other in zip(before, after, strict=True):
        large = one.repeat(4, axis=0).repeat(4, axis=1)
        darker.append(float((large.astype(int).sum(-1) - other.sum(-1) > 250).mean()))
    assert darker[0] < 0.005
    assert min(darker[1:]) > 0.05


def test_turned_and_stretched_videos_are_upright_with_square_pixels(
    tmp_path: Path,
) -> None:
    still = flat(3, height=240, width=320)
    turned = write(tmp_path / "turned.mp4", still, rotation=-90, crf="1")  # clockwise
    wide = write(tmp_path / "wide.mp4", still, pixel_aspect=Fraction(2), crf="1")
    for source in (turned, wide):
        annotate(prediction(source), tmp_path / f"{source.stem}_out.mp4")
    _, frames = read(tmp_path / "turned_out.mp4")
    upright = np.rot90(still[0], -1)
    assert frames[0].shape == upright.shape == (320, 240, 3)
    middle = slice(60, 200)
    assert np.abs(frames[0].astype(int) - upright)[middle].max() <= 12
    assert read(tmp_path / "wide_out.mp4")[1][0].shape == (240, 640, 3)


WINDOWS = tuple(
    Window(start=start, end=start + 2, scores=scores(*values))
    for start, values in (
        (0.0, (0.9, 0.1, 0.0)),
        (1.0, (0.1, 0.9, 0.0)),
        (6.0, (0.0, 0.1, 0.9)),
    )
)


def test_each_time_has_the_window_around_it_or_the_whole_video() -> None:
    whole = prediction(windows=WINDOWS, whole=scores(0.2, 0.2, 0.6))
    answers = Answers(whole, top=1)
    times = (0.0, 1.4, 1.6, 2.9, 3.0, 5.9, 6.0, 7.9, 8.0)
    found = [answers.at(seconds)[0] for seconds in times]
    assert [label[:1] for label, _ in found] == list("wwjjsssss")
    assert [score for _, score in found] == [
        *(0.9, 0.9, 0.9, 0.9),
        *(0.6, 0.6),
        *(0.9, 0.9),
        0.6,
    ]


def test_a_window_that_has_ended_is_not_shown() -> None:
    """A long window does not keep a short one that began later."""
    long = Window(start=0.0, end=10.0, scores=scores(1.0, 0.0, 0.0))
    short = Window(start=1.0, end=2.0, scores=scores(0.0, 1.0, 0.0))
    answers = Answers(prediction(windows=(long, short)), top=1)
    found = [answers.at(seconds)[0].label for seconds in (1.5, 3.0)]
    assert found == ["jump & <b>run</b>", "walk"]


def block(first: int, frames: int, vectors: list[float]) -> Block:
    """Frames by their number, and intervals by theirs; a negative one is not valid."""
    numbers = np.arange(first, first + frames)
    rgb = np.broadcast_to(numbers[:, None, None, None], (frames, 2, 2, 3))
    mv = np.array(vectors, np.float32)[:, None, None, None] * np.ones((1, 1, 1, 2))
    valid = np.array([value >= 0 for value in vectors], bool)
    arrays = {"rgb": rgb.astype(np.uint8), "mv": mv, "mv_valid": valid}
    return Block(numbers / 25, np.zeros(frames, np.uint8), arrays)


def test_frames_wait_for_the_vectors_of_the_interval_that_ends_with_them() -> None:
    blocks = [block(0, 3, []), block(3, 2, [0, 1, -2]), block(5, 1, [3, 4])]
    drawn = list(with_vectors(blocks, frame_bytes=12))
    assert [frame.rgb[0, 0, 0] for frame in drawn] == [0, 1, 2, 3, 4, 5]
    assert [frame.seconds for frame in drawn] == [k / 25 for k in range(6)]
    vectors = [None if f.vectors is None else f.vectors[0, 0, 0] for f in drawn]
    assert vectors == [None, 0, 1, None, 3, 4]


def test_waiting_frames_are_bounded_and_late_vectors_belong_to_their_own() -> None:
    blocks = [
        block(0, 4, []),  # two of the three that wait may
        block(4, 1, [0, 1, 2]),
        block(5, 0, [3, 4]),
    ]
    drawn = list(with_vectors(blocks[:2], frame_bytes=32_000_000))
    assert [frame.rgb[0, 0, 0] for frame in drawn] == [0, 1, 2, 3, 4]
    vectors = [None if f.vectors is None else f.vectors[0, 0, 0] for f in drawn]
    assert vectors == [None, None, 1, 2, None]


def test_a_stream_cannot_be_annotated(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="rtsp://x: expected a file to read again"):
        annotate(prediction("rtsp://x"), tmp_path / "a.mp4")


def test_what_is_no_video_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(NotAVideo):
        annotate(prediction(tmp_path / "a.mp4"), tmp_path / "out.mp4")
    with pytest.raises(FileNotFoundError, match=r"b\.mp4"):
        annotate(prediction(tmp_path / "b.mp4"), tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk_is_one_line_and_keeps_the_file_before(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 240, 320, 3), np.uint8)
    source = write(tmp_path / "a.mp4", noise)
    out = tmp_path / "out.mp4"
    out.write_bytes(b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(WriteError) as caught:
            annotate(prediction(source, video=replace(SUMMARY)), out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == f"{out}: cannot be written: file too large"
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]
