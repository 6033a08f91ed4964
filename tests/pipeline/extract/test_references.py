"""Which vectors are said to point to the frame before, for streams that we coded ourselves."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from encoded import LAST_FRAME_ONLY, encode, packets_of, rgb_frames, texture_at

from pipeline.extract import h264
from pipeline.extract.opening import open_video
from pipeline.extract.references import H264References, MpegReferences, references
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction


def told(path: Path) -> tuple[str, list[bool]]:
    """Types of the frames, and whether their vectors are known."""
    with open_video(path, vectors=True) as video:
        pictures = [
            (chr(p.picture_type), p.vector_status) for p in video.pictures()
        ]  # later frames settle the status of earlier ones
    types = "".join(kind for kind, _ in pictures)
    return types, [status.known for _, status in pictures]


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


def test_h264_with_b_frames_of_several_references_is_unknown(tmp_path: Path, texture):
    options = LAST_FRAME_ONLY | {
        "bf": "2",
        "refs": "3",
        "x264-params": "b-adapt=0:b-pyramid=none",
    }
    types, known = told(
        encode(tmp_path / "v.mp4", rgb_frames(texture), options=options)
    )
    assert types.startswith("IBBPBBPBBP")
    assert known[1:4] == [True] * 3  # one frame is there to refer to
    assert not any(
        k for k, kind in zip(known[4:], types[4:], strict=True) if kind == "P"
    )


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


def test_a_damaged_h264_frame_and_the_next_are_unknown(tmp_path: Path):
    """The decoder makes up vectors for what it cannot read."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), np.uint8)
    options = LAST_FRAME_ONLY | {"g": "20"}
    path = encode(tmp_path / "v.mp4", rgb_frames(noise), options=options)
    seventh = packets_of(path)[7]
    middle = len(seventh) // 2
    torn = seventh[:middle] + bytes(40) + seventh[middle + 40 :]
    path.write_bytes(path.read_bytes().replace(seventh, torn))
    with open_video(path) as video:
        assert len(list(video.pictures())) == 20
        assert video.damaged == 1
    _, known = told(path)
    assert known == [number not in (0, 7, 8) for number in range(20)]


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


@pytest.mark.parametrize(("codec", "kinds"), (("mpeg4", "P"), ("mpeg2video", "PB")))
def test_mpeg_frames_between_and_after_b_are_known(
    tmp_path: Path, texture, codec, kinds
):
    path = encode(
        tmp_path / "v.mkv",
        rgb_frames(texture),
        codec=codec,
        options={"g": "12", "bf": "1", "b_strategy": "1", "q": "2"},
    )
    types, known = told(path)
    assert "BP" in types
    assert known == [kind in kinds for kind in types]


def test_nothing_is_known_after_a_lost_mpeg_packet_until_the_next_intra_frame():
    rules = MpegReferences(fields=False)
    kept = []  # PyAV forgets what hangs on one that goes

    def sent() -> Packet:
        kept.append(Packet(b"x"))
        rules.packet(kept[-1])
        return kept[-1]

    def shown(packet: Packet, kind: av.video.frame.PictureType) -> bool:
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pict_type, frame.opaque = kind, packet.opaque
        return rules.frame(frame).known

    def known(kind: av.video.frame.PictureType) -> bool:
        return shown(sent(), kind)

    intra, forward = av.video.frame.PictureType.I, av.video.frame.PictureType.P
    assert [known(kind) for kind in (intra, forward)] == [False, True]
    rules.lost()
    after = (forward, forward, intra, forward)
    assert [known(kind) for kind in after] == [False, False, False, True]
    # A decoder that holds a frame back gives it out when the next packet is lost already.
    held = sent()
    rules.lost()
    assert [shown(held, intra), known(forward)] == [False, False]


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
    assert picture.vector_status.cropped == (60, 26)
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


def shifted(frames: int, *, smooth: bool = False) -> np.ndarray:
    """A texture that moves by (3, -2) px, so that a wrong reference shows."""
    return texture_at([(3 * t, -2 * t) for t in range(frames)], smooth=smooth)


