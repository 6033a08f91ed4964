"""Files as they come: names, containers, damage, time stamps, streams, turns."""

import errno
import os
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from encoded import LAST_FRAME_ONLY, encode, packets_of, rgb_frames

from pipeline.extract.clock import Clock, Ticks
from pipeline.extract.decode import Picture
from pipeline.extract.distances import VectorStatus
from pipeline.extract.errors import DecodeError, NotAVideo, VideoError
from pipeline.extract.opening import open_video, probe
from pipeline.extract.orientation import (
    UPRIGHT,
    Orientation,
    is_askew,
    orientation,
    rotation,
)


def pictures_of(path: Path) -> list[Picture]:
    with open_video(path) as video:
        return list(video.pictures())


def types_of(path: Path) -> str:
    return "".join(chr(picture.picture_type) for picture in pictures_of(path))


def numbered(count: int, *, height: int = 32, width: int = 48) -> np.ndarray:
    """Frames of a texture whose level says their number: 20, 30, 40, ..."""
    rng = np.random.default_rng(0)
    texture = rng.integers(-9, 10, (height // 8, width // 8, 1)).repeat(3, axis=-1)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)
    texture -= int(np.median(texture))
    levels = 20 + 10 * np.arange(count)
    return (levels[:, None, None, None] + texture).astype(np.uint8)


def numbers(path: Path) -> list[int]:
    """The numbers that the decoded frames of `numbered` say."""
    grey = [p.frame.to_ndarray(format="gray") for p in pictures_of(path)]
    return [round((float(np.median(frame)) - 20) / 10) for frame in grey]


NAMES = (
    "with blank.mp4",
    "-dash.mp4",
    'it\'s "quoted".mp4',
    "100%03d#&?=;$(x)!.mp4",
    "http:..x.mp4",
    "concat:a|b.mp4",
    "pipe:.mp4",
    "ümlaut.mp4",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_local_file(
    tmp_path: Path, moving_video: Path, name, monkeypatch
):
    (tmp_path / name).write_bytes(moving_video.read_bytes())
    assert len(pictures_of(tmp_path / name)) == 12
    monkeypatch.chdir(tmp_path)
    assert len(pictures_of(Path(name))) == 12


def test_a_name_that_is_no_text_is_a_local_file(tmp_path: Path, moving_video: Path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4")
    Path(name).write_bytes(moving_video.read_bytes())
    assert len(pictures_of(Path(name))) == 12


def test_a_playlist_opens_no_other_file(tmp_path: Path, moving_video: Path):
    other = moving_video
    listed = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:{other}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other.name}\n#EXT-X-ENDLIST\n",
        "list.txt": f"ffconcat version 1.0\nfile {other}\n",
        "concat.mp4": f"ffconcat version 1.0\nfile {other}\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    }
    for name, text in listed.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(NotAVideo, match="expected a video, got"):
            probe(tmp_path / name)


def test_pictures_and_sound_are_no_videos(tmp_path: Path):
    pixels = np.full((64, 64, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "still.jpg"), pixels)
    cv2.imwrite(str(tmp_path / "still%02d.png"), pixels)
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    (tmp_path / "text.mp4").write_text("no video at all\n" * 99)
    for path in tmp_path.iterdir():
        with pytest.raises(NotAVideo, match="expected a video, got"):
            probe(path)


def test_an_empty_file_says_so(tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(NotAVideo, match="expected a video, got an empty file"):
        probe(tmp_path / "empty.mp4")


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(NotAVideo, match="expected a video, got a pipe"):
        probe(tmp_path / "pipe.mp4")


def test_sound_in_a_video_container_says_so(tmp_path: Path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 2048), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(NotAVideo, match="expected a video stream, got none"):
        probe(tmp_path / "sound.mp4")


def test_what_the_system_cannot_read_is_not_blamed_on_the_video(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as missing:
        probe(tmp_path / "missing.mp4")
    assert not isinstance(missing.value, VideoError)
    with pytest.raises(IsADirectoryError):
        probe(tmp_path)


def test_a_read_error_in_the_middle_is_not_blamed_on_the_video(
    moving_video: Path, monkeypatch
):
    """The demuxer reports an I/O error, and so does reading the file ourselves."""
    with open_video(moving_video) as video:
        pictures = video.pictures()
        next(pictures)

        def broken(*_args):
            raise OSError(errno.EIO, "Input/output error")

        def failing(*_args):
            raise av.error.OSError(errno.EIO, "Input/output error")
            yield

        monkeypatch.setattr("builtins.open", broken)
        monkeypatch.setattr(video, "_container", type("C", (), {"demux": failing})())
        packets = video._packets()
        with pytest.raises(OSError, match="Input/output"):
            next(packets)


class Breaking:
    """A container whose demuxer gives up after some packets."""

    def __init__(self, container, error: Exception, *, after: int) -> None:
        self._container, self._error, self._after = container, error, after
        self.format = container.format

    def demux(self, stream):
        for number, packet in enumerate(self._container.demux(stream)):
            if number == self._after:
                raise self._error
            yield packet


@pytest.mark.parametrize(
    "error",
    (
        av.error.InvalidDataError(1094995529, "Invalid data"),
        IndexError("a stream that came up later"),
    ),
)
def test_a_file_that_cannot_be_read_on_ends_there(tmp_path: Path, monkeypatch, error):
    """Also the frames that the decoder still holds come out."""
    options = {"bf": "2", "x264-params": "b-adapt=0", "crf": "10"}
    path = encode(tmp_path / "v.mp4", rgb_frames(numbered(20)), options=options)
    with open_video(path) as video:
        broken = Breaking(video._container, error, after=12)
        monkeypatch.setattr(video, "_container", broken)
        assert len(list(video.pictures())) == 12


def test_the_header_is_read_without_decoding(moving_video: Path):
    header = probe(moving_video)
    assert (header.width, header.height, header.fps) == (64, 64, 25)
    assert (header.frames_estimate, header.codec) == (12, "h264")
    assert header.seconds == pytest.approx(12 / 25)


def test_the_header_of_a_raw_stream_estimates_nothing(tmp_path: Path):
    path = encode(tmp_path / "v.h264", rgb_frames(numbered(8)))
    assert probe(path).frames_estimate >= 0
    assert len(pictures_of(path)) == 8


def test_tags_that_are_no_text_do_no_harm(tmp_path: Path):
    path = encode(
        tmp_path / "v.avi",
        rgb_frames(numbered(5)),
        codec="mpeg4",
        tags={"title": "XXXX"},
    )
    octets = path.read_bytes()
    assert b"XXXX" in octets
    path.write_bytes(octets.replace(b"XXXX", b"\xe4\xff\xfe\xc3"))
    assert len(pictures_of(path)) == 5


def test_an_attached_picture_is_not_the_video(tmp_path: Path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        film = container.add_stream("libx264", rate=25)
        assert isinstance(cover, av.VideoStream) and isinstance(film, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        film.width, film.height, film.pix_fmt = 48, 32, "yuv420p"
        still = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8))
        container.mux(cover.encode(still.reformat(format="yuvj420p")))
        for frame in rgb_frames(numbered(6)):
            container.mux(film.encode(frame))
        for stream in (cover, film):
            container.mux(stream.encode())
    pictures = pictures_of(path)
    assert [(p.frame.width, p.frame.height) for p in pictures] == [(48, 32)] * 6


def test_b_frames_come_in_the_order_of_showing(tmp_path: Path):
    options = {"bf": "2", "x264-params": "b-adapt=0", "crf": "10"}
    path = encode(tmp_path / "v.mp4", rgb_frames(numbered(20)), options=options)
    assert "B" in types_of(path)
    assert numbers(path) == list(range(20))
    seconds = [picture.seconds for picture in pictures_of(path)]
    np.testing.assert_allclose(seconds, np.arange(20) / 25, atol=1e-9)


def test_an_avi_with_b_frames_has_steady_seconds(tmp_path: Path):
    """AVI knows no presentation times: those that FFmpeg makes up jump to and fro."""
    options = {"bf": "2", "b_strategy": "0", "q": "2"}
    path = encode(
        tmp_path / "v.avi", rgb_frames(numbered(20)), codec="mpeg4", options=options
    )
    assert "B" in types_of(path)
    assert numbers(path) == list(range(20))
    seconds = [picture.seconds for picture in pictures_of(path)]
    np.testing.assert_allclose(seconds, np.arange(20) / 25, atol=1e-9)


def test_gaps_of_an_avi_are_kept(tmp_path: Path):
    """A packet of no bytes means that the last frame is shown on."""
    times = [0, 40, 80, 200, 240, 280]
    path = encode(
        tmp_path / "v.avi",
        rgb_frames(numbered(6)),
        codec="mpeg4",
        times=times,
        options={"q": "2"},
    )
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    seconds = [picture.seconds for picture in pictures_of(path)]
    assert rate and len(seconds) == 6
    np.testing.assert_allclose(seconds, np.array(times) / 1000, atol=0.002)


def test_changing_intervals_are_kept(tmp_path: Path):
    times = [500, 540, 580, 1000, 1010, 3000]
    path = encode(
        tmp_path / "v.mkv",
        rgb_frames(numbered(6)),
        options=LAST_FRAME_ONLY,
        times=times,
    )
    seconds = [picture.seconds for picture in pictures_of(path)]
    np.testing.assert_allclose(seconds, [0, 0.04, 0.08, 0.5, 0.51, 2.5], atol=1e-3)


@pytest.mark.parametrize(
    ("times", "rate"),
    (
        ([0, 40, 80, 120, 160, 200], 25),
        ([0, 40, 80, 120, 160, 3_600_000], 25),  # a damaged time stamp
        ([0, 40, 80, 120, 160, 36_000], 25),
        ([0, 10_000, 20_000, 30_000, 40_000, 50_000], 0.1),  # a slow recording
    ),
)
def test_a_damaged_time_stamp_does_not_make_a_video_last_for_years(
    tmp_path: Path, times, rate
):
    """The rate of an MP4 is the number of its frames for what their stamps say it lasts."""
    frames = rgb_frames(numbered(6))
    path = encode(tmp_path / "v.mp4", frames, options=LAST_FRAME_ONLY, times=times)
    with open_video(path) as video:
        assert rate / 1.3 < video.rate < rate * 1.3


def test_a_truncated_file_keeps_what_decodes(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), np.uint8)
    whole = encode(tmp_path / "v.mkv", rgb_frames(noise), options=LAST_FRAME_ONLY)
    octets = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(octets[: len(octets) * 6 // 10])
    assert 9 <= len(pictures_of(cut)) <= 13


def test_a_packet_that_does_not_decode_is_left_out(tmp_path: Path):
    """Nothing takes its place: there is one frame less, and it is counted."""
    path = encode(
        tmp_path / "v.avi",
        [f.reformat(format="yuvj420p") for f in rgb_frames(numbered(10))],
        codec="mjpeg",
        pix_fmt="yuvj420p",
    )
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    octets = path.read_bytes().replace(packets[4], bytes(len(packets[4])))
    path.write_bytes(octets)
    with open_video(path) as video:
        pictures = list(video.pictures())
        assert len(pictures) == 9
        assert video.damaged == 1


def test_a_stream_without_a_frame_is_an_error(tmp_path: Path):
    path = encode(tmp_path / "v.h264", rgb_frames(numbered(3)), options=LAST_FRAME_ONLY)
    octets = path.read_bytes()
    path.write_bytes(octets[: octets.index(b"\0\0\1\x65") + 4] + bytes(40))
    with pytest.raises(DecodeError, match="h264: expected frames, got none"):
        pictures_of(path)


def test_decoding_again_gives_the_same_frames(moving_video: Path):
    first, again = pictures_of(moving_video), pictures_of(moving_video)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.frame.to_ndarray(), other.frame.to_ndarray())


def test_a_clock_without_stamps_counts():
    clock = Clock(rate=25)
    np.testing.assert_allclose([clock.seconds(None) for _ in range(3)], [0, 0.04, 0.08])


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    (
        ([5.0, 5.1, 5.3], [0, 0.1, 0.3]),
        ([5.0, None, 5.3], [0, 0.1, 0.3]),
        ([None, 5.0, 5.3], [0, 0.1, 0.4]),
        ([0.0, 0.0, 0.0], [0, 0.1, 0.2]),
        ([1.0, 0.5, 1.5], [0, 0.1, 0.5]),
    ),
)
def test_a_clock_never_goes_back(stamps, seconds):
    clock = Clock(rate=10)
    np.testing.assert_allclose([clock.seconds(s) for s in stamps], seconds)


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    (
        ([0, 0.1, 700, 700.1], [0, 0.1, 0.2, 0.3]),
        ([700, 700.1, 5, 5.1], [0, 0.1, 0.2, 0.3]),
        ([0, 0.1, 10.1, 10.2], [0, 0.1, 10.1, 10.2]),  # 9.9 s are a gap
        ([0, 0.1, 10.3, 10.4], [0, 0.1, 0.2, 0.3]),  # 10.1 s are a jump
        ([5, 5.1, 4.6, 5.3], [0, 0.1, 0.2, 0.3]),  # a little back is disorder
        ([5, 5.1, 4.0, 4.5], [0, 0.1, 0.2, 0.7]),  # 1.1 s back is a jump
        ([0, 700, 0.1, 0.2], [0, 0.1, 0.2, 0.3]),
        ([None, 700.1, None, 5], [0, 0.1, 0.2, 0.3]),
    ),
)
def test_jumps_of_joined_recordings_are_closed(stamps, seconds):
    clock = Clock(rate=10, joined=True)
    np.testing.assert_allclose([clock.seconds(s) for s in stamps], seconds)


def test_jumps_within_one_recording_are_kept():
    clock = Clock(rate=10)
    assert [clock.seconds(s) for s in (0, 700, 700.5)] == [0, 700, 700.5]


@pytest.mark.parametrize(("first", "second"), ((0, 600), (600, 0)))
def test_transport_streams_joined_have_the_frames_of_both(
    tmp_path: Path, first, second
):
    options = {"bf": "2", "x264-params": "b-adapt=0", "g": "8", "crf": "10"}
    path, octets = tmp_path / "joined.ts", b""
    for number, offset in enumerate((first, second)):
        part = encode(
            tmp_path / f"{number}.ts",
            rgb_frames(numbered(20)),
            options=options,
            output_ts_offset=str(offset),
        )
        octets += part.read_bytes()
    path.write_bytes(octets)
    assert numbers(path) == [*range(20), *range(20)]
    with open_video(path) as video:
        ticks = Ticks(frames_per_second=25, rate=video.rate)
        seconds = [picture.seconds for picture in ticks.shown(video.pictures())]
    np.testing.assert_allclose(seconds, np.arange(40) / 25, atol=0.003)


def shown(
    seconds: list[float], *, frames_per_second: float, rate: float = 10
) -> list[int]:
    frame = av.VideoFrame(16, 16)
    pictures = [Picture(frame, s, n, VectorStatus()) for n, s in enumerate(seconds)]
    ticks = Ticks(frames_per_second=frames_per_second, rate=rate)
    return [picture.picture_type for picture in ticks.shown(pictures)]


def test_each_tick_takes_the_frame_shown_then():
    steady = [n / 10 for n in range(10)]
    assert shown(steady, frames_per_second=10) == list(range(10))
    assert shown(steady, frames_per_second=5) == [0, 2, 4, 6, 8]
    assert shown(steady, frames_per_second=20) == [n // 2 for n in range(20)]
    assert shown(steady, frames_per_second=4) == [0, 2, 5, 7]
    assert shown(steady, frames_per_second=1e-4) == [0]
    assert shown(steady, frames_per_second=1e-300) == [9]
    assert shown([0], frames_per_second=3) == [0]
    assert shown([0, 0.15, 0.17, 0.6], frames_per_second=10) == [0, 0, 2, 2, 2, 2, 3]


@pytest.mark.parametrize("rate", (24000 / 1001, 29.97, 25, 30000 / 1001))
def test_ticks_at_the_videos_own_rate_take_every_frame(rate):
    steady = [n / rate for n in range(5000)]
    assert shown(steady, frames_per_second=rate, rate=rate) == list(range(5000))


def test_a_frame_shown_for_a_century_is_an_error():
    with pytest.raises(DecodeError, match="time stamps: expected"):
        shown([0, 3e9], frames_per_second=30)


def test_frames_an_hour_apart_are_an_error_at_a_steady_rate():
    """Each gap could be meant; all of them would fill a disk."""
    with pytest.raises(DecodeError, match="time stamps: expected .*at 10797 s"):
        shown([3599.0 * n for n in range(99)], frames_per_second=2)
    lecture = [60.0 * n for n in range(99)]
    assert len(shown(lecture, frames_per_second=1)) == 98 * 60 + 1
    assert len(shown(lecture, frames_per_second=3)) == 98 * 180 + 1
    with pytest.raises(DecodeError, match="would be more than 100 of each, and 15,000"):
        shown(lecture, frames_per_second=25)
    still = [0.0, 590.0, *(590 + n / 10 for n in range(1, 90))]
    assert len(shown(still, frames_per_second=25)) == 599 * 25


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return np.array(
        [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], "i4"
    ).tobytes()


@pytest.mark.parametrize(
    ("values", "turned"),
    (
        ((1, 0, 0, 1), UPRIGHT),
        ((0, 1, -1, 0), Orientation(True, True, False)),  # a phone held upright
        ((-1, 0, 0, -1), Orientation(False, True, True)),
        ((0, -1, 1, 0), Orientation(True, False, True)),
        ((-1, 0, 0, 1), Orientation(False, True, False)),
        ((0, 1, 1, 0), Orientation(True, False, False)),
        ((1, 1, -1, 1), UPRIGHT),  # 45 degrees
        ((0, 0, 0, 0), UPRIGHT),
    ),
)
def test_a_display_matrix_is_a_turn(values, turned):
    assert orientation(matrix(*values)) == turned


def turned_by(degrees: float, *, mirrored: bool = False) -> bytes:
    """The display matrix of a turn clockwise, upside down before it if mirrored."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    down = -1 if mirrored else 1
    linear = [cosine, sine, 0, -sine * down, cosine * down, 0, 0, 0, 1 << 14]
    return np.rint(np.array(linear) * (1 << 16)).astype("i4").tobytes()


@pytest.mark.parametrize("mirrored", (False, True))
@pytest.mark.parametrize("quarter", (0, 90, 180, 270))
@pytest.mark.parametrize("off", (-0.99, -0.3, 0.001, 0.3, 0.99))
def test_an_angle_within_a_degree_of_a_quarter_turn_is_one(quarter, mirrored, off):
    upright = orientation(turned_by(quarter, mirrored=mirrored))
    assert orientation(turned_by(quarter + off, mirrored=mirrored)) == upright
    corner = np.zeros((2, 2), np.uint8)
    corner[0, 0] = 1
    expected = np.rot90(corner[::-1] if mirrored else corner, -quarter // 90)
    np.testing.assert_array_equal(upright.planes(corner), expected)


def test_a_matrix_off_by_a_unit_is_a_quarter_turn():
    unit = np.frombuffer(matrix(0, 1, -1, 0), "i4").copy()
    unit[[0, 4]] = 1
    assert orientation(unit.tobytes()) == Orientation(True, True, False)


@pytest.mark.parametrize("degrees", (1.02, 45, 91.02, 135, 268.98, 358.9))
def test_any_other_angle_turns_nothing_and_is_known(degrees):
    assert orientation(turned_by(degrees)) == UPRIGHT
    assert rotation(turned_by(degrees)) == pytest.approx(degrees, abs=0.01)
    assert is_askew(rotation(turned_by(degrees)))
    assert not is_askew(rotation(turned_by(round(degrees / 90) * 90)))


def test_a_damaged_display_matrix_turns_nothing():
    assert rotation(b"") == rotation(matrix(0, 0, 0, 0)) == 0
    assert orientation(b"") == orientation(b"abc") == UPRIGHT


def test_a_turn_moves_pixels_and_sizes_alike():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    clockwise = Orientation(True, True, False)
    np.testing.assert_array_equal(clockwise.planes(pixels), np.rot90(pixels, -1))
    assert clockwise.size(2, 3) == (3, 2)


@pytest.mark.clips
def test_the_decoded_count_is_the_truth(clips_folder: Path):
    """HMDB51's headers promise more frames than there are: one, or one for each gap."""
    for path in sorted(clips_folder.glob("hmdb51/**/*.avi")):
        count, promised = len(pictures_of(path)), probe(path).frames_estimate
        capture = cv2.VideoCapture(str(path))
        theirs = 0
        while capture.grab():
            theirs += 1
        assert count == theirs
        assert promised > count


def test_a_frame_with_errors_counts_as_damaged(tmp_path: Path):
    """MPEG-4 conceals what it cannot read: every frame comes out, and one is wrong."""
    noise = np.random.default_rng(0).integers(0, 256, (10, 64, 96, 3), np.uint8)
    path = encode(tmp_path / "v.avi", rgb_frames(noise), codec="mpeg4")
    fourth = packets_of(path)[4]
    middle = len(fourth) // 2
    torn = fourth[:middle] + bytes(40) + fourth[middle + 40 :]
    path.write_bytes(path.read_bytes().replace(fourth, torn))
    with open_video(path) as video:
        assert len(list(video.pictures())) == 10
        assert video.damaged == 1


@pytest.mark.clips
@pytest.mark.slow
def test_no_research_clip_is_damaged(clips_folder: Path):
    paths = [
        path
        for folder in ("hmdb51", "utd_mhad", "weizmann", "ucf101")
        for path in sorted((clips_folder / folder).glob("*/*.avi"))[::4]
    ]
    assert len(paths) > 40
    for path in paths:
        with open_video(path, pixels=False) as video:
            assert all(not video.damaged for _ in video.pictures()), path
