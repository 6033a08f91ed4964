"""The stream that is stored as rgb: a packet per frame at once, the same every time."""

from dataclasses import replace

import numpy as np
import pytest
from moving import MOVES
from test_canonical import texture

from pipeline.extract.canonical import StoredVectors
from pipeline.extract.coded_frames import CodedFrames
from pipeline.extract.opening import open_video
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Extraction
from pipeline.store.h264_rgb import H264Rgb
from pipeline.store.jpeg_codecs import JpegRgb

PACKETS = ExtractSettings(
    modalities=("rgb", "mv"),
    short_side=32,
    rgb_codec=H264Rgb(),
    mv_source="stored",
    mv_crf=20,
)


def coder(frames: np.ndarray) -> CodedFrames:
    _, height, width, _ = frames.shape
    return CodedFrames(height=height, width=width, crf=20, preset="veryfast", keyint=12)


def test_every_frame_gives_its_packet_at_once_and_the_same_every_time():
    frames = texture(30)
    first, again = coder(frames), coder(frames)
    for number, frame in enumerate(frames):
        packet = first.send(frame)
        assert packet.is_keyframe == (number % 12 == 0)
        if number == 20:
            assert len(first.take()) == 21
        again.send(frame)
    first.finish()
    again.finish()
    rows = again.take()
    assert [row.tobytes() for row in first.take()] == [
        row.tobytes() for row in rows[21:]
    ]
    for number, row in enumerate(rows):
        head = bytes([0, 0, 0, 1])
        units = [part[0] & 31 for part in row.tobytes().split(head)[1:]]
        assert (units[:2] == [7, 8]) == (number % 12 == 0)  # SPS, PPS


def test_vectors_of_the_stored_packets_say_where_content_went():
    frames = texture(30)
    stream, vectors = coder(frames), StoredVectors(height=64, width=96)
    for frame in frames:
        vectors.send(stream.send(frame))
    vectors.finish()
    mv, valid = vectors.take()
    assert mv.shape == (29, 8, 12, 2)
    assert valid.tolist() == [number % 12 != 0 for number in range(1, 30)]
    median = np.median(mv[valid], axis=(1, 2))
    np.testing.assert_array_equal(median, np.broadcast_to(MOVES, median.shape))


def extracted(path, settings: ExtractSettings, *, coded: bool = True, most: int = 16):
    """Packets, rgb and vectors of a video."""
    with open_video(path, vectors=False, pixels=True) as video:
        blocks = list(Extraction(video, settings, None, most=most, coded=coded))
    packets = [p.tobytes() for block in blocks for p in block.packets or ()]
    arrays = {
        name: np.concatenate([b.arrays[name] for b in blocks if name in b.arrays])
        for name in {name for block in blocks for name in block.arrays}
    }
    return packets, arrays


def test_vectors_are_the_same_with_and_without_the_frames(moving_video):
    packets, both = extracted(moving_video, PACKETS)
    assert sorted(both) == ["mv", "mv_valid"]
    assert len(packets) == len(both["mv"]) + 1
    _, alone = extracted(moving_video, PACKETS.only(["mv"]))
    _, pixels = extracted(moving_video, PACKETS, coded=False)
    assert np.array_equal(alone["mv"], both["mv"])
    assert np.array_equal(pixels["mv"], both["mv"])
    assert pixels["rgb"].shape[0] == len(packets)
    other = replace(PACKETS, mv_source="canonical")
    assert extracted(moving_video, other)[0] == packets


def test_the_size_of_blocks_makes_no_difference(moving_video):
    packets, arrays = extracted(moving_video, PACKETS)
    again, others = extracted(moving_video, PACKETS, most=3)
    assert again == packets and np.array_equal(others["mv"], arrays["mv"])


def test_jpegs_are_pixels_whatever_is_asked_for(moving_video):
    settings = replace(PACKETS, rgb_codec=JpegRgb(), modalities=("rgb",))
    packets, arrays = extracted(moving_video, settings)
    assert packets == [] and arrays["rgb"].dtype == np.uint8


@pytest.mark.parametrize(
    "change",
    [
        {"rgb_codec": JpegRgb()},
        {"mv_crf": 18},
        {"mv_keyint": 6},
        {"rgb_codec": H264Rgb(preset="slow")},
    ],
)
def test_vectors_of_packets_that_are_not_stored_are_refused(change):
    with pytest.raises(ValueError, match="vector source: expected rgb as H.264 of"):
        replace(PACKETS, **change)


def test_records_of_packets_come_back():
    again = ExtractSettings.from_record(PACKETS.to_record())
    assert again == PACKETS
    assert again.to_record()["mv"] == {
        "source": "stored",
        "crf": 20,
        "preset": "veryfast",
        "keyint": 12,
        "codec": {"name": "quarter_pel"},
    }
