"""Packets of H.264 as rows: windows, runs, and what a packet that lies may do: nothing."""

import threading

import av
import cv2
import numpy as np
import pytest
from av.packet import Packet

from pipeline.extract.coded_frames import CodedFrames
from pipeline.store.codecs import from_dict
from pipeline.store.errors import LayoutError
from pipeline.store.h264_rgb import H264Rgb

HEIGHT, WIDTH, FRAMES = 66, 82, 19
CODEC = H264Rgb(keyint=5)
WHOLE = (slice(None), slice(None))


def coloured(frames: int, *, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Colours that differ from pixel to pixel, moving."""
    random = np.random.default_rng(0)
    small = random.integers(60, 200, (height // 9 + 9, width // 9 + 9, 3), np.uint8)
    large = cv2.resize(small, None, fx=9, fy=9, interpolation=cv2.INTER_CUBIC)
    return np.stack([large[k : height + k, :width] for k in range(frames)])


def packets(frames: np.ndarray, codec: H264Rgb = CODEC) -> list[np.ndarray]:
    encoder = CodedFrames(
        height=frames.shape[1],
        width=frames.shape[2],
        crf=codec.crf,
        preset=codec.preset,
        keyint=codec.keyint,
    )
    for frame in frames:
        encoder.send(frame)
    encoder.finish()
    return encoder.take()


@pytest.fixture(scope="module")
def rows() -> list[np.ndarray]:
    return packets(coloured(FRAMES))


@pytest.fixture(scope="module")
def whole(rows) -> np.ndarray:
    """All frames, decoded and converted by FFmpeg and OpenCV alone, one by one."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count, decoder.thread_type = 1, "NONE"
    found = [f for row in rows for f in decoder.decode(Packet(row.tobytes()))]
    found += decoder.decode(None)
    planes = [frame.to_ndarray(format="yuv420p") for frame in found]
    return np.stack([cv2.cvtColor(p, cv2.COLOR_YUV2RGB_I420) for p in planes])


def decoded(rows, wanted, window=WHOLE, *, codec=CODEC, height=HEIGHT, width=WIDTH):
    needed = [row for run in codec.runs(wanted) for row in run]
    given = [(row, rows[row]) for row in needed]
    return codec.decode_rows(given, wanted, height, width, window)


def test_frames_are_those_of_the_bare_decoder_and_near_the_truth(rows, whole):
    assert len(whole) == FRAMES
    assert np.array_equal(decoded(rows, range(FRAMES)), whole)
    error = whole.astype(float) - coloured(FRAMES)
    assert (
        10 * np.log10(255**2 / (error**2).mean()) > 31
    )  # dB, of saturated colours at half size


@pytest.mark.parametrize("top", [0, 1, 2, 33])
@pytest.mark.parametrize("left", [0, 1, 40, 41])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (31, 40), (32, 41)])
def test_a_window_at_any_position_is_a_part_of_the_whole(top, left, size, rows, whole):
    window = (slice(top, top + size[0]), slice(left, left + size[1]))
    found = decoded(rows, range(3, 8), window)
    assert np.array_equal(found, whole[(slice(3, 8), *window)])


@pytest.mark.parametrize("first", range(FRAMES))
def test_any_row_can_be_the_first(first, rows, whole):
    assert np.array_equal(decoded(rows, range(first, first + 1))[0], whole[first])


@pytest.mark.parametrize("step", [1, 2, 4, 5, 7, 18])
def test_a_step_leaves_out_frames_and_whole_runs(step, rows, whole):
    found = decoded(rows, range(2, FRAMES, step))
    assert np.array_equal(found, whole[2::step])


def test_runs_begin_at_key_packets_and_end_with_what_is_wanted():
    def runs(*wanted: int) -> list[range]:
        return list(CODEC.runs(range(*wanted)))

    assert runs(0, 1) == [range(1)]
    assert runs(4, 6) == [range(6)]
    assert runs(5, 6) == [range(5, 6)]
    assert runs(9, 12) == [range(5, 12)]
    assert runs(1, 13, 6) == [range(2), range(5, 8)]
    assert runs(1, 13, 3) == [range(8), range(10, 11)]
    assert runs(3, 3) == []


def test_pieces_are_decoded_from_their_own_first_row():
    assert list(CODEC.pieces(12, 7)) == [range(5), range(5, 10), range(10, 12)]
    assert list(CODEC.pieces(12, 2)) == [range(5), range(5, 10), range(10, 12)]
    assert list(CODEC.pieces(12, 64)) == [range(12)]


