import zlib

import cv2
import numpy as np
import pytest
from default_codecs import default_codec

from pipeline.store import jpeg
from pipeline.store.codecs import from_dict
from pipeline.store.errors import LayoutError
from pipeline.store.jpeg_codecs import JpegFlow, JpegRgb
from pipeline.store.quarter_pel import QuarterPel

SIZES = [(1, 1), (7, 9), (8, 8), (33, 50), (64, 48)]
CURVES = [JpegFlow(), JpegFlow(curve="linear", quality=95), JpegFlow(quality=20)]
CODECS = [JpegRgb(), *CURVES, QuarterPel()]


def through(codec, block):
    """Encode and decode (F, H, W, C)."""
    height, width = block.shape[1:3]
    if isinstance(codec, QuarterPel):
        height, width = 8 * height, 8 * width
    return np.stack([codec.decode(r, height, width) for r in codec.encode(block)])


def smooth_field(height: int, width: int, *, largest_px: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(height, width, 2)).astype(np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), 6)
    return (field * (largest_px / np.abs(field).max()))[None]


@pytest.mark.parametrize("codec", [*CURVES, QuarterPel()])
@pytest.mark.parametrize("size", SIZES)
def test_zeros_decode_to_exactly_zeros(codec, size):
    decoded = through(codec, np.zeros((2, *size, 2), np.float32))
    assert decoded.dtype == np.float32
    assert not decoded.any()


@pytest.mark.parametrize("codec", CURVES)
def test_levels_keep_their_promise_about_precision(codec):
    values = np.linspace(-20, 20, 20_001, dtype=np.float32)
    error = np.abs(codec.values(codec.levels(values)) - values)
    assert (error <= codec.max_error(values) + 1e-6).all()
    assert error.max() > codec.max_error(values).max() / 2  # the promise is not idle


@pytest.mark.parametrize("codec", CURVES)
def test_levels_are_symmetric_and_never_zero(codec):
    values = np.linspace(0, 30, 1_001, dtype=np.float32)
    right, left = codec.levels(values).astype(int), codec.levels(-values).astype(int)
    assert (right - 128 == 128 - left).all()
    assert left.min() == 1
    assert codec.values(np.array([128], np.uint8))[0] == 0


def test_the_square_root_is_finer_near_zero_and_coarser_far_off():
    sqrt, linear = JpegFlow(), JpegFlow(curve="linear")
    near, far = np.array([0.05]), np.array([19.0])
    assert sqrt.max_error(near) < linear.max_error(near) / 4
    assert sqrt.max_error(far) < 2 * linear.max_error(far)


def test_linear_levels_are_those_of_the_field_to_within_one():
    values = np.linspace(-25, 25, 5_001, dtype=np.float32)
    usual = np.clip(np.round(255 * (values + 20) / 40), 0, 255)
    ours = JpegFlow(curve="linear").levels(values)
    assert np.abs(ours - usual).max() <= 1


@pytest.mark.parametrize("codec", CURVES[:2])
def test_a_level_that_came_back_is_the_level_that_went_in(codec):
    levels = np.arange(1, 256, dtype=np.uint8)
    assert (codec.levels(codec.values(levels)) == levels).all()


@pytest.mark.parametrize("codec", CURVES[:2])
def test_a_smooth_field_survives_jpeg(codec):
    field = smooth_field(120, 170, largest_px=6)
    error = np.abs(through(codec, field) - field)
    assert error.mean() <= 0.06
    assert error.max() <= codec.max_error(field).max() + 0.6


def test_the_square_root_loses_less_of_small_motion():
    field = smooth_field(120, 170, largest_px=1)
    sqrt, linear = [np.abs(through(c, field) - field).mean() for c in CURVES[:2]]
    assert sqrt < linear / 1.5


