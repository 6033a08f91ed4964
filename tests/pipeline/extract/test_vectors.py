"""Vectors of blocks on the grid, by hand, on moving texture and against reference exports."""

from pathlib import Path

import av
import numpy as np
import pytest
from encoded import LAST_FRAME_ONLY, encode, rgb_frames
from moving import MOVES

from pipeline.extract.cells import quarter_grid, quarter_grids
from pipeline.extract.opening import open_video
from pipeline.extract.orientation import UPRIGHT, Orientation
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.side_data import side_data
from pipeline.extract.vectors import (
    VECTOR,
    Geometry,
    stored_grids,
)
from pipeline.extract.video import open_extraction
from pipeline.store import CELL_PX

OFFSETS = (0, 4, 5, 6, 8, 10, 12, 24, 28, 32)
NAMES = [
    "source",
    "w",
    "h",
    "src_x",
    "src_y",
    "dst_x",
    "dst_y",
    "motion_x",
    "motion_y",
    "motion_scale",
]
FIELDS = np.dtype(
    {
        "names": NAMES,
        "formats": ["i4", "u1", "u1", "i2", "i2", "i2", "i2", "i4", "i4", "u2"],
        "offsets": OFFSETS,
        "itemsize": 40,
    }
)


def record(x=8, y=8, wide=16, high=16, motion=(0, 0), scale=4, source=-1) -> np.ndarray:
    """One vector: the middle of its block, and its motion in parts of a pixel."""
    return np.array([(source, wide, high, x, y, motion, scale)], VECTOR)


def together(*records: np.ndarray) -> np.ndarray:
    joined = np.zeros(len(records), VECTOR)  # np.concatenate would drop the gaps
    for number, one in enumerate(records):
        joined[number] = one[0]
    return joined