def test_key_packets_have_what_a_decoder_needs_and_the_others_do_not(rows):
    for number, row in enumerate(rows):
        alone = CODEC.decode
        if number % 5 == 0:
            assert alone(row, HEIGHT, WIDTH).shape == (HEIGHT, WIDTH, 3)
        else:
            with pytest.raises(LayoutError):
                alone(row, HEIGHT, WIDTH)


def test_what_was_read_before_does_not_matter(rows, whole):
    other = packets(255 - coloured(7))
    decoded(other, range(7))
    for first in (7, 2, 13):
        wanted = range(first, first + 3)
        assert np.array_equal(decoded(rows, wanted), whole[first : first + 3])
        decoded(other, range(2, 4))
    small = packets(coloured(3, height=32, width=48))
    decoded(small, range(3), height=32, width=48)
    assert np.array_equal(decoded(rows, range(11, 12))[0], whole[11])


def test_threads_do_not_share_a_decoder(rows, whole):
    wrong = []

    def read(first: int) -> None:
        for _ in range(10):
            wanted = range(first, first + 4)
            if not np.array_equal(decoded(rows, wanted), whole[first : first + 4]):
                wrong.append(first)

    threads = [threading.Thread(target=read, args=(3 * k,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_packet_that_is_not_there_or_at_another_row_is_refused(rows):
    for given in (
        [(0, rows[1])],
        [(0, rows[0]), (1, rows[5])],
        [(0, rows[0][:0])],
        [(0, np.concatenate([rows[0], rows[1]]))],
        [(0, rows[0]), (1, rows[1]), (5, rows[2])],
    ):
        with pytest.raises(LayoutError, match="^expected a") as caught:
            CODEC.decode_rows(given, range(len(given)), HEIGHT, WIDTH, WHOLE)
        assert "\n" not in str(caught.value)
    with pytest.raises(LayoutError, match="expected 3 frames, got 2"):
        given = [(0, rows[0]), (1, rows[1])]
        CODEC.decode_rows(given, range(3), HEIGHT, WIDTH, WHOLE)


@pytest.mark.parametrize("size", [(16384, 16384), (64, 82), (66, 98), (320, 320)])
def test_packets_of_another_size_are_refused(size, rows):
    """The small size is asked of the packets; then a large one of the decoder."""
    with pytest.raises(LayoutError, match="expected a"):
        CODEC.decode(rows[0], *size)


def test_a_header_that_claims_a_huge_frame_is_refused_before_it_is_decoded():
    """Else the message would be that of a frame of another size."""
    huge = packets(np.zeros((1, 1024, 1024, 3), np.uint8))[0]
    with pytest.raises(
        LayoutError, match=r"^expected a packet of H.264, got \d+ other"
    ):
        CODEC.decode(huge, HEIGHT, WIDTH)


def test_damaged_packets_give_frames_or_one_line(rows):
    """Bits flipped, cut short, exchanged: whatever comes out has the right shape."""
    random = np.random.default_rng(5)
    refused = 0
    for number in range(300):
        damaged = [row.copy() for row in rows[:7]]
        victim = int(random.integers(7))
        row = damaged[victim]
        if number % 3 == 0:
            for _ in range(int(random.integers(1, 20))):
                row[random.integers(min(row.size, 200))] ^= 1 << random.integers(8)
        elif number % 3 == 1:
            damaged[victim] = row[: random.integers(row.size)]
        else:
            other = int(random.integers(7))
            damaged[victim], damaged[other] = damaged[other], damaged[victim]
        try:
            found = decoded(damaged, range(7))
        except LayoutError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 200
        else:
            assert found.shape == (7, HEIGHT, WIDTH, 3)
    assert refused > 150


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crf": 0}, "crf: expected 1 to 51, got 0"),
        ({"crf": 18.0}, "crf: expected 1 to 51, got 18.0"),
        ({"keyint": 0}, "keyint: expected 1 to 250, got 0"),
        ({"keyint": True}, "keyint: expected 1 to 250, got True"),
        ({"keyint": 251}, "keyint: expected 1 to 250, got 251"),
        ({"preset": "placebo"}, "preset: expected one of x264's, got 'placebo'"),
        ({"preset": ["slow"]}, "preset: expected one of x264's, got"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change, message):
    assert from_dict(CODEC.to_dict()) == CODEC
    with pytest.raises(LayoutError, match=message):
        from_dict(CODEC.to_dict() | change)


def test_frames_cannot_be_encoded_one_by_one():
    with pytest.raises(LayoutError, match="expected packets of h264_rgb"):
        CODEC.encode(np.zeros((1, 16, 16, 3), np.uint8))
