"""Live sources, served by real servers on the loopback address."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from av import Packet, VideoFrame
from live_servers import (
    HOST,
    Clip,
    HttpServer,
    RtspServer,
    Server,
    UdpServer,
    free_port,
    send,
    texture,
)
from piped import piped

from pipeline.extract.distances import VectorStatus
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Block, open_extraction
from training.errors import StreamError
from training.recognition.live import video as live_video
from training.recognition.live.address import live_address
from training.recognition.live.inputs import Watch
from training.recognition.live.stream import LiveStream, Part
from training.recognition.live.video import Patience

SETTINGS = ExtractSettings(
    modalities=("rgb", "mv"), mv_source="original", short_side=64
)
PATIENCE = Patience(open=3, read=0.5, first_wait=0.05, longest_wait=0.2, gone=0)
AGAIN = Patience(open=3, read=0.5, first_wait=0.05, longest_wait=0.2, gone=20)
FAST = 8.0
"""Times real time."""


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip(texture())


class Seen(NamedTuple):
    """Everything that came out of a stream."""

    parts: list[Part]
    seconds: list[float]
    """Since the beginning of the stream."""
    rgb: np.ndarray
    mv: np.ndarray
    valid: np.ndarray
    of_part: list[int]
    """Intervals of each part."""
    stream: LiveStream
    error: str


def watched(
    url: str,
    *,
    frames: int | None = None,
    patience: Patience = PATIENCE,
    settings: ExtractSettings = SETTINGS,
    each: Callable[[int, LiveStream], None] = lambda count, stream: None,
) -> Seen:
    """Watch a source for a number of frames, or to its end."""
    stream = LiveStream(live_address(url), patience)
    parts: list[Part] = []
    blocks: list[Block] = []
    seconds: list[float] = []
    of_part: list[int] = []
    error = ""
    try:
        for item in stream.blocks(settings):
            if isinstance(item, Part):
                parts.append(item)
                of_part.append(0)
                continue
            assert len(item.seconds) <= 1
            blocks.append(item)
            seconds += [parts[-1].offset + each_ for each_ in item.seconds.tolist()]
            of_part[-1] += len(item.arrays["mv"])
            each(len(seconds), stream)
            if frames and len(seconds) >= frames:
                stream.stop()
    except StreamError as raised:
        error = str(raised)
    arrays = {
        name: np.concatenate([block.arrays[name] for block in blocks])
        for name in (blocks[0].arrays if blocks else ())
    }
    nothing = np.empty(0)
    return Seen(
        parts,
        seconds,
        arrays.get("rgb", nothing),
        arrays.get("mv", nothing),
        arrays.get("mv_valid", nothing),
        of_part,
        stream,
        error,
    )


def of_file(path: Path, settings: ExtractSettings = SETTINGS) -> dict[str, np.ndarray]:
    with open_extraction(path, settings) as extraction:
        blocks = list(extraction)
    found = {
        name: np.concatenate([block.arrays[name] for block in blocks])
        for name in blocks[0].arrays
    }
    return found | {"seconds": np.concatenate([block.seconds for block in blocks])}


@pytest.fixture(scope="module")
def recording(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 packets of the clip as a file of MPEG-TS."""
    path = tmp_path_factory.mktemp("recording") / "a.ts"
    with open(path, "wb") as file:
        send(clip, lambda octets: bool(file.write(octets)) and None, count=40, speed=0)
    return path


