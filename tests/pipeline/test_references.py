"""Which vectors are said to point to the frame before, for streams that we coded ourselves."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from encoded import LAST_FRAME_ONLY, encode, rgb_frames

from pipeline.extract import h264
from pipeline.extract.decode import open_video
from pipeline.extract.references import H264References, MpegReferences, references


def told(path: Path) -> tuple[str, list[bool]]:
    """Types of the frames, and whether their vectors are known."""
    with open_video(path, vectors=True) as video:
        pictures = [(chr(p.picture_type), p.told.known) for p in video.pictures()]
    return "".join(kind for kind, _ in pictures), [known for _, known in pictures]


@pytest.fixture(scope="module")
def texture(moving_frames: np.ndarray) -> np.ndarray:
    """(36, 64, 64, 3): the moving texture, three times as long."""
    return np.stack(
        [np.roll(moving_frames[0], (t, 2 * t), axis=(0, 1)) for t in range(36)]
    )


def without(path: Path, out: Path, missing: int) -> Path:
    """The same file without its packet number `missing`."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.size]
        for number, packet in enumerate(packets):
            if number != missing:
                packet.stream = copy
                target.mux(packet)
    return out


@pytest.mark.parametrize("suffix", ("mp4", "mkv", "h264", "ts"))
def test_h264_of_one_reference_frame_is_known(tmp_path: Path, texture, suffix):
    options = LAST_FRAME_ONLY | {"g": "12"}
    path = encode(tmp_path / f"v.{suffix}", rgb_frames(texture), options=options)
    types, known = told(path)
    assert types == "IPPPPPPPPPPP" * 3
    assert known == [kind == "P" for kind in types]


@pytest.mark.parametrize("refs", (2, 3))
def test_h264_of_more_reference_frames_is_unknown(tmp_path: Path, texture, refs):
    options = LAST_FRAME_ONLY | {"refs": str(refs)}
    types, known = told(
        encode(tmp_path / "v.mp4", rgb_frames(texture), options=options)
    )
    assert "P" in types
    assert not any(known)


def test_h264_with_b_frames_is_unknown(tmp_path: Path, texture):
    options = LAST_FRAME_ONLY | {"bf": "2", "x264-params": "b-adapt=0"}
    types, known = told(
        encode(tmp_path / "v.mp4", rgb_frames(texture), options=options)
    )
    assert "B" in types
    assert not any(known)


def test_interlaced_h264_is_unknown(tmp_path: Path, texture):
    options = LAST_FRAME_ONLY | {"x264-params": "tff=1"}
    types, known = told(
        encode(tmp_path / "v.mp4", rgb_frames(texture), options=options)
    )
    assert "P" in types
    assert not any(known)


def test_a_frame_after_a_lost_h264_frame_is_unknown(tmp_path: Path, texture):
    path = encode(tmp_path / "v.mp4", rgb_frames(texture), options=LAST_FRAME_ONLY)
    types, known = told(without(path, tmp_path / "lost.mp4", 5))
    assert len(types) == 35
    assert known == [number not in (0, 5) for number in range(35)]


@pytest.mark.parametrize("codec", ("mpeg4", "mpeg2video", "mpeg1video"))
def test_mpeg_p_frames_are_known_after_i_and_p(tmp_path: Path, texture, codec):
    path = encode(
        tmp_path / "v.mkv",
        rgb_frames(texture),
        codec=codec,
        options={"g": "12", "sc_threshold": "1000000000", "q": "2"},
    )
    types, known = told(path)
    assert types.startswith("IPPP")
    assert known == [kind == "P" for kind in types]


@pytest.mark.parametrize("codec", ("mpeg4", "mpeg2video"))
def test_mpeg_p_frames_are_unknown_after_b(tmp_path: Path, texture, codec):
    path = encode(
        tmp_path / "v.mkv",
        rgb_frames(texture),
        codec=codec,
        options={"g": "12", "bf": "1", "b_strategy": "1", "q": "2"},
    )
    types, known = told(path)
    assert "BP" in types
    neighbours = zip("?" + types, types, strict=False)
    assert known == [now == "P" and before in "IP" for before, now in neighbours]


def test_nothing_is_known_after_a_lost_mpeg_packet_until_the_next_intra_frame():
    frame = av.VideoFrame(16, 16, "yuv420p")
    rules = MpegReferences(fields=False)

    def known(kind: av.video.frame.PictureType) -> bool:
        frame.pict_type = kind
        return rules.frame(frame).known

    intra, forward = av.video.frame.PictureType.I, av.video.frame.PictureType.P
    assert [known(kind) for kind in (intra, forward)] == [False, True]
    rules.lost()
    assert [known(kind) for kind in (forward, intra, forward)] == [False, False, True]


