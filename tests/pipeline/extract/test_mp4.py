"""MP4 files as FFmpeg reads them: times, sizes, colours, and the same bytes each time."""

import io
import os
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.extract.mp4 import open_mp4, write_mp4

COLOUR = (40, 90, 200)
"""Far enough from grey for a wrong matrix to move it by more than the coding does."""


def plain(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), COLOUR, np.uint8)


def frames_of(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("reproducible", [False, True])
def test_a_constant_rate_is_kept(reproducible: bool) -> None:
    file = io.BytesIO()
    pictures = [plain(32, 48)] * 7
    write_mp4(file, pictures, fps=23.976, crf=18, reproducible=reproducible)
    with av.open(io.BytesIO(file.getvalue())) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream)]
        assert stream.average_rate == Fraction(23.976).limit_denominator(1001)
    assert times == pytest.approx([k / 23.976 for k in range(7)], abs=1e-4)


def test_times_are_those_given_and_the_same_become_a_tick_apart() -> None:
    file = io.BytesIO()
    with open_mp4(file, height=32, width=48, fps=25, timed=True) as mp4:
        for seconds in (0.0, 0.0, 1.0):
            mp4.add(plain(32, 48), seconds)
    times = [frame.time for frame in frames_of(file.getvalue())]
    assert times == pytest.approx([0.0, 1 / 90_000, 1.0], abs=1e-9)


@pytest.mark.parametrize(
    ("height", "reproducible", "matrix"),
    [(32, False, 6), (720, False, 1), (720, True, 6)],
)
def test_colours_come_back_by_the_matrix_that_the_file_names(
    height: int, reproducible: bool, matrix: int
) -> None:
    file = io.BytesIO()
    pictures = [plain(height, 48)]
    write_mp4(file, pictures, fps=25, crf=1, reproducible=reproducible)
    (frame,) = frames_of(file.getvalue())
    assert (frame.colorspace, frame.color_range) == (matrix, 1)
    shown = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - COLOUR).max() <= 4


def test_odd_sides_get_a_row_or_a_column_more() -> None:
    file = io.BytesIO()
    down, right = np.mgrid[0:33, 0:47].astype(np.uint8) * 4
    picture = np.stack([down, right, down], axis=-1)
    write_mp4(file, [picture], fps=0, crf=1)
    (frame,) = frames_of(file.getvalue())
    shown = frame.to_ndarray(format="rgb24").astype(int)
    assert shown.shape == (34, 48, 3)
    assert np.abs(shown[33, :47] - picture[32]).mean() < 6
    assert np.abs(shown[:33, 47] - picture[:, 46]).mean() < 6


def test_reproducible_files_have_the_same_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 98, 210, 3), np.uint8)
    found = set()
    for _ in range(2):
        file = io.BytesIO()
        write_mp4(file, noise, fps=25, crf=28, reproducible=True)
        found.add(file.getvalue())
    assert len(found) == 1


@pytest.mark.parametrize("method", ["write", "seek"])
def test_a_file_that_cannot_be_written_fails_as_it_did_first(
    method: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class File(io.BytesIO):
        pass

    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(File, method, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_mp4(File(), [plain(32, 48)] * 3, fps=25, crf=1)
    assert "libx264" not in (said := capfd.readouterr().err)
    assert "mp4" not in said