def painted_px(records: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """The grid of a frame of this size, in px."""
    cells = (-(-height // CELL_PX), -(-width // CELL_PX))
    return quarter_grid(records.tobytes(), cells=cells) / 4


def grid(*records: np.ndarray, height: int = 32, width: int = 48) -> np.ndarray:
    return painted_px(together(*records), height=height, width=width)


def original(path: Path, *, short_side: int) -> tuple[np.ndarray, np.ndarray]:
    settings = ExtractSettings(
        modalities=("mv",), mv_source="original", short_side=short_side, enlarge=True
    )
    with open_extraction(path, settings) as extraction:
        arrays = [block.arrays for block in extraction]
    mv = np.concatenate([block["mv"] for block in arrays])
    return mv, np.concatenate([block["mv_valid"] for block in arrays])


def test_a_block_covers_its_cells_and_no_other():
    painted = grid(record(x=24, y=8, motion=(-8, 4)))
    assert painted.shape == (4, 6, 2)
    np.testing.assert_array_equal(painted[:2, 2:4], np.full((2, 2, 2), (2, -1)))
    painted[:2, 2:4] = 0
    assert not painted.any()


@pytest.mark.parametrize(
    ("wide", "high", "x", "y", "cells"),
    (
        (8, 8, 4, 4, {(0, 0)}),
        (16, 8, 8, 12, {(1, 0), (1, 1)}),
        (8, 16, 12, 8, {(0, 1), (1, 1)}),
    ),
)
def test_smaller_blocks_cover_fewer_cells(wide, high, x, y, cells):
    painted = grid(record(wide=wide, high=high, x=x, y=y, motion=(4, 4)))
    assert set(zip(*np.nonzero(painted[..., 0]), strict=True)) == cells


@pytest.mark.parametrize(
    ("wide", "high", "x", "y", "cells"),
    (
        (4, 4, 2, 2, set()),
        (4, 4, 6, 2, set()),
        (4, 4, 2, 6, set()),
        (4, 4, 6, 6, {(0, 0)}),
        (4, 4, 22, 14, {(1, 2)}),
        (4, 8, 2, 4, set()),
        (4, 8, 6, 4, {(0, 0)}),
        (8, 4, 4, 2, set()),
        (8, 4, 4, 6, {(0, 0)}),
        (8, 4, 12, 14, {(1, 1)}),
    ),
)
def test_of_blocks_within_a_cell_the_one_over_its_middle_counts(
    wide, high, x, y, cells
):
    """The middle is the pixel at (4, 4), the first of the lower right quarter."""
    painted = grid(record(wide=wide, high=high, x=x, y=y, motion=(4, 4)))
    assert set(zip(*np.nonzero(painted[..., 0]), strict=True)) == cells


def test_blocks_within_a_cell_do_not_disturb_each_other():
    """Four of 4x4 px in every cell, in any order: the lower right ones are what is kept."""
    corners = [
        record(wide=4, high=4, x=x, y=y, motion=(-x % 8, -y % 8))
        for y in range(2, 32, 4)
        for x in range(2, 48, 4)
    ]
    expected = np.full((4, 6, 2), (-0.5, -0.5))  # of motion (2, 2) in quarters
    np.testing.assert_array_equal(grid(*corners), expected)
    np.testing.assert_array_equal(grid(*corners[::-1]), expected)


@pytest.mark.parametrize("scale", (1, 2, 4))
def test_a_quarter_of_a_pixel_is_kept(scale):
    painted = grid(record(motion=(-3 * scale, scale), scale=scale))
    np.testing.assert_array_equal(painted[0, 0], (3, -1))
    if scale == 4:
        painted = grid(record(motion=(1, -3)))
        np.testing.assert_array_equal(painted[0, 0], (-0.25, 0.75))


def test_a_block_of_any_size_covers_all_its_cells_and_is_cut_at_the_edge():
    painted = grid(record(wide=40, high=24, x=36, y=28, motion=(-4, 8)))
    expected = np.zeros((4, 6, 2))
    expected[2:4, 2:6] = (1, -2)
    np.testing.assert_array_equal(painted, expected)


def test_past_and_future_have_grids_of_their_own():
    ahead, behind = record(motion=(40, -8), source=1), record(motion=(-4, -8))
    octets = together(ahead, behind).tobytes()
    past, future = quarter_grids(octets, cells=(4, 6))
    assert past is not None and future is not None
    np.testing.assert_array_equal((past[0, 0], future[0, 0]), ((4, 8), (-40, 8)))
    past, future = quarter_grids(ahead.tobytes(), cells=(4, 6))
    assert past is None and future is not None
    assert quarter_grids(b"", cells=(4, 6)) == (None, None)


def test_of_blocks_on_one_cell_the_last_counts():
    both = record(motion=(4, 4)), record(wide=48, high=32, motion=(-8, 8))
    np.testing.assert_array_equal(grid(*both)[0, 0], (2, -2))
    np.testing.assert_array_equal(grid(*both[::-1])[0, 0], (-1, -1))


def test_vectors_to_the_future_are_dropped():
    ahead = record(motion=(40, 40), source=1)
    np.testing.assert_array_equal(grid(ahead, record(motion=(-4, -8)))[0, 0], (1, 2))
    np.testing.assert_array_equal(grid(record(motion=(-4, -8)), ahead)[0, 0], (1, 2))
    assert not grid(ahead).any()


def test_blocks_beyond_the_frame_are_cut():
    painted = grid(record(x=56, y=40, motion=(4, 4)), record(x=-24, motion=(4, 4)))
    assert not painted.any()
    painted = grid(record(x=40, y=24, motion=(4, 4)), height=20, width=42)
    assert painted.shape == (3, 6, 2)
    np.testing.assert_array_equal(np.nonzero(painted[..., 0]), ((2, 2), (4, 5)))


def test_vectors_say_where_content_went(moving_video: Path):
    with open_video(moving_video, vectors=True) as video:
        grids = [
            painted_px(
                np.frombuffer(side_data(p.frame, "MOTION_VECTORS"), VECTOR),
                height=64,
                width=64,
            )
            for p in video.pictures()
        ]
    assert not grids[0].any()  # intra-coded
    for after in grids[1:]:
        np.testing.assert_array_equal(np.median(after, axis=(0, 1)), MOVES)


def test_the_array_that_pyav_makes_gives_the_same_grid(moving_video: Path):
    with av.open(str(moving_video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.options = {"flags2": "+export_mvs"}
        *_, last = container.decode(stream)
        theirs = last.side_data["MOTION_VECTORS"].to_ndarray()  # type: ignore[attr-defined]
        records = np.frombuffer(side_data(last, "MOTION_VECTORS"), VECTOR)
    np.testing.assert_array_equal(
        painted_px(theirs, height=64, width=64),
        painted_px(records, height=64, width=64),
    )


@pytest.mark.parametrize(
    ("short_side", "scale"), ((64, 1), (128, 2), (96, 1.5), (32, 0.5))
)
def test_vectors_grow_with_the_stored_grid(moving_video: Path, short_side, scale):
    mv, valid = original(moving_video, short_side=short_side)
    assert mv.shape == (11, short_side // 8, short_side // 8, 2)
    assert valid.all()
    median = np.median(mv, axis=(1, 2))
    np.testing.assert_array_equal(median, np.full((11, 2), np.array(MOVES) * scale))
    np.testing.assert_array_equal(mv * 4, np.rint(mv * 4))


@pytest.mark.parametrize(
    ("rotation", "turned"),
    ((0, (2, 1)), (90, (1, -2)), (180, (-2, -1)), (-90, (-1, 2))),
)
def test_vectors_turn_with_the_frames(
    tmp_path: Path, moving_frames: np.ndarray, rotation, turned
):
    """Counterclockwise by 90 degrees, what went right goes up."""
    path = encode(
        tmp_path / "turned.mp4",
        rgb_frames(moving_frames[:, :48]),
        options=LAST_FRAME_ONLY,
        rotation=rotation,
    )
    mv, _ = original(path, short_side=48)
    assert mv.shape[1:3] == ((8, 6) if rotation in (90, -90) else (6, 8))
    np.testing.assert_array_equal(np.median(mv[1:], axis=(0, 1, 2)), turned)


@pytest.mark.parametrize("transpose", (False, True))
@pytest.mark.parametrize("flip_x", (False, True))
@pytest.mark.parametrize("flip_y", (False, True))
def test_a_block_and_its_pixels_turn_to_the_same_place(transpose, flip_x, flip_y):
    turned = Orientation(transpose, flip_x, flip_y)
    quarters = np.zeros((1, 4, 6, 2), np.int32)
    quarters[0, 1, 4] = (4, 0)
    pixels = np.zeros((32, 48), np.uint8)
    pixels[8:16, 32:40] = 1
    stored = turned.size(32, 48)
    geometry = Geometry.of((32, 48), stored, turned=turned)
    moved = stored_grids(geometry.under(quarters), geometry)[0].any(axis=-1)
    np.testing.assert_array_equal(moved, turned.planes(pixels)[::8, ::8])


def test_what_is_cut_off_at_the_top_left_shifts_the_blocks():
    quarters = np.zeros((1, 6, 5, 2), np.int32)
    quarters[0, 3, 2] = 4
    geometry = Geometry.of((32, 32), (32, 32), turned=UPRIGHT, cropped=(16, 8))
    np.testing.assert_array_equal(
        np.argwhere(stored_grids(geometry.under(quarters), geometry)[0, ..., 0]),
        [(1, 1)],
    )


def test_a_constant_field_stays_constant_at_any_size():
    quarters = np.full((2, 30, 40, 2), (6, -10), np.int32)
    geometry = Geometry.of((240, 320), (256, 340))
    stored = stored_grids(geometry.under(quarters), geometry)
    assert stored.shape == (2, 32, 43, 2)
    expected = np.rint([6 * 340 / 320, -10 * 256 / 240]) / 4
    np.testing.assert_array_equal(stored, np.broadcast_to(expected, stored.shape))


@pytest.mark.clips
@pytest.mark.parametrize(
    ("clip", "reference"),
    (
        ("h264_no_bframes/vid_h264.mp4", "h264"),
        ("other_codecs/vid_mpeg4_part2.mp4", "mpeg4_part2"),
    ),
)
def test_vectors_equal_the_reference_export(clips_folder: Path, clip, reference):
    """Field by field, and as a grid of the file's own size painted here pixel by pixel."""
    folder = clips_folder / "odd" / "mv_reference" / reference
    types = (folder / "frame_types.txt").read_text().split()
    with open_video(clips_folder / "odd" / clip, vectors=True) as video:
        exported = []
        for number, picture in enumerate(video.pictures()):
            expected = np.load(folder / "motion_vectors" / f"mvs-{number}.npy")
            raw = np.frombuffer(side_data(picture.frame, "MOTION_VECTORS"), FIELDS)
            ours = np.stack([raw[name] for name in NAMES], axis=-1)
            np.testing.assert_array_equal(
                ours.astype(np.int32), expected.reshape(-1, 10)
            )
            assert types[number] == chr(picture.picture_type)
            exported.append(expected.reshape(-1, 10))
            if number == 29:
                break
    settings = ExtractSettings(modalities=("mv",), mv_source="original", short_side=720)
    with open_extraction(clips_folder / "odd" / clip, settings) as extraction:
        blocks = iter(extraction)
        mv = np.concatenate([next(blocks).arrays["mv"] for _ in range(2)])
    assert len(mv) == 31
    for entry, vectors in zip(mv, exported[1:], strict=False):
        np.testing.assert_array_equal(entry, painted_by_pixel(vectors))


def painted_by_pixel(vectors: np.ndarray) -> np.ndarray:
    """(90, 160, 2): the vector of the pixel in the middle of each cell of 1280x720."""
    field = np.zeros((720, 1280, 2), np.float32)
    for source, wide, high, *_, x, y, motion_x, motion_y, scale in vectors.tolist():
        if source < 0:
            top, left = max(y - high // 2, 0), max(x - wide // 2, 0)
            field[top : y + high // 2, left : x + wide // 2] = (
                -motion_x / scale,
                -motion_y / scale,
            )
    return field[4::8, 4::8]
