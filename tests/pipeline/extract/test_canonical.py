"""Vectors of the stream that we code ourselves: right, complete and the same every time."""

from fractions import Fraction

import av
import numpy as np
import pytest
from moving import MOVES

from pipeline.extract.canonical import CanonicalVectors, canonical_encoder
from pipeline.extract.references import H264References


def canonical(
    frames: np.ndarray, *, crf: int = 18, preset: str = "veryfast", keyint: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    maker = CanonicalVectors(
        height=frames.shape[1],
        width=frames.shape[2],
        crf=crf,
        preset=preset,
        keyint=keyint,
    )
    for frame in frames:
        maker.send(frame)
    maker.finish()
    return maker.take()


def texture(count: int, *, height: int = 64, width: int = 96) -> np.ndarray:
    noise = np.random.default_rng(3).uniform(0, 255, (height // 4, width // 4, 3))
    still = noise.repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8)
    right, down = MOVES
    return np.stack(
        [np.roll(still, (t * down, t * right), axis=(0, 1)) for t in range(count)]
    )


def test_vectors_say_where_content_went():
    mv, valid = canonical(texture(30))
    assert mv.shape == (29, 8, 12, 2)
    assert mv.dtype == np.float32
    assert valid.tolist() == [number % 12 != 0 for number in range(1, 30)]
    median = np.median(mv[valid], axis=(1, 2))
    np.testing.assert_array_equal(median, np.broadcast_to(MOVES, median.shape))
    assert not mv[~valid].any()


def test_entry_k_belongs_to_frame_k_plus_1():
    still = texture(1)[0]
    frames = np.stack([still] * 9)
    frames[5:] = np.roll(still, 4, axis=1)  # one step, between frames 4 and 5
    mv, _ = canonical(frames)
    moved = np.median(mv[..., 0], axis=(1, 2))
    np.testing.assert_array_equal(moved, [0, 0, 0, 0, 4, 0, 0, 0])


def test_vectors_are_quarters_of_a_pixel():
    mv, _ = canonical(texture(12))
    np.testing.assert_array_equal(mv * 4, np.rint(mv * 4))


@pytest.mark.parametrize(("height", "width"), ((48, 64), (64, 84), (256, 340)))
def test_the_same_frames_give_the_same_vectors(height, width):
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (14, height // 4, width // 4, 3), np.uint8)
    frames = small.repeat(4, axis=1).repeat(4, axis=2)
    first = canonical(frames)
    for fill in (0, 255):
        litter = [np.full(1 << size, fill, np.uint8) for size in range(8, 24)]
        del litter  # memory that is handed out again holds something else
        again = canonical(frames)
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("count", (1, 2, 13, 60))
def test_there_is_one_entry_less_than_frames(count):
    mv, valid = canonical(texture(count))
    assert len(mv) == len(valid) == count - 1


def test_entries_come_while_frames_are_still_being_sent():
    maker = CanonicalVectors(height=64, width=96, crf=18, preset="veryfast", keyint=12)
    counts = []
    for number, frame in enumerate(texture(80)):
        maker.send(frame)
        counts.append(len(maker.take()[0]))
        assert number + 1 - sum(counts) <= 20
    maker.finish()
    assert sum(counts) + len(maker.take()[0]) == 79


@pytest.mark.parametrize(("height", "width"), ((16, 16), (18, 50), (34, 30)))
def test_sizes_that_are_no_multiple_of_a_block(height, width):
    mv, _ = canonical(
        texture(20, height=height + 16, width=width + 16)[:, :height, :width]
    )
    assert mv.shape == (19, -(-height // 8), -(-width // 8), 2)


def test_every_frame_between_key_frames_refers_to_the_one_before():
    """What we take for granted of libx264, read from its stream."""
    encoder = canonical_encoder(
        height=64, width=96, crf=18, preset="veryfast", keyint=12
    )
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_type, decoder.copy_opaque = "NONE", True
    rules = H264References(b"")
    known = []
    frames = texture(30)
    for number in range(31):
        frame = None
        if number < 30:
            frame = av.VideoFrame.from_ndarray(frames[number], format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
        for packet in encoder.encode(frame):
            rules.packet(packet)
            known += [rules.frame(out).known for out in decoder.decode(packet)]
    known += [rules.frame(out).known for out in decoder.decode(None)]
    assert known == [number % 12 != 0 for number in range(30)]