@pytest.mark.parametrize("mv_source", ["original", "canonical"])
def test_standard_input_gives_what_the_file_gives(
    mv_source: str, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ExtractSettings(
        modalities=("rgb", "mv"), mv_source=mv_source, short_side=32
    )
    piped(recording.read_bytes(), monkeypatch)
    seen = watched("-", settings=settings)
    expected = of_file(recording, settings)
    assert seen.stream.complete and seen.stream.end == "the stream ended"
    np.testing.assert_array_equal(seen.rgb, expected["rgb"])
    np.testing.assert_array_equal(seen.mv, expected["mv"])
    np.testing.assert_array_equal(seen.valid, expected["mv_valid"])
    np.testing.assert_allclose(seen.seconds, expected["seconds"])
    assert len(seen.seconds) == 40


def test_standard_input_at_another_rate_gives_what_the_file_gives(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ExtractSettings(
        modalities=("rgb", "mv"), frames_per_second=10.0, short_side=32
    )
    piped(recording.read_bytes(), monkeypatch)
    seen = watched("-", settings=settings)
    expected = of_file(recording, settings)
    assert len(seen.rgb) == 16
    np.testing.assert_array_equal(seen.rgb, expected["rgb"])
    np.testing.assert_array_equal(seen.mv, expected["mv"])


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_served_stream_gives_what_the_file_gives(
    scheme: str, clip: Clip, recording: Path
) -> None:
    port = free_port()
    kind = RtspServer if scheme == "rtsp" else HttpServer
    with kind(clip, port, speed=FAST) as server:
        seen = watched(f"{scheme}://{HOST}:{port}/live", frames=40)
    expected = of_file(recording)
    np.testing.assert_array_equal(seen.rgb[:40], expected["rgb"])
    np.testing.assert_array_equal(seen.mv[:39], expected["mv"])
    np.testing.assert_array_equal(seen.valid[:39], expected["mv_valid"])
    np.testing.assert_allclose(seen.seconds[:40], expected["seconds"], atol=1e-6)
    assert (seen.stream.end, seen.stream.complete) == ("stopped", True)
    if isinstance(server, RtspServer):
        assert ["TCP" in each for each in server.transports] == [True]


def test_udp_is_joined_in_the_middle(clip: Clip) -> None:
    port = free_port()
    with UdpServer(clip, port, speed=FAST, first=5):
        seen = watched(f"udp://{HOST}:{port}", frames=60)
    assert (np.diff(seen.seconds) > 0).all()
    np.testing.assert_allclose(np.diff(seen.seconds), 1 / 25, atol=1e-6)
    inner = seen.mv[seen.valid][:, 2:-2, 2:-2]
    assert len(inner) > 45
    np.testing.assert_allclose(inner.mean(axis=(1, 2)), [(2, 1)] * len(inner), atol=0.5)


def test_a_server_that_comes_back_begins_a_new_part(clip: Clip) -> None:
    port = free_port()
    servers: list[Server] = [RtspServer(clip, port, speed=FAST, count=24).__enter__()]

    def each(count: int, stream: LiveStream) -> None:
        if count == 20:
            servers[0].__exit__()
            time.sleep(1)
            servers.append(RtspServer(clip, port, speed=FAST).__enter__())

    seen = watched(f"rtsp://{HOST}:{port}/x", frames=60, patience=AGAIN, each=each)
    servers[1].__exit__()
    assert len(seen.parts) == 2
    assert seen.stream.reconnects == 1
    first = seen.parts[1].offset
    before = [each_ for each_ in seen.seconds if each_ < first]
    assert seen.of_part == [len(before) - 1, len(seen.seconds) - len(before) - 1]
    assert (np.diff(seen.seconds) > 0).all()
    assert first - before[-1] > 0.1  # the gap is there in time


def test_time_goes_on_where_frames_come_faster_than_they_are_shown(clip: Clip) -> None:
    port = free_port()
    patience = Patience(open=3, read=0.15, first_wait=0, gone=20)
    with RtspServer(clip, port, speed=40, count=48):
        seen = watched(f"rtsp://{HOST}:{port}/x", frames=90, patience=patience)
    assert len(seen.parts) == 2 and seen.parts[1].offset >= 48 / 25 - 1e-6
    assert (np.diff(seen.seconds) > 0).all()


def test_a_server_that_stays_away_is_gone(clip: Clip) -> None:
    port = free_port()
    server = HttpServer(clip, port, speed=FAST, cut=30)
    server.__enter__()

    def each(count: int, stream: LiveStream) -> None:
        if count == 10:
            threading.Thread(target=server.__exit__).start()

    patience = Patience(open=1, read=0.3, first_wait=0.05, longest_wait=0.1, gone=0.6)
    seen = watched(f"http://{HOST}:{port}/x", patience=patience, each=each)
    assert seen.seconds
    assert seen.error.startswith(f"http://{HOST}:{port}/x: gone: ")
    assert "no frame for 1 s after" in seen.error
    assert not seen.stream.complete


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_nobody_there_is_said_at_once(scheme: str) -> None:
    seen = watched(f"{scheme}://{HOST}:{free_port()}/x", patience=AGAIN)
    assert seen.error.endswith("/x: Connection refused")


def test_a_silent_port_is_named() -> None:
    port = free_port()
    patience = Patience(open=0.3, read=0.3)
    seen = watched(f"udp://{HOST}:{port}", patience=patience)
    assert seen.error == f"udp://{HOST}:{port}: nothing came for 0.3 s"


def test_a_silent_server_is_named(clip: Clip) -> None:
    port = free_port()
    patience = Patience(open=0.5, read=0.3)
    with RtspServer(clip, port, silent=True):
        seen = watched(f"rtsp://{HOST}:{port}/x", patience=patience)
    assert seen.error.startswith(f"rtsp://{HOST}:{port}/x: ")
    assert "nothing came for 0." in seen.error


def test_a_stream_that_stalls_is_named_and_joined_again(clip: Clip) -> None:
    port = free_port()
    with UdpServer(clip, port, speed=FAST, count=40):
        seen = watched(f"udp://{HOST}:{port}", patience=PATIENCE)
    assert 10 < len(seen.seconds) <= 40
    assert "gone: nothing came for 0.5 s; no frame for" in seen.error


def test_lost_packets_are_counted_and_their_vectors_unknown(clip: Clip) -> None:
    port = free_port()

    def lose(number: int, octets: bytes) -> bool:
        return number > 40 and number % 37 == 0

    with UdpServer(clip, port, speed=FAST, lose=lose):
        seen = watched(f"udp://{HOST}:{port}", frames=150)
    assert len(seen.parts) == 1
    assert seen.stream.damaged >= 2
    unknown = (~seen.valid).sum()
    key_frames = len(seen.valid) / 12
    assert key_frames + 2 < unknown < len(seen.valid) / 2
    inner = seen.mv[seen.valid][:, 2:-2, 2:-2].mean(axis=(1, 2))
    np.testing.assert_allclose(inner, [(2, 1)] * len(inner), atol=0.5)


@pytest.mark.parametrize("lost", [74, 75, 76, 77, 78, 79, 80, 81])
def test_behind_a_loss_nothing_is_known_up_to_the_next_key_frame(
    lost: int, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    datagrams: list[bytes] = []
    send(clip, datagrams.append, count=110, speed=0)
    del datagrams[lost]
    piped(b"".join(datagrams), monkeypatch)
    seen = watched("-")
    assert len(seen.seconds) < 110 or seen.stream.damaged
    unknown = np.flatnonzero(~seen.valid) + 1  # frames that end an interval
    frames = np.rint(np.array(seen.seconds) * 25).astype(int)
    missing = np.flatnonzero(np.diff(frames) > 1)
    at = frames[missing[0]] + 1 if len(missing) else None
    numbers = frames[unknown]
    behind = [n for n in numbers if n % 12]
    assert behind  # others than key frames
    assert behind == [
        n for n in range(behind[0], behind[-1] + 1) if n % 12 and n in frames
    ]
    assert (behind[-1] + 1) % 12 == 0
    if at is not None:
        assert behind[0] <= at + 1 and behind[-1] >= at


def test_frames_of_another_size_are_scaled_to_the_first(clip: Clip) -> None:
    port = free_port()
    double = Clip(texture(128, 192))
    servers: list[Server] = [UdpServer(clip, port, speed=FAST).__enter__()]

    def each(count: int, stream: LiveStream) -> None:
        if count == 25:
            servers[0].__exit__()
            servers.append(UdpServer(double, port, speed=FAST).__enter__())

    patience = Patience(open=3, read=2)
    seen = watched(f"udp://{HOST}:{port}", frames=90, patience=patience, each=each)
    servers[1].__exit__()
    assert len(seen.parts) == 1
    assert seen.rgb.shape[1:] == (64, 96, 3)
    inner = seen.mv[:, 2:-2, 2:-2].mean(axis=(1, 2))
    np.testing.assert_allclose(
        inner[:20][seen.valid[:20]].mean(axis=0), (2, 1), atol=0.2
    )
    # twice as large and moving by as many pixels: half of that in the grid
    last = inner[-30:][seen.valid[-30:]]
    assert len(last) > 20
    np.testing.assert_allclose(last.mean(axis=0), (1, 0.5), atol=0.2)


def test_time_goes_on_where_the_clock_of_the_stream_wraps(clip: Clip) -> None:
    port = free_port()
    with UdpServer(clip, port, speed=FAST, start=(1 << 33) - 2 * 90_000):
        seen = watched(f"udp://{HOST}:{port}", frames=100)
    assert len(seen.parts) == 1
    np.testing.assert_allclose(np.diff(seen.seconds), 1 / 25, atol=1e-6)


@pytest.mark.parametrize("jump", [-3600, 40_000])
def test_time_goes_on_where_the_clock_of_the_stream_jumps(
    jump: int, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets: list[bytes] = []
    for start in (5000, 5000 + jump):
        send(clip, octets.append, count=24, speed=0, start=start * 90_000)
    piped(b"".join(octets), monkeypatch)
    seen = watched("-")
    assert len(seen.seconds) == 48
    steps = np.diff(seen.seconds)
    assert (steps > 0).all()
    np.testing.assert_allclose(np.delete(steps, 23), 1 / 25, atol=1e-6)
    assert steps[23] < 1


def test_a_stream_that_moves_to_another_packet_id_is_found_again(clip: Clip) -> None:
    port = free_port()
    moved = {"mpegts_start_pid": "300", "mpegts_pmt_start_pid": "5000"}
    servers: list[Server] = [UdpServer(clip, port, speed=FAST).__enter__()]

    def each(count: int, stream: LiveStream) -> None:
        if count == 25:
            servers[0].__exit__()
            servers.append(UdpServer(clip, port, speed=FAST, options=moved).__enter__())

    lines: list[str] = []
    stream = LiveStream(live_address(f"udp://{HOST}:{port}"), AGAIN, say=lines.append)
    count = 0
    for item in stream.blocks(SETTINGS):
        count += isinstance(item, Block) and len(item.seconds)
        each(count, stream) if count <= 25 and len(servers) == 1 else None
        if count > 60:
            stream.stop()
    servers[1].__exit__()
    assert stream.reconnects == 1
    assert lines[0] == (
        f"udp://{HOST}:{port}: connected, h264, 25 frames per second, seen at 96x64"
    )
    assert lines[1].endswith(": data, but no frame, for 0.5 s; connecting again")
    assert lines[2].endswith(": connected again")


def test_another_codec_is_found_again(clip: Clip) -> None:
    port = free_port()
    other = Clip(texture(), codec="mpeg2video", options={"g": "12"})
    servers: list[Server] = [UdpServer(clip, port, speed=FAST).__enter__()]

    def each(count: int, stream: LiveStream) -> None:
        if count == 25:
            servers[0].__exit__()
            servers.append(UdpServer(other, port, speed=FAST).__enter__())

    seen = watched(f"udp://{HOST}:{port}", frames=60, patience=AGAIN, each=each)
    servers[1].__exit__()
    assert [part.info.codec for part in seen.parts] == ["h264", "mpeg2video"]
    assert seen.stream.damaged > 0


class Garbage(Server):
    """Random bytes over UDP."""

    def __init__(self, port: int, every: float = 0.002) -> None:
        super().__init__()
        self._port, self._every = port, every

    def _run(self) -> None:
        noise = np.random.default_rng(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not self.stop.wait(self._every):
                out.sendto(noise.bytes(1316), (HOST, self._port))


def test_garbage_is_no_video() -> None:
    port = free_port()
    with Garbage(port):
        seen = watched(f"udp://{HOST}:{port}", patience=Patience(open=0.7, read=0.5))
    assert seen.error.startswith(f"udp://{HOST}:{port}: ")
    assert "data, but no frame, for 0.7 s" in seen.error or "no video" in seen.error


def test_garbage_between_packets_does_not_end_a_stream(clip: Clip) -> None:
    port = free_port()
    with UdpServer(clip, port, speed=FAST), Garbage(port, 0.05):
        seen = watched(f"udp://{HOST}:{port}", frames=100, patience=AGAIN)
    assert len(seen.seconds) >= 100
    assert (np.diff(seen.seconds) > 0).all()


def test_a_port_that_serves_no_video_is_named() -> None:
    port = free_port()
    pages = {"/x": b"<html><body>not found</body></html>"}
    with HttpServer(Clip(texture(count=2)), port, pages=pages):
        seen = watched(f"http://{HOST}:{port}/x")
        missing = watched(f"http://{HOST}:{port}/y")
    assert "no video that FFmpeg can read" in seen.error
    assert "404" in missing.error


def test_a_playlist_is_played_to_its_end(clip: Clip, recording: Path) -> None:
    port = free_port()
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\na.ts\n"
        "#EXT-X-ENDLIST\n"
    )
    pages = {"/live.m3u8": playlist.encode(), "/a.ts": recording.read_bytes()}
    with HttpServer(clip, port, pages=pages):
        seen = watched(f"http://{HOST}:{port}/live.m3u8")
    np.testing.assert_array_equal(seen.mv, of_file(recording)["mv"])
    assert seen.stream.complete


def test_no_playlist_opens_a_file(clip: Clip, recording: Path) -> None:
    port = free_port()
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\n"
        f"file://{recording}\n#EXT-X-ENDLIST\n"
    )
    with HttpServer(clip, port, pages={"/live.m3u8": playlist.encode()}):
        seen = watched(f"http://{HOST}:{port}/live.m3u8")
    assert seen.error and not seen.seconds


def test_a_slow_reader_catches_up_at_key_frames(clip: Clip) -> None:
    port = free_port()

    def each(count: int, stream: LiveStream) -> None:
        time.sleep(0.1)

    patience = Patience(open=3, read=0.5, gone=0, behind=0.4)
    with RtspServer(clip, port, speed=4):
        seen = watched(
            f"rtsp://{HOST}:{port}/x", frames=40, patience=patience, each=each
        )
    assert seen.stream.skipped >= 5
    assert (np.diff(seen.seconds) > 0).all()
    gaps = np.diff(seen.seconds)[: len(seen.valid)] > 0.05
    assert gaps.any() and not seen.valid[gaps].any()
    behind = np.flatnonzero(gaps) + 1  # the key frame is decoded: all is known again
    behind = behind[(behind < len(gaps)) & ~gaps[np.minimum(behind, len(gaps) - 1)]]
    assert seen.valid[behind].all()


def test_sound_is_left_alone(
    tmp_path: Path, moving_frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "with_sound.ts"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("mp2", rate=48_000, layout="mono")
        for pixels in moving_frames:
            frame = VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(video.encode(frame))
            tone = np.zeros((1, 1920), np.int16)
            samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            samples.sample_rate = 48_000
            container.mux(sound.encode(samples))
        container.mux(video.encode())
        container.mux(sound.encode())
    piped(path.read_bytes(), monkeypatch)
    seen = watched("-")
    np.testing.assert_array_equal(seen.rgb, of_file(path)["rgb"])
    assert seen.stream.damaged == 0


def test_an_mp4_with_its_index_at_the_end_is_told_how_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), np.uint8)
        for picture in noise:  # 200 KB: FFmpeg keeps less of what it has passed
            container.mux(video.encode(VideoFrame.from_ndarray(picture)))
        container.mux(video.encode())
    piped(path.read_bytes(), monkeypatch)
    assert "-movflags +faststart" in watched("-").error


def test_a_reader_may_take_its_time(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(recording.read_bytes(), monkeypatch)
    stop = threading.Event()
    patience = Patience(open=3, read=0.2)
    with live_video.open_live(
        live_address("-"), patience, stop, vectors=False, pixels=True
    ) as video:
        time.sleep(0.4)
        pictures = video.pictures()
        next(pictures)
        time.sleep(0.4)
        assert len(list(pictures)) == 39
        assert video.end == "the stream ended"


class Known:
    """References that know everything."""

    def packet(self, packet: Packet) -> None:
        pass

    def lost(self) -> None:
        pass

    def frame(self, frame: VideoFrame) -> VectorStatus:
        return VectorStatus(distances=[1, None])


def test_nothing_is_known_from_a_lost_packet_to_the_key_frame_behind_it() -> None:
    sound = live_video.SoundReferences(Known(), Watch(threading.Event(), 9))
    known = []
    for number in range(12):
        packet = Packet(4)
        packet.pts, packet.is_keyframe = number, number in (4, 8)
        sound.packet(packet)
        if number == 2:
            sound.lost()
        frame = VideoFrame(16, 16)
        frame.pts, frame.key_frame = number, number in (4, 8)
        known.append(sound.frame(frame).known)
    assert known == [True] * 2 + [False] * 2 + [True] * 8


def test_a_stream_is_stopped_while_it_waits() -> None:
    stream = LiveStream(live_address(f"udp://{HOST}:{free_port()}"), Patience(open=60))
    threading.Timer(0.2, stream.stop).start()
    began = time.monotonic()
    assert list(stream.blocks(SETTINGS)) == []
    assert time.monotonic() - began < 3
    assert (stream.end, stream.complete) == ("stopped", True)


def test_waits_double_up_to_a_limit() -> None:
    waits: Iterator[float] = Patience(first_wait=0.5, longest_wait=3).waits()
    assert [next(waits) for _ in range(5)] == [0.5, 1, 2, 3, 3]
