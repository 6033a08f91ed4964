import cv2
import numpy as np
import pytest

from training.data.dataset import to_tensor
from training.data.normal import CAFFE, MARS, UNIT
from training.data.transforms import (
    View,
    crop_views,
    cut,
    cut_size,
    grid_size,
    neighbours,
    painted,
    random_view,
    resized,
    rgb_input,
)


def coordinates(height: int, width: int) -> np.ndarray:
    """(2, height, width, 2) float32: every pixel says where it is, (x, y)."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([np.stack([x, y], axis=-1)] * 2).astype(np.float32)


def test_cut_takes_the_pixels_of_the_view():
    part = cut(coordinates(20, 30), View(3, 5, 4, 6), (4, 6), motion=True)
    assert part.shape == (2, 4, 6, 2)
    np.testing.assert_array_equal(part[0, 0, 0], [5, 3])
    np.testing.assert_array_equal(part[1, 3, 5], [10, 6])


def test_flip_mirrors_all_and_negates_u_of_motion_only():
    frames = coordinates(20, 30)
    view = View(3, 5, 4, 6, flip=True)
    motion = cut(frames, view, (4, 6), motion=True)
    picture = cut(frames, view, (4, 6), motion=False)
    np.testing.assert_array_equal(picture[0, 0, 0], [10, 3])
    np.testing.assert_array_equal(motion[0, 0, 0], [-10, 3])
    np.testing.assert_array_equal(motion[..., 1], picture[..., 1])


def test_a_mirrored_scene_moves_the_other_way():
    """Flow of a mirrored pair, as OpenCV sees it, is the mirrored field with -u."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(
        rng.uniform(0, 255, (64, 64)).astype(np.float32), (0, 0), 3
    )
    first = cv2.normalize(noise, np.empty_like(noise), 0, 255, cv2.NORM_MINMAX)
    second = np.roll(first, (1, 2), axis=(0, 1))  # 2 right, 1 down
    field = np.full((1, 64, 64, 2), (2.0, 1.0), np.float32)
    view = View(0, 0, 64, 64, flip=True)
    mirrored = cut(field, view, (64, 64), motion=True)[0, 32, 32]
    pair = [
        cut(image[None, :, :, None].astype(np.uint8), view, (64, 64), motion=False)[0]
        for image in (first, second)
    ]
    seen = cv2.calcOpticalFlowFarneback(
        np.ascontiguousarray(pair[0][..., 0]),
        np.ascontiguousarray(pair[1][..., 0]),
        np.zeros((64, 64, 2), np.float32),
        0.5, 3, 15, 5, 7, 1.5, 0,
    )  # fmt: skip
    np.testing.assert_allclose(
        np.median(seen[16:48, 16:48], (0, 1)), mirrored, atol=0.1
    )


def test_all_modalities_are_cut_at_the_same_place():
    """rgb, flow and painted vectors that all say where they are agree after any view."""
    frames = coordinates(48, 64)
    pictures = np.concatenate([frames, frames[..., :1]], axis=-1).astype(np.uint8)
    cells = coordinates(6, 8) * 8 + 3.5  # the mean place of a cell's pixels
    vectors = painted(cells, 48, 64)
    rng = np.random.default_rng(0)
    for _ in range(20):
        view = random_view(
            rng, (48, 64), (20, 24), scales=(1.0, 0.7, 0.5), corners=False, flip=False
        )
        rgb, flow, mv = (
            cut(array, view, (20, 24), motion=array is not pictures)
            for array in (pictures, frames, vectors)
        )
        np.testing.assert_allclose(rgb[..., :2], flow, atol=0.51)
        assert np.abs(mv - flow).max() < 4.5


def test_values_of_motion_stay_when_frames_are_reduced():
    field = np.full((1, 40, 60, 2), (3.0, -1.0), np.float32)
    small = resized(field, (20, 30))
    np.testing.assert_allclose(small, np.full_like(small, 1) * (3, -1))


