"""Motion vectors on their own grid, as clips have them."""

from dataclasses import replace

import numpy as np
import pytest
from moving_store import centred
from small_clips import CONFIG, clips_of

from training.data.cells import cut_cells, with_known
from training.data.dataset import frames_of
from training.data.order import ClipPosition
from training.data.packing import packing_of
from training.data.transforms import View, painted
from training.errors import RecipeError

CELLS = replace(CONFIG, grid_short_px=None, crop_px=(32, 48), cells=(4, 6))
"""Frames of 48x64 px have 6x8 cells; the crop has 4x6."""


def numbered(rows: int, columns: int) -> np.ndarray:
    """(1, rows, columns, 3): (column + 1, row, 1)."""
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    return np.stack([x + 1, y, np.ones_like(x)], axis=-1)[None].astype(np.float32)


def of_all(view: View, size=(6, 8), **options) -> np.ndarray:
    options = {"of": (48, 64), "stored": (48, 64)} | options
    return cut_cells(numbered(6, 8), view, size=size, **options)


def test_the_whole_frame_has_every_cell_once():
    np.testing.assert_array_equal(of_all(View(0, 0, 48, 64)), numbered(6, 8))


def test_a_view_has_the_cells_below_it():
    part = of_all(View(8, 16, 32, 48), (4, 6))
    np.testing.assert_array_equal(part, numbered(6, 8)[:, 1:5, 2:8])
    shifted = of_all(View(11, 19, 32, 45), (4, 6))  # centres 15, 23, ...; 22.75, ...
    np.testing.assert_array_equal(shifted[0, :, 0, 1], [1, 2, 3, 4])
    np.testing.assert_array_equal(shifted[0, 0, :, 0], [3, 4, 5, 6, 7, 8])


def test_views_are_in_px_of_the_reduced_frame():
    part = of_all(View(4, 8, 16, 24), (4, 6), of=(24, 32))
    np.testing.assert_array_equal(part, numbered(6, 8)[:, 1:5, 2:8])


def test_each_cell_is_the_painted_pixel_at_its_centre():
    rng = np.random.default_rng(0)
    cells = rng.normal(0, 3, (2, 6, 9, 2)).astype(np.float32)
    height, width = 44, 66  # the last row and column stand out of the frame
    pixels = painted(cells, height, width)
    view = View(3, 5, 40, 60)
    part = cut_cells(
        cells, view, of=(height, width), stored=(height, width), size=(5, 6)
    )
    rows, columns = 3 + np.array([4, 12, 20, 28, 36]), 5 + 10 * np.arange(6) + 5
    np.testing.assert_array_equal(part, pixels[:, rows[:, None], columns])


def test_a_flip_mirrors_the_columns_and_negates_u_only():
    plain = of_all(View(0, 0, 48, 64))
    flipped = of_all(View(0, 0, 48, 64, flip=True))
    np.testing.assert_array_equal(flipped[..., 0], -plain[:, :, ::-1, 0])
    np.testing.assert_array_equal(flipped[..., 1:], plain[:, :, ::-1, 1:])


def test_known_intervals_are_marked():
    got = with_known(np.ones((2, 3, 4, 2), np.float32), np.array([True, False]))
    assert got.shape == (2, 3, 4, 3)
    assert got[0, :, :, 2].all() and not got[1, :, :, 2].any()


def test_clips_have_the_cells_and_whether_they_are_known(store):
    """Interval 3 of 7 is unknown: the vectors of interval 2, and a 0."""
    video = store.videos()[0]
    clips = clips_of(store, ["flow", "mv"], CELLS)
    clip = clips.clip(video, centred(clips, video, 0))
    assert clip["flow"].shape == (2, 4, 32, 48)
    assert clip["mv"].shape == (3, 4, 4, 6)
    stored = store.read(video.id, "mv")[[0, 1, 2, 2], 1:5, 1:7]
    np.testing.assert_allclose(
        clip["mv"][:2].permute(1, 2, 3, 0), np.clip(stored, -20, 20), atol=1e-5
    )
    assert clip["mv"][2].amin(dim=(1, 2)).tolist() == [1, 1, 1, 0]
    assert clip["mv"][2].amax(dim=(1, 2)).tolist() == [1, 1, 1, 0]


def test_evaluation_and_training_cut_alike(store):
    video = store.videos()[1]
    clips = clips_of(store, ["mv"], CELLS)
    views = clips.views(video, 3)
    stated = clips.stated(video, 1, views)["mv"]
    assert stated.shape == (3, 3, 4, 4, 6)
    for view, seen in zip(views, stated, strict=True):
        alone = clips.clip(video, centred(clips, video, 1)._replace(view=view))["mv"]
        np.testing.assert_array_equal(seen, alone)


def test_growth_of_a_crop_leaves_the_known_channel(store):
    """The largest crop of shape 2:3 is 42x64 px; one of 16x24 px is enlarged by more."""
    config = replace(CELLS, crop_scales=(1.0, 0.5), jitter_rescale=True, flip=False)
    video = store.videos()[1]
    clips = clips_of(store, ["mv"], config)
    part = centred(clips, video, 0)._replace(view=View(8, 8, 16, 24))
    clip = clips.clip(video, part)["mv"]
    u, v = store.read(video.id, "mv")[0, 1, 1]
    assert clip[:, 0, 0, 0].tolist() == pytest.approx([u * 64 / 24, v * 42 / 16, 1])


def test_vectors_from_memory_are_those_of_the_store(store):
    fresh = clips_of(store, ["mv"], CELLS)
    cached = clips_of(store, ["mv"], CELLS, memory_bytes=1 << 20)
    for number in range(4):
        position = ClipPosition(0, number, number)
        for _ in range(2):
            np.testing.assert_array_equal(cached[position]["mv"], fresh[position]["mv"])
    used = sum(values.nbytes for values in cached.frames._kept.values())
    assert used == 4 * 7 * 6 * 8 * 12
    assert cached.frames.memory.free == (1 << 20) - used


def test_cells_left_on_their_grid_have_the_stored_size(store):
    frames = frames_of(store, CELLS)
    video = store.videos()[0]
    got = frames.read(video, "mv", [0, 2])
    np.testing.assert_array_equal(got[..., :2], store.read(video.id, "mv")[[0, 2]])


def test_values_on_the_grid_may_be_logarithms_and_flow_is_as_before(store):
    config = replace(CELLS, cell_values="log")
    video, plain = store.videos()[0], clips_of(store, ["flow", "mv"], CELLS)
    clips = clips_of(store, ["flow", "mv"], config)
    draw = centred(clips, video, 0)
    ours, theirs = clips.clip(video, draw), plain.clip(video, draw)
    np.testing.assert_array_equal(ours["flow"], theirs["flow"])
    px = theirs["mv"].numpy()[:2] * 20 / CELLS.motion_gain
    wanted = np.sign(px) * np.log1p(np.abs(px)) / np.log(21) * CELLS.motion_gain
    np.testing.assert_allclose(ours["mv"][:2], wanted, atol=1e-5)
    np.testing.assert_array_equal(ours["mv"][2], theirs["mv"][2])
    packed = packing_of(clips).clip(video, draw)
    np.testing.assert_array_equal(packed["mv"], ours["mv"])
    stated = clips.stated(video, 0, [draw.view])["mv"][0]
    np.testing.assert_array_equal(stated, ours["mv"])
    with pytest.raises(RecipeError, match="expected cells with cell_values log"):
        replace(config, cells=None)


def test_no_grid_without_cells():
    with pytest.raises(RecipeError, match="at least one row and column of cells"):
        replace(CONFIG, cells=(0, 4))