def test_other_codecs_are_unknown(tmp_path: Path, texture):
    path = encode(tmp_path / "v.mkv", rgb_frames(texture), codec="msmpeg4v3")
    types, known = told(path)
    assert "IP" in types
    assert not any(known)


@pytest.mark.parametrize("refs", (1, 2, 4))
@pytest.mark.parametrize("profile", ("baseline", "high"))
def test_the_sequence_parameter_set_is_read(tmp_path: Path, texture, refs, profile):
    options = LAST_FRAME_ONLY | {"refs": str(refs), "profile": profile}
    path = encode(tmp_path / "v.mp4", rgb_frames(texture[:, :50]), options=options)
    with av.open(str(path)) as container:
        extradata = container.streams.video[0].codec_context.extradata
    assert extradata is not None
    length_bytes, found = h264.configuration(extradata)
    assert length_bytes == 4
    (sequence,) = [
        h264.sequence(unit.payload) for unit in found if unit.kind == h264.SEQUENCE
    ]
    assert (sequence.references, sequence.progressive) == (refs, True)
    assert sequence.cropped == (0, 0)  # 50 lines: cut at the bottom only


@pytest.mark.clips
def test_what_is_cropped_is_read(clips_folder: Path):
    path = clips_folder / "odd/portrait_and_odd_dims/CVFC1_Sony_C.jsv"
    with open_video(path, vectors=True) as video:
        picture = next(video.pictures())
    assert picture.told.cropped == (60, 26)
    assert (picture.frame.height, picture.frame.width) == (168, 300)


class Bits:
    """Writes the syntax of H.264, for streams that no encoder at hand would write."""

    def __init__(self) -> None:
        self.bits = ""

    def number(self, value: int, count: int) -> "Bits":
        self.bits += format(value, f"0{count}b")
        return self

    def golomb(self, *values: int) -> "Bits":
        for value in values:
            code = format(value + 1, "b")
            self.bits += "0" * (len(code) - 1) + code
        return self

    def unit(self, header: int) -> bytes:
        padded = self.bits + "1" + "0" * (-(len(self.bits) + 1) % 8)
        octets = int(padded, 2).to_bytes(len(padded) // 8)
        return b"\0\0\1" + bytes([header]) + octets


def sequence_unit(*, references: int = 1) -> bytes:
    """Baseline, 4 bits of frame_num, 64x64, progressive."""
    bits = Bits().number(66, 8).number(0, 16).golomb(0, 0, 2, references)
    return bits.number(0, 1).golomb(3, 3).number(1, 1).number(0, 2).unit(0x67)


def slice_unit(number: int, *, reference: bool = True, intra: bool = False) -> bytes:
    bits = Bits().golomb(0, 7 if intra else 5, 0).number(number, 4).number(0, 32)
    return bits.unit((0x60 if reference else 0) | (5 if intra else 1))


def follow(*slices: bytes, references: int = 1) -> list[bool]:
    """What is told of frames that come out as they went in; the first one is intra-coded."""
    pictures = Bits().golomb(0, 0).unit(0x68)
    rules = H264References(sequence_unit(references=references) + pictures)
    known = []
    kept = []  # PyAV forgets what hangs on one that goes, also where two share it
    for number, one in enumerate(slices):
        packet = Packet(one)
        rules.packet(packet)
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pict_type = 2 if number else 1
        frame.opaque = packet.opaque
        kept += [packet, frame]
        known.append(rules.frame(frame).known)
    return known


def test_a_frame_after_one_that_is_no_reference_is_unknown():
    first = slice_unit(0, intra=True)
    told = follow(first, slice_unit(1), slice_unit(2, reference=False), slice_unit(2))
    assert told == [False, True, True, False]


def test_a_frame_after_a_gap_in_the_numbers_is_unknown():
    first = slice_unit(0, intra=True)
    assert follow(first, slice_unit(2), slice_unit(3)) == [False, False, True]


def test_numbers_of_frames_start_again_after_the_last():
    numbers = [slice_unit(n % 16) for n in range(1, 20)]
    assert follow(slice_unit(0, intra=True), *numbers) == [False] + [True] * 19


def test_the_made_up_stream_is_unknown_with_two_references():
    assert not any(follow(slice_unit(0, intra=True), slice_unit(1), references=2))


def test_damaged_sets_and_slices_are_unknown_not_an_error():
    pictures = Bits().golomb(0, 0).unit(0x68)
    for octets in (sequence_unit()[:7], sequence_unit()[:4], b"", b"\1", b"\1" * 9):
        rules = references("h264", octets + pictures)
        packet = Packet(slice_unit(1))
        rules.packet(packet)
        assert packet.opaque is None
    rules = H264References(sequence_unit() + pictures)
    packet = Packet(b"\0\0\1\x61")
    rules.packet(packet)
    assert packet.opaque is None