@pytest.mark.parametrize("codec", CURVES)
@pytest.mark.parametrize("size", [(33, 50), (7, 9), (40, 40)])
def test_u_and_v_do_not_leak_into_each_other(codec, size):
    random = np.random.default_rng(0)
    field = np.zeros((1, *size, 2), np.float32)
    field[..., 0] = random.uniform(-20, 20, size)
    assert not through(codec, field)[..., 1].any()
    swapped = field[..., ::-1].copy()
    assert not through(codec, swapped)[..., 0].any()
    assert np.array_equal(
        through(codec, swapped)[..., 1], through(codec, field)[..., 0]
    )


def test_u_is_stored_above_v_in_whole_blocks():
    field = np.zeros((1, 10, 20, 2), np.float32)
    field[..., 0], field[..., 1] = 5, -5
    picture = cv2.imdecode(JpegFlow().encode(field)[0], cv2.IMREAD_UNCHANGED)
    assert picture.shape == (32, 24)
    assert (picture[:16] == 128 + 64).all()  # round(127 sqrt(5 / 20)) = 64
    assert (picture[16:] == 128 - 64).all()


@pytest.mark.parametrize("codec", CURVES[:2])
def test_values_beyond_the_bound_are_clipped_and_counted(codec):
    field = np.zeros((1, 16, 16, 2), np.float32)
    field[0, :8, :, 0] = 33
    field[0, :2, :, 1] = -21
    field[0, 8:, :, 1] = 20  # on the bound: not beyond it
    assert codec.clipped(field) == 8 * 16 + 2 * 16
    assert np.array_equal(codec.levels(field[0, 0, 0]), [255, 1])
    assert np.allclose(codec.values(codec.levels(field[0, 0, 0])), [20, -20])


def test_nothing_else_is_clipped():
    assert JpegRgb().clipped(np.full((1, 2, 2, 3), 255, np.uint8)) == 0
    assert QuarterPel().clipped(np.full((1, 2, 2, 2), 99, np.float32)) == 0


@pytest.mark.parametrize("codec", [JpegFlow(), QuarterPel()])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_refused(codec, wrong):
    block = np.zeros((2, 8, 8, 2), np.float32)
    block[1, 3, 4, 1] = wrong
    with pytest.raises(LayoutError, match="expected finite values"):
        codec.encode(block)


@pytest.mark.parametrize(
    ("codec", "block"),
    [
        (JpegRgb(), np.zeros((1, 8, 8, 3), np.float32)),
        (JpegRgb(), np.zeros((8, 8, 3), np.uint8)),
        (JpegRgb(), np.zeros((1, 8, 8, 1), np.uint8)),
        (JpegFlow(), np.zeros((1, 8, 8, 2), np.float64)),
        (JpegFlow(), np.zeros((1, 8, 8, 3), np.float32)),
        (QuarterPel(), np.zeros((1, 8, 8, 2), np.int16)),
    ],
)
def test_another_shape_or_type_is_refused(codec, block):
    with pytest.raises(LayoutError, match=r"expected \(F, ., ., .\) (uint8|float32)"):
        codec.encode(block)


@pytest.mark.parametrize("size", [(16, 24), (17, 22), (3, 5), (1, 1)])
def test_flow_is_one_picture_whose_last_pixels_are_repeated(size):
    levels = np.random.default_rng(1).integers(1, 256, (1, 2, *size), dtype=np.uint8)
    beyond = ((0, 0), (0, -size[0] % 8), (0, -size[1] % 8))
    padded = np.pad(levels[0], beyond, "edge")
    picture = padded.reshape(-1, padded.shape[2])
    expected = jpeg.encoded(picture, quality=JpegFlow().quality)
    assert JpegFlow().pack(levels)[0].tobytes() == expected.tobytes()


def test_quarter_pel_is_exact_over_all_of_int16():
    quarters = np.arange(-(2**15), 2**15, dtype=np.float32).reshape(1, 256, 128, 2)
    assert np.array_equal(through(QuarterPel(), quarters / 4), quarters / 4)


