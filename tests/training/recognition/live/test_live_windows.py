"""Windows of streams: those of the same video as a file, and none across a gap."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from live_servers import HOST, Clip, HttpServer, RtspServer, UdpServer, free_port
from moving import write_video
from moving_blobs import moving
from piped import piped

from pipeline.extract.video import VideoInfo
from training.errors import DataError, StreamError
from training.recognition import Recognizer, Window
from training.recognition.live.video import Patience
from training.recognition.stream_scores import StreamNetwork

FAST = 8.0
"""Times real time."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames as MPEG-TS."""
    path = tmp_path_factory.mktemp("recorded") / "a.ts"
    return write_video(path, moving(3, 60, (0, 3)), bf=0, g=25)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip(moving(3, 60, (0, 3)), options={"g": "30"})


@pytest.fixture(scope="module")
def recognizers(model_of: Callable) -> Callable[..., Recognizer]:
    found: dict[tuple[str, str], Recognizer] = {}

    def made(name: str, mv_source: str = "contract") -> Recognizer:
        if (name, mv_source) not in found:
            run = model_of(name)
            found[name, mv_source] = Recognizer(run.folder, mv_source=mv_source)
        return found[name, mv_source]

    return made


def assert_same(got: list[Window], expected: tuple[Window, ...]) -> None:
    assert [each.start for each in got] == pytest.approx([e.start for e in expected])
    assert [each.end for each in got] == pytest.approx([e.end for e in expected])
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "mv_source"),
    [("grid_tiny", "contract"), ("grid_tiny", "original"), ("frame_tiny", "contract")],
)
def test_standard_input_gives_the_windows_of_the_file(
    name: str,
    mv_source: str,
    recorded: Path,
    recognizers: Callable[..., Recognizer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recognizer = recognizers(name, mv_source)
    piped(recorded.read_bytes(), monkeypatch)
    with recognizer.stream("-", hop=5) as stream:
        got = list(stream)
    expected = recognizer.windows(recorded, hop=5)
    assert len(got) > 2
    assert_same(got, expected.windows)
    facts = stream.summary()
    assert (facts.windows, facts.dropped, facts.reconnects) == (len(got), 0, 0)
    assert (facts.frames, facts.end) == (60, "the stream ended")
    assert facts.known_share == expected.video.known_share


def test_frames_that_are_handed_over_give_the_windows_of_the_file(
    recorded: Path, recognizers: Callable[..., Recognizer]
) -> None:
    recognizer = recognizers("grid_tiny")
    expected = recognizer.windows(recorded, hop=5).windows
    with av.open(str(recorded)) as container:
        got = list(recognizer.stream(container.decode(video=0), hop=5))
    assert_same(got, expected)
    with av.open(str(recorded)) as container:
        arrays = [
            frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)
        ]
    stream = recognizer.stream(arrays, hop=5, fps=25)
    assert [w.end for w in stream] == pytest.approx([w.end for w in expected])
    assert stream.summary().frames == 60


def test_packets_that_are_handed_over_give_the_windows_of_the_file(
    recorded: Path, recognizers: Callable[..., Recognizer]
) -> None:
    recognizer = recognizers("grid_tiny", "original")
    with av.open(str(recorded)) as container:
        got = list(recognizer.stream(container.demux(video=0), hop=5))
    assert_same(got, recognizer.windows(recorded, hop=5).windows)


def test_what_is_no_picture_is_refused(recognizers: Callable[..., Recognizer]) -> None:
    recognizer = recognizers("grid_tiny")
    for given, expected in (
        ([], "expected frames or packets, got none"),
        (["a.mp4"], "expected frames or packets, got str"),
        ([np.zeros((8, 8), np.uint8)], r"expected frames \(H, W, 3\) uint8, got"),
        ([np.zeros((8, 8, 3))], r"expected frames \(H, W, 3\) uint8, got"),
    ):
        with pytest.raises(DataError, match=expected):
            list(recognizer.stream(given))
    with pytest.raises(DataError, match="got frames: mv_source='canonical'"):
        frames = [np.zeros((64, 64, 3), np.uint8)]
        list(recognizers("grid_tiny", "original").stream(frames))


def test_no_window_spans_a_gap(
    clip: Clip, recognizers: Callable[..., Recognizer]
) -> None:
    port = free_port()
    patience = Patience(open=3, read=0.8, first_wait=0.05, gone=20)
    recognizer = recognizers("grid_tiny", "original")
    lines: list[str] = []
    windows = []
    with RtspServer(clip, port, speed=FAST, count=55):
        stream = recognizer.stream(
            f"rtsp://{HOST}:{port}/x",
            hop=4,
            patience=patience,
            latest=False,
            say=lines.append,
        )
        for window in stream:
            windows.append(window)
            if len(lines) == 5:
                stream.stop()
    facts = stream.summary()
    assert facts.reconnects >= 2
    assert (np.diff([window.start for window in windows]) > 0).all()
    span = recognizer.window_scorer(VideoInfo(64, 64, 25.0, "h264")).span
    # entries are intervals: as many windows as fit into 54, and one that ends with them
    starts = [*range(0, 54 - span + 1, 4)]
    per_part = len(starts) + ((54 - span) % 4 > 0)
    first = [window.start for window in windows[:per_part]]
    second = [
        window.start - windows[per_part].start
        for window in windows[per_part:][:per_part]
    ]
    assert first == pytest.approx(second)
    for window in windows:  # across a gap it would be seconds longer
        assert window.end - window.start == pytest.approx((span + 1) / 25, abs=1.1 / 25)
    assert windows[per_part].start > windows[per_part - 1].end
    assert lines[1].endswith(": nothing came for 0.8 s; connecting again")


def test_a_slow_network_drops_windows_and_takes_the_newest(
    clip: Clip, recognizers: Callable[..., Recognizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, recognizer = free_port(), recognizers("grid_tiny")
    scores = StreamNetwork.scores

    def slow(self, clips):
        time.sleep(0.2 * len(clips))
        return scores(self, clips)

    monkeypatch.setattr(StreamNetwork, "scores", slow)
    windows = []
    with RtspServer(clip, port, speed=4):
        stream = recognizer.stream(f"rtsp://{HOST}:{port}/x", hop=2)
        for window in stream:
            windows.append(window)
            if len(windows) == 8:
                stream.stop()
                break
    facts = stream.summary()
    assert facts.dropped > 8
    steps = np.diff([window.start for window in windows])
    assert (steps > 0).all() and np.median(steps) > 3 / 25
    assert facts.longest_delay < 1.5
    assert facts.skipped == 0  # decoding keeps up


def test_all_windows_are_scored_however_slow_the_network(
    recorded: Path,
    recognizers: Callable[..., Recognizer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recognizer = recognizers("grid_tiny")
    expected = recognizer.windows(recorded, hop=2).windows
    scores = StreamNetwork.scores

    def slow(self, clips):
        time.sleep(0.02)
        return scores(self, clips)

    monkeypatch.setattr(StreamNetwork, "scores", slow)
    port = free_port()
    pages = {"/a.ts": recorded.read_bytes()}
    with HttpServer(Clip(moving(1, 2, (0, 1))), port, pages=pages):
        stream = recognizer.stream(f"http://{HOST}:{port}/a.ts", hop=2)
        got = list(stream)
    assert_same(got, expected)
    assert stream.summary().dropped == 0


def test_a_stream_ends_after_the_seconds_that_were_asked_for(
    recognizers: Callable[..., Recognizer],
) -> None:
    began = time.monotonic()
    stream = recognizers("grid_tiny").stream(f"udp://{HOST}:{free_port()}", seconds=0.3)
    assert list(stream) == []
    assert 0.3 <= time.monotonic() - began < 2
    assert stream.summary().end == "stopped"


def test_no_thread_is_left_behind(
    clip: Clip, recognizers: Callable[..., Recognizer]
) -> None:
    port = free_port()
    with UdpServer(clip, port, speed=FAST):
        before = threading.active_count()
        with recognizers("grid_tiny").stream(f"udp://{HOST}:{port}") as stream:
            next(iter(stream))
        deadline = time.monotonic() + 3
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert threading.active_count() == before


def test_a_stream_with_too_few_known_vectors_is_refused(
    recognizers: Callable[..., Recognizer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_video(tmp_path / "a.ts", moving(3, 270, (0, 3)), bf=0, g=1)
    piped(path.read_bytes(), monkeypatch)
    with pytest.raises(
        DataError, match="^standard input: expected known motion vectors"
    ):
        list(recognizers("grid_tiny", "original").stream("-"))


def test_nobody_there_is_one_line(recognizers: Callable[..., Recognizer]) -> None:
    port = free_port()
    stream = recognizers("grid_tiny").stream(f"http://{HOST}:{port}/x")
    with pytest.raises(StreamError, match="Connection refused$"):
        list(stream)
