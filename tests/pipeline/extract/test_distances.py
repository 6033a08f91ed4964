"""Distances to references as frames come out, and what is given up."""

from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.video.frame import PictureType
from encoded import encode, rgb_frames, texture_at

from pipeline.extract.distances import LONGEST, Output, VectorStatus
from pipeline.extract.references import H264References, MpegReferences


def shown(*frames: tuple[int, int | None, tuple[int | None, int | None]]):
    """The status of frames with (number of coding, order of display, references)."""
    output, found = Output(), []
    for coded, order, references in frames:
        found.append(VectorStatus())
        output.add(found[-1], coded=coded, order=order, references=references)
    return found


NONE = (None, None)


def test_a_later_reference_is_known_when_it_comes_out():
    output, first, between = Output(), VectorStatus(), VectorStatus()
    output.add(first, coded=0, order=0)
    output.add(between, coded=2, order=2, references=(0, 1))
    assert (between.settled, between.distances) == (False, [1, None])
    output.add(VectorStatus(), coded=1, order=4, references=(0, None))
    assert (between.settled, between.distances) == (True, [1, -1])


@pytest.mark.parametrize(
    ("orders", "distance"),
    (
        ((0, 2, 4, 6), 3),
        ((0, 1, 2, 3), 3),
        ((0, 2, 6, 8), None),  # one is missing
        ((0, 4, 2, 6), None),
        ((6, 4, 2, 0), None),
        ((0, 0, 0, 0), None),
        ((0, None, 4, 6), None),  # one that could not be read
    ),
)
def test_frames_between_must_lie_equally_far_apart(orders, distance):
    frames = [(n, order, NONE) for n, order in enumerate(orders[:3])]
    last = shown(*frames, (3, orders[3], (0, None)))[-1]
    assert last.settled
    assert last.distances == [distance, None]


def test_the_interval_before_counts_for_a_later_reference():
    """Frame 1 refers to frame 2, but its interval began two frames earlier by the stream."""
    assert shown((0, 0, NONE), (1, 4, (None, 2)), (2, 6, NONE))[1].distances == [
        None,
        None,
    ]


def test_the_frame_before_is_one_frame_away_wherever_it_lies():
    assert shown((0, 0, NONE), (1, 64, (0, None)))[1].distances == [1, None]


def test_a_reference_that_never_comes_out_is_given_up():
    frames = [(n, 2 * n, NONE) for n in range(2, 2 + LONGEST)]
    waiting = shown((0, 0, NONE), (1, 2, (0, 99)), *frames[:-1])[1]
    assert not waiting.settled
    waiting = shown((0, 0, NONE), (1, 2, (0, 99)), *frames)[1]
    assert (waiting.settled, waiting.distances) == (True, [1, None])


def test_b_frames_without_end_are_given_up():
    rules, held, found = MpegReferences(fields=True), [], []
    for kind in [PictureType.I] + [PictureType.B] * (LONGEST + 1) + [PictureType.P]:
        held.append(Packet(b"x"))  # PyAV forgets what hangs on one that goes
        rules.packet(held[-1])
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pict_type, frame.opaque = kind, held[-1].opaque
        found.append(rules.frame(frame))
    assert all(status.settled for status in found)
    assert not any(status.known for status in found)


def test_after_a_packet_that_does_not_decode_lists_are_unknown_to_the_next_key_frame(
    tmp_path: Path,
):
    frames = rgb_frames(texture_at([(3 * t, -2 * t) for t in range(48)]))
    options = "ref=1:bframes=2:b-pyramid=none:b-adapt=0:scenecut=0:keyint=24:threads=1"
    path = encode(tmp_path / "v.h264", frames, options={"x264-params": options})
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    rules = H264References(b"")
    known = []
    for number, packet in enumerate(packets):
        rules.packet(packet)
        known.append(packet.opaque.references != NONE)
        if number == 6:
            rules.lost()
    assert known == [n not in (0, 24) and not 6 < n < 24 for n in range(48)]