@pytest.mark.parametrize("vector", [8192.0, -8192.25])
def test_a_vector_beyond_int16_is_refused(vector):
    block = np.full((1, 1, 1, 2), vector, np.float32)
    with pytest.raises(LayoutError, match="expected vectors within -8192.0 to 8191.75"):
        QuarterPel().encode(block)


def test_rgb_survives_in_order():
    frames = np.zeros((1, 48, 64, 3), np.uint8)
    frames[..., 0], frames[..., 1], frames[..., 2] = 200, 90, 30
    assert np.abs(through(JpegRgb(), frames).astype(int) - frames).max() <= 2


def test_a_frame_is_an_ordinary_picture_for_others():
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    frames[..., 0] = 255
    blue, _, red = cv2.imdecode(JpegRgb().encode(frames)[0], cv2.IMREAD_COLOR)[8, 8]
    assert red >= 250 and blue <= 5


def test_rgb_loses_little(moving_frames):
    frames = np.repeat(moving_frames[..., :1], 3, axis=-1)
    error = through(JpegRgb(), frames).astype(float) - frames
    assert 10 * np.log10(255**2 / (error**2).mean()) > 45  # dB


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_values_give_the_same_bytes_in_any_company(codec):
    random = np.random.default_rng(0)
    if isinstance(codec, JpegRgb):
        block = random.integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)
    else:
        block = random.integers(-80, 80, (5, 16, 24, 2)).astype(np.float32) / 4
    together = codec.encode(block)
    alone = [codec.encode(entry[None])[0] for entry in block]
    assert [a.tobytes() for a in together] == [b.tobytes() for b in alone]
    assert all(row.ndim == 1 and row.dtype == np.uint8 for row in together)


@pytest.mark.parametrize("codec", CODECS)
def test_a_window_is_a_part_of_the_whole(codec):
    random = np.random.default_rng(0)
    if isinstance(codec, JpegRgb):
        block = random.integers(0, 256, (1, 24, 40, 3), dtype=np.uint8)
        size = (24, 40)
    else:
        block = random.integers(-80, 80, (1, 24, 40, 2)).astype(np.float32) / 4
        size = (24 * 8, 40 * 8) if isinstance(codec, QuarterPel) else (24, 40)
    row = codec.encode(block)[0]
    window = (slice(3, 10), slice(30, 40))
    whole = codec.decode(row, *size)
    assert np.array_equal(codec.decode(row, *size, window), whole[3:10, 30:40])


@pytest.mark.parametrize("codec", CODECS)
def test_no_entries_give_no_rows(codec):
    shape = (0, 8, 8, 3 if isinstance(codec, JpegRgb) else 2)
    dtype = np.uint8 if isinstance(codec, JpegRgb) else np.float32
    assert codec.encode(np.zeros(shape, dtype)) == []


@pytest.mark.parametrize("codec", [JpegRgb(), JpegFlow()])
def test_a_damaged_row_is_refused(codec):
    channels = 3 if isinstance(codec, JpegRgb) else 2
    dtype = np.uint8 if isinstance(codec, JpegRgb) else np.float32
    row = codec.encode(np.ones((1, 16, 16, channels), dtype))[0]
    for damaged in (row[:-5], row[2:], row[:0]):
        with pytest.raises(LayoutError, match="expected a whole JPEG"):
            codec.decode(damaged, 16, 16)
    hollow = np.concatenate([row[:4], row[-2:]])
    with pytest.raises(LayoutError, match="expected the header of a baseline JPEG"):
        codec.decode(hollow, 16, 16)
    with pytest.raises(LayoutError, match="expected a JPEG of .*got one of"):
        codec.decode(row, 64, 64)


def test_vectors_of_another_grid_are_refused():
    row = QuarterPel().encode(np.ones((1, 4, 5, 2), np.float32))[0]
    with pytest.raises(LayoutError, match="expected a row of 96 bytes, got 80"):
        QuarterPel().decode(row, 32, 48)
    with pytest.raises(LayoutError, match="expected a row of 64 bytes, got more"):
        QuarterPel().decode(row, 32, 32)