def test_half_is_the_mean_of_four():
    field = np.random.default_rng(0).normal(size=(2, 8, 6, 2)).astype(np.float32)
    expected = field.reshape(2, 4, 2, 3, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(resized(field, (4, 3)), expected, atol=1e-6)


def test_a_pixel_has_the_vector_of_its_cell():
    cells = np.random.default_rng(0).normal(size=(1, 3, 4, 2)).astype(np.float32)
    field = painted(cells, 20, 30)
    for y, x in ((0, 0), (7, 7), (8, 7), (19, 29), (16, 24)):
        np.testing.assert_array_equal(field[0, y, x], cells[0, y // 8, x // 8])


def test_grid_keeps_the_aspect():
    assert grid_size(240, 320, 120) == (120, 160)
    assert grid_size(320, 240, 120) == (160, 120)
    assert grid_size(240, 320, None) == (240, 320)


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (20, 20), (120, 160)])
def test_views_lie_inside_and_have_the_shape_of_the_input(size):
    rng = np.random.default_rng(0)
    for scales in ((), (1.0, 0.5)):
        for corners in (False, True):
            for _ in range(50):
                view = random_view(
                    rng, size, (40, 56), scales=scales, corners=corners, flip=True
                )
                assert 0 <= view.top and view.top + view.height <= size[0]
                assert 0 <= view.left and view.left + view.width <= size[1]
                assert view.width / view.height == pytest.approx(56 / 40, rel=0.1)


def test_crop_without_scales_is_not_resized_where_it_fits():
    assert cut_size((48, 64), (40, 56), None) == (40, 56)
    assert cut_size((24, 32), (40, 56), None) == (22, 32)
    assert cut_size((256, 340), (112, 112), 1.0) == (256, 256)
    assert cut_size((256, 340), (112, 112), 0.5) == (128, 128)
    assert crop_views((48, 64), (40, 56), crops=1, scaled=False) == (
        View(4, 4, 40, 56),
    )


def test_the_papers_crops_have_the_papers_sizes():
    for scale, side in zip((1, 0.875, 0.75), (256, 224, 192), strict=True):
        assert cut_size((256, 340), (224, 224), scale) == (side, side)
    mars = [2 ** (-i / 4) for i in range(5)]
    for scale, side in zip(mars, (256, 215, 181, 152, 128), strict=True):
        assert cut_size((256, 340), (112, 112), scale) == (side, side)


def test_uneven_crops_are_seven_pairs():
    """Not 256x192: that would be too much out of shape."""
    pairs = [
        cut_size((256, 340), (224, 224), pair) for pair in neighbours((1, 0.875, 0.75))
    ]
    assert pairs == [
        (256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224), (192, 192),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    drawn = {
        random_view(
            rng,
            (256, 340),
            (224, 224),
            scales=(1, 0.875, 0.75),
            corners=False,
            flip=False,
            uneven=True,
        )[2:4]
        for _ in range(200)
    }
    assert drawn == set(pairs)


def test_uneven_crops_fit_into_narrow_frames():
    for pair in neighbours((1.0, 0.5)):
        height, width = cut_size((40, 30), (20, 60), pair)
        assert height <= 40 and width <= 30


def test_ten_crops_are_where_the_papers_have_them():
    views = crop_views((256, 340), (224, 224), crops=10, scaled=False)
    corners = [(view.left, view.top) for view in views]
    assert corners == [(0, 0), (116, 0), (0, 32), (116, 32), (58, 16)]
    assert {(v.height, v.width, v.flip) for v in views} == {(224, 224, False)}


@pytest.mark.parametrize(
    ("size", "places"),
    [
        ((256, 340), [(0, 0), (0, 42), (0, 84)]),
        ((340, 256), [(0, 0), (42, 0), (84, 0)]),
    ],
)
def test_three_crops_lie_along_the_long_side(size, places):
    views = crop_views(size, (256, 256), crops=3, scaled=False)
    assert [view[:2] for view in views] == places


def test_corners_are_five_places():
    rng = np.random.default_rng(0)
    places = {
        random_view(rng, (30, 40), (10, 10), scales=(), corners=True, flip=False)[:2]
        for _ in range(200)
    }
    assert places == {(10, 15), (0, 0), (0, 30), (20, 0), (20, 30)}


def test_rgb_is_normalised_and_contrast_turns_around_grey():
    frames = np.array([0, 127.5, 255], np.float32).reshape(1, 1, 1, 3)
    plain = rgb_input(frames, mean=(0.5,) * 3, std=(0.25,) * 3)
    np.testing.assert_allclose(plain.ravel(), [-2, 0, 2], atol=1e-6)
    strong = rgb_input(
        frames, mean=(0.5,) * 3, std=(0.25,) * 3, contrast=1.5, brightness=0.1
    )
    np.testing.assert_allclose(strong.ravel(), [-2.6, 0.4, 3.4], atol=1e-6)


def test_the_order_of_the_colours_is_the_networks():
    """Caffe's networks want blue first, 0 to 255, minus (104, 117, 123)."""
    frames = np.array([[[[10, 20, 30]]]], np.uint8)
    values = rgb_input(
        frames,
        mean=CAFFE["rgb_mean"],
        std=CAFFE["rgb_std"],
        order=CAFFE["rgb_order"],
    )
    np.testing.assert_allclose(
        values.ravel(), [30 - 104, 20 - 117, 10 - 123], atol=1e-4
    )
    values = rgb_input(frames, mean=MARS["rgb_mean"], std=MARS["rgb_std"])
    expected = [10 - 114.7748, 20 - 107.7354, 30 - 99.4750]
    np.testing.assert_allclose(values.ravel(), expected, atol=1e-4)
    values = rgb_input(frames, mean=UNIT["rgb_mean"], std=UNIT["rgb_std"])
    np.testing.assert_allclose(values.ravel(), np.array([10, 20, 30]) / 255, atol=1e-6)


def test_tensor_has_channels_first():
    frames = np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2)
    tensor = to_tensor(frames)
    assert tensor.shape == (2, 2, 3, 4)
    assert tensor[1, 0, 2, 3] == frames[0, 2, 3, 1]
    assert tensor.is_contiguous()


def test_a_crop_may_lie_anywhere():
    """28x36 px of 30x40: three places down, five across."""
    rng = np.random.default_rng(0)
    views = [
        random_view(rng, (30, 40), (28, 36), scales=(), corners=False, flip=False)
        for _ in range(300)
    ]
    assert {view.top for view in views} == {0, 1, 2}
    assert {view.left for view in views} == {0, 1, 2, 3, 4}


def test_what_grows_on_one_side_is_bilinear():
    """Columns 0 and 1 at twice the width, sampled at -1/4, 1/4, 3/4 and 5/4; half the
    height."""
    frames = np.tile(np.array([0, 1], np.float32), (1, 4, 1))[..., None]
    found = resized(frames, (2, 4))
    np.testing.assert_allclose(found[0, :, :, 0], [[0, 0.25, 0.75, 1]] * 2)