def vectors_of(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Picture types, `mv_valid` and the median vector of each interval."""
    settings = ExtractSettings(modalities=("mv",), short_side=96, mv_source="original")
    types, valid, vectors = b"", [], []
    with open_extraction(path, settings) as extraction:
        for block in extraction:
            types += bytes(block.picture_types)
            valid.append(block.arrays["mv_valid"])
            vectors.append(block.arrays["mv"])
    medians = np.median(np.concatenate(vectors)[:, 2:-2, 2:-2], axis=(1, 2))
    return types.decode(), np.concatenate(valid), medians


MPEG = (
    ("v.mpg", "mpeg1video", 0),
    ("v.mpg", "mpeg2video", 0),
    ("v.mpg", "mpeg2video", 2),
    ("v.mkv", "mpeg2video", 0),
    ("v.avi", "mpeg4", 0),
    ("v.avi", "mpeg4", 2),
    ("v.mp4", "mpeg4", 2),
)


@pytest.mark.parametrize(("name", "codec", "b_frames"), MPEG)
def test_a_frame_that_comes_out_without_vectors_is_not_known(
    tmp_path: Path, name, codec, b_frames
):
    """MPEG-1/2 decoders, and MPEG-4's with B-frames, give the last frame out without."""
    options = {
        "g": "8",
        "bf": str(b_frames),
        "q": "2",
        "b_strategy": "1" if b_frames else "0",
    }
    if b_frames:
        options["b_sensitivity"] = "1"
    frames = rgb_frames(shifted(20, smooth=b_frames > 0))
    path = encode(tmp_path / name, frames, codec=codec, options=options)
    types, valid, medians = vectors_of(path)
    # MPEG-2 has half pixels, and its encoder is off by one of them in some B frames.
    assert np.abs(medians[valid] - (3, -2)).max() <= (0.5 if b_frames else 0)
    kinds = "P" if codec == "mpeg4" else "PB"  # B of MPEG-4: FFmpeg exports zeros
    expected = [kind in kinds for kind in types[1:]]
    if codec != "mpeg4" or b_frames:
        assert not valid[-1]
        expected[-1] = False
    assert valid.tolist() == expected


def edited(path: Path, edits: list[tuple[int, int]]) -> Path:
    """Give an MP4 (its moov last) this edit list: (first frame, frames) each, at 25 fps."""
    octets = path.read_bytes()
    scale = int.from_bytes(octets[(place := octets.index(b"mdhd")) + 16 : place + 20])
    movie = int.from_bytes(octets[(place := octets.index(b"mvhd")) + 16 : place + 20])
    entries = b"".join(
        (count * movie // 25).to_bytes(4)
        + (first * scale // 25).to_bytes(4)
        + b"\0\1\0\0"
        for first, count in edits
    )
    listed = b"elst" + bytes(4) + len(edits).to_bytes(4) + entries
    listed = b"edts" + (4 + len(listed)).to_bytes(4) + listed
    start = octets.index(b"edts") - 4
    old = int.from_bytes(octets[start : start + 4])
    new = (4 + len(listed)).to_bytes(4) + listed
    made = bytearray(octets[:start] + new + octets[start + old :])
    for name in (b"moov", b"trak"):
        place = octets.index(name) - 4
        length = int.from_bytes(octets[place : place + 4]) + len(new) - old
        made[place : place + 4] = length.to_bytes(4)
    path.write_bytes(made)
    return path


@pytest.mark.parametrize(
    ("codec", "options"),
    (
        ("mpeg4", {"q": "2", "g": "12"}),
        ("mpeg2video", {"q": "2", "g": "12", "bf": "0"}),
        ("libx264", LAST_FRAME_ONLY | {"g": "12"}),
    ),
)
def test_across_the_join_of_an_edit_list_nothing_is_known(
    tmp_path: Path, codec, options
):
    """Frames 0 to 7, then 15 to 22: frame 15 refers to 14, which is not shown."""
    path = encode(
        tmp_path / "v.mp4", rgb_frames(shifted(24)), codec=codec, options=options
    )
    types, valid, medians = vectors_of(edited(path, [(0, 8), (15, 8)]))
    # MPEG-2 frames come out one packet late, and FFmpeg drops another one at the join.
    before = 7 if codec == "mpeg2video" else 8
    assert types == "I" + "P" * (before + 7)
    assert valid.tolist() == [number != before - 1 for number in range(before + 7)]
    np.testing.assert_array_equal(medians[valid], np.full((valid.sum(), 2), (3, -2)))


@pytest.mark.clips
@pytest.mark.parametrize("name", ("Archery_g03_c03", "Surfing_g17_c04"))
def test_of_a_research_clip_with_b_frames_the_last_interval_alone_is_lost(
    clips_folder: Path, name
):
    (path,) = clips_folder.glob(f"ucf101/*/v_{name}.avi")
    types, valid, _ = vectors_of(path)
    expected = [kind == "P" for kind in types[1:]]
    assert expected[-1] and "B" in types
    assert valid.tolist() == [*expected[:-1], False]