def test_rows_of_vectors_are_the_bytes_of_the_page():
    """zlib alone undoes them: low bytes of all values, then high bytes, zigzag."""
    block = np.array([[[[0, -0.25], [0.25, 100]]]], np.float32)
    row = QuarterPel().encode(block)[0]
    planes = zlib.decompress(row.tobytes(), -15)
    assert list(planes) == [0, 1, 2, 800 & 255, 0, 0, 0, 800 >> 8]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row[:-1],
        lambda row: row[:0],
        lambda row: row + b"x",
        lambda row: row + row,
        lambda row: bytes([row[0] ^ 6]) + row[1:],
        lambda row: zlib.compress(bytes(160)),
        lambda row: zlib.compress(bytes(1 << 26), wbits=-15),
    ],
)
def test_a_damaged_row_of_vectors_is_refused(spoil):
    row = QuarterPel().encode(np.ones((1, 4, 10, 2), np.float32))[0].tobytes()
    with pytest.raises(LayoutError, match="mv: expected a row of 160 bytes, got"):
        QuarterPel().decode(np.frombuffer(spoil(row), np.uint8), 32, 80)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_is_what_its_description_says(codec):
    assert from_dict(codec.to_dict()) == codec


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": "pickle"},
        {"name": ["jpeg_rgb"]},
        {"name": "jpeg_rgb"},
        {"name": "jpeg_rgb", "quality": 95, "more": 1},
    ],
)
def test_an_unknown_codec_is_refused(wrong):
    with pytest.raises(LayoutError, match="expected a codec among"):
        from_dict(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "jpeg_rgb", "quality": 0}, "quality: expected 1 to 100, got 0"),
        ({"name": "jpeg_rgb", "quality": 101}, "quality: expected 1 to 100, got 101"),
        ({"name": "jpeg_rgb", "quality": "95"}, "quality: expected 1 to 100"),
        ({"name": "jpeg_rgb", "quality": True}, "quality: expected 1 to 100"),
        (JpegFlow().to_dict() | {"quality": 0}, "quality: expected 1 to 100"),
        (JpegFlow().to_dict() | {"curve": "cubic"}, "curve: expected sqrt or linear"),
        (JpegFlow().to_dict() | {"curve": ["sqrt"]}, "curve: expected sqrt or linear"),
        (JpegFlow().to_dict() | {"bound_px": 0}, "bound_px: expected a number above 0"),
        (JpegFlow().to_dict() | {"bound_px": "20"}, "bound_px: expected a number"),
        (JpegFlow().to_dict() | {"bound_px": float("nan")}, "bound_px: expected"),
        (JpegFlow().to_dict() | {"bound_px": float("inf")}, "bound_px: expected"),
    ],
)
def test_parameters_that_a_codec_does_not_take_are_refused(wrong, message):
    with pytest.raises(LayoutError, match=message):
        from_dict(wrong)


def test_defaults_are_those_of_the_layout():
    assert default_codec("rgb") == JpegRgb(quality=95)
    assert default_codec("flow") == JpegFlow(curve="sqrt", bound_px=20, quality=85)
    assert default_codec("mv") == QuarterPel()
    tsn = JpegFlow(curve="linear", bound_px=20, quality=95)
    assert default_codec("flow", flow_codec="tsn") == tsn


@pytest.mark.parametrize("codec", CURVES)
@pytest.mark.parametrize("size", SIZES)
def test_levels_that_come_from_elsewhere_give_the_same_rows(codec, size):
    block = smooth_field(*size, largest_px=25)
    planes = codec.levels(np.ascontiguousarray(np.moveaxis(block, 3, 1)))
    for packed, encoded in zip(codec.pack(planes), codec.encode(block), strict=True):
        np.testing.assert_array_equal(packed, encoded)
    for wrong in (planes[0], planes.astype(np.float32), planes[:, :1]):
        with pytest.raises(LayoutError, match=r"expected \(F, 2, H, W\) uint8 levels"):
            codec.pack(wrong)
