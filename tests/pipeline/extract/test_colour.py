"""Colours and places of the painted pixels, for every arrangement of planes."""

from itertools import product
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from encoded import BT601, BT709, EXACT, FULL, LIMITED, SPACE, coded, encode, frame_of

from pipeline.extract.colour import Painter, grey, resize
from pipeline.extract.errors import DecodeError
from pipeline.extract.opening import open_video
from pipeline.extract.orientation import UPRIGHT, Orientation
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction

COLOURS = np.array(list(product((25, 128, 230), repeat=2)), np.uint8)
PATCH = 24


def pattern() -> np.ndarray:
    """(72, 216, 3): 27 patches of 24 px, all combinations of dark, middle and bright."""
    rows = [
        [(red, green, blue) for green, blue in COLOURS.tolist()]
        for red in (25, 128, 230)
    ]
    return np.array(rows, np.uint8).repeat(PATCH, axis=0).repeat(PATCH, axis=1)


def painted(frame: av.VideoFrame, height: int, width: int) -> np.ndarray:
    out = np.zeros((height, width, 3), np.uint8)
    Painter(height=height, width=width, turned=UPRIGHT).rgb(frame, out)
    return out


def worst(rgb: np.ndarray) -> int:
    """Greatest difference from the pattern in the middle of any patch."""
    scale = rgb.shape[0] // 72
    middle = slice(PATCH // 2 * scale, None, PATCH * scale)
    expected = pattern()[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]
    return int(np.abs(rgb[middle, middle].astype(int) - expected).max())


@pytest.mark.parametrize("weights", (BT601, BT709), ids=("601", "709"))
@pytest.mark.parametrize("full", (False, True), ids=("limited", "full"))
@pytest.mark.parametrize(
    ("form", "bits", "down", "right"),
    (
        ("yuv420p", 8, 2, 2),
        ("yuv422p", 8, 1, 2),
        ("yuv444p", 8, 1, 1),
        ("yuv411p", 8, 1, 4),
        ("yuv420p10le", 10, 2, 2),
        ("yuv422p12le", 12, 1, 2),
        ("yuv444p16le", 16, 1, 1),
    ),
)
def test_every_matrix_range_and_depth_gives_the_same_colours(
    weights, full, form, bits, down, right
):
    planes = coded(pattern(), weights, full=full, bits=bits, down=down, right=right)
    frame = frame_of(planes, form)
    frame.colorspace, frame.color_range = SPACE[weights], FULL if full else LIMITED
    assert worst(painted(frame, 72, 216)) <= 2
    assert worst(painted(frame, 144, 432)) <= 2


@pytest.mark.parametrize("form", ("nv12", "yuyv422", "p010le", "yuva444p", "yuv440p"))
@pytest.mark.parametrize("full", (False, True), ids=("limited", "full"))
def test_rearranged_planes_give_the_same_colours(form, full):
    planes = coded(pattern(), BT709, full=full, down=1, right=1)
    frame = frame_of(planes, "yuv444p")
    same = FULL if full else LIMITED
    frame = frame.reformat(format=form, src_color_range=same, dst_color_range=same)
    frame.colorspace, frame.color_range = SPACE[BT709], same
    assert worst(painted(frame, 72, 216)) <= 3


@pytest.mark.parametrize("form", ("rgb24", "bgr0", "gbrp", "rgb48le", "pal8"))
def test_rgb_keeps_its_colours(form):
    frame = av.VideoFrame.from_ndarray(pattern(), format="rgb24")
    if form == "pal8":
        palette = np.zeros((256, 4), np.uint8)  # A R G B
        palette[:27, 1:] = pattern()[::PATCH, ::PATCH].reshape(27, 3)
        numbers = np.arange(27, dtype=np.uint8).reshape(3, 9)
        numbers = numbers.repeat(PATCH, axis=0).repeat(PATCH, axis=1)
        frame = av.VideoFrame.from_ndarray((numbers, palette), format="pal8")
    elif form != "rgb24":
        frame = frame.reformat(format=form)
    assert worst(painted(frame, 72, 216)) <= 1


@pytest.mark.parametrize(("form", "bits"), (("gray", 8), ("gray10le", 10)))
@pytest.mark.parametrize("full", (False, True), ids=("limited", "full"))
def test_grey_has_no_colour(form, bits, full):
    ramp = np.arange(0, 256, 2, np.uint8).repeat(2)[None].repeat(16, axis=0)
    rgb = ramp[..., None].repeat(3, axis=-1)
    frame = frame_of(coded(rgb, BT601, full=full, bits=bits)[:1], form)
    frame.color_range = FULL if full else LIMITED
    assert np.abs(painted(frame, 16, 256).astype(int) - rgb).max() <= 1


@pytest.mark.parametrize(
    ("lines", "weights"), ((718, BT601), (720, BT709)), ids=("718", "720")
)
def test_a_silent_stream_is_bt601_below_720_lines_and_bt709_from_there(lines, weights):
    red = np.full((lines, 16, 3), (200, 30, 60), np.uint8)
    frame = frame_of(coded(red, weights, full=False), "yuv420p")
    difference = painted(frame, 64, 16).astype(int) - (200, 30, 60)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("weights", (BT601, BT709), ids=("601", "709"))
@pytest.mark.parametrize("full", (False, True), ids=("limited", "full"))
@pytest.mark.parametrize(
    ("form", "bits", "down"),
    (("yuv420p", 8, 2), ("yuv420p10le", 10, 2), ("yuv444p", 8, 1)),
)
def test_a_file_comes_back_in_its_colours(
    tmp_path: Path, weights, full, form, bits, down
):
    planes = coded(pattern(), weights, full=full, bits=bits, down=down, right=down)
    path = encode(
        tmp_path / "pattern.mp4",
        [frame_of(planes, form)],
        pix_fmt=form,
        options=EXACT,
        space=SPACE[weights],
        range_=FULL if full else LIMITED,
    )
    settings = ExtractSettings(modalities=("rgb",), short_side=144)
    with open_extraction(path, settings) as extraction:
        (block,) = extraction
    assert worst(block.arrays["rgb"][0]) <= 3


def test_motion_jpeg_is_full_range(tmp_path: Path):
    frame = av.VideoFrame.from_ndarray(pattern(), format="rgb24")
    path = encode(
        tmp_path / "pattern.avi",
        [frame.reformat(format="yuvj444p")],
        codec="mjpeg",
        pix_fmt="yuvj444p",
        options={"qscale": "1", "qmin": "1", "qmax": "1"},
    )
    with open_video(path) as video:
        (picture,) = video.pictures()
        assert worst(painted(picture.frame, 72, 216)) <= 6  # JPEG's own loss


@pytest.mark.parametrize(("height", "width"), ((9, 11), (10, 11), (9, 12), (10, 12)))
@pytest.mark.parametrize("across", (False, True))
def test_chroma_of_odd_sizes_stays_on_its_luma(height, width, across):
    """A reddish and a greenish part of equal luma: their border does not move."""
    luma = np.full((height, width), 126, np.uint8)
    none = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    red = np.full_like(none, 88)
    red[: None if across else 2, : 2 if across else None] = 168
    frame = frame_of([luma, none, red], "yuv420p")
    out = painted(frame, 16 * height, 16 * width)
    middle = out[40] if across else out[:, 40]
    redder = middle[:, 0] > middle[:, 1]
    assert abs(int(redder.sum()) - 64) <= 1


def test_shrinking_looks_at_every_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (512, 768), np.uint8)
    out = np.empty((60, 90), np.uint8)
    resize(noise, out)
    # The mean of about 64 pixels: linear alone would keep a deviation of about 50.
    assert out.std() < 20
    assert abs(out.mean() - noise.mean()) < 1


def test_enlarging_keeps_a_ramp_in_place():
    ramp = np.arange(0, 200, 10, np.uint8)[None].repeat(4, axis=0)
    out = np.empty((8, 40), np.uint8)
    resize(ramp, out)
    inner = np.arange(1, 39)
    expected = ((inner + 0.5) / 2 - 0.5) * 10
    np.testing.assert_allclose(out[4, 1:39], expected, atol=1)


@pytest.mark.parametrize("transpose", (False, True))
@pytest.mark.parametrize("flip_x", (False, True))
@pytest.mark.parametrize("flip_y", (False, True))
def test_a_turned_frame_has_its_corners_where_they_belong(transpose, flip_x, flip_y):
    turned = Orientation(transpose, flip_x, flip_y)
    planes = coded(pattern(), BT601, full=False, down=1, right=1)
    height, width = turned.size(72, 216)
    out = np.zeros((height, width, 3), np.uint8)
    Painter(height=height, width=width, turned=turned).rgb(
        frame_of(planes, "yuv444p"), out
    )
    expected = pattern().swapaxes(0, 1) if transpose else pattern()
    expected = expected[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    assert np.abs(out.astype(int) - expected).max() <= 2


def test_grey_weighs_the_colours_as_bt601_does():
    rgb = pattern()
    out = np.empty(rgb.shape[:2], np.uint8)
    grey(rgb, out)
    assert np.abs(out - rgb @ [0.299, 0.587, 0.114]).max() <= 0.51


@pytest.mark.clips
def test_planes_are_resized_as_well_as_rgb(clips_folder: Path):
    """At least 38 dB against converting first and resizing then, frame by frame."""
    paths = sorted(clips_folder.glob("ucf101/*/*.avi"))[::6]
    paths += sorted(clips_folder.glob("hmdb51/**/*.avi"))
    assert len(paths) >= 15
    for path in paths:
        with open_video(path) as video:
            for number, picture in enumerate(video.pictures()):
                if number % 40:
                    continue
                frame = picture.frame
                size = (256 * frame.width // frame.height // 2 * 2, 256)
                ours = painted(frame, size[1], size[0])
                i420 = frame.to_ndarray(format="yuv420p")
                native = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
                assert cv2.PSNR(ours, cv2.resize(native, size)) >= 38, (path, number)


SHIFTS = {
    "rgb555be": (10, 5, 0, 5),
    "bgr555be": (0, 5, 10, 5),
    "rgb565be": (11, 5, 0, 6),
    "bgr565be": (0, 5, 11, 6),
    "rgb444be": (8, 4, 0, 4),
    "bgr444be": (0, 4, 8, 4),
}
"""Where red, green and blue stand in a word of 16 bits, and the bits of green."""


def words(rgb: np.ndarray, form: str) -> np.ndarray:
    """(H, W) big-endian words of a 16-bit format."""
    red, green, blue, bits = SHIFTS[form]
    red_bits = blue_bits = 4 if bits == 4 else 5
    wide = rgb.astype(np.uint16)
    return (
        (wide[..., 0] >> (8 - red_bits) << red)
        | (wide[..., 1] >> (8 - bits) << green)
        | (wide[..., 2] >> (8 - blue_bits) << blue)
    ).astype(">u2")


@pytest.mark.parametrize("form", SHIFTS)
def test_words_of_16_bits_have_their_colours_in_both_orders_of_bytes(form):
    big = words(pattern(), form)
    worst_step = 16 if "444" in form else 8
    assert worst(painted(frame_of([big], form), 72, 216)) <= worst_step
    little = frame_of([big.astype("<u2")], form.replace("be", "le"))
    assert worst(painted(little, 72, 216)) <= worst_step


@pytest.mark.parametrize("form", [form for form in SHIFTS if "444" not in form])
def test_uncompressed_files_have_their_colours(tmp_path: Path, form):
    frames = [frame_of([words(pattern(), form)], form)]
    name = "v.mov" if form.startswith("rgb") else "v.nut"  # MOV has no name for BGR
    path = encode(tmp_path / name, frames, codec="rawvideo", pix_fmt=form)
    settings = ExtractSettings(modalities=("rgb",), short_side=72)
    with open_extraction(path, settings) as extraction:
        (block,) = extraction
    assert worst(block.arrays["rgb"][0]) <= 8


@pytest.mark.parametrize(
    "name",
    (
        *("yuv420p10", "yuv422p16", "gray12", "p010", "rgb48", "gbrp14", "gbrpf32"),
        *("ya16", "rgba64", "yuv444p10msb", "x2rgb10", "nv20"),
    ),
)
def test_the_order_of_bytes_changes_no_colour(name):
    """Also where matrix and range are stated."""
    kind = np.uint32 if name in ("x2rgb10", "gbrpf32") else np.uint16
    source = av.VideoFrame.from_ndarray(pattern(), format="rgb24")
    little = source.reformat(format=f"{name}le")
    big = av.VideoFrame(216, 72, f"{name}be")
    for plane, into in zip(little.planes, big.planes, strict=True):
        into.update(np.frombuffer(plane, kind).byteswap())
    for frame in (little, big):
        frame.colorspace, frame.color_range = SPACE[BT709], FULL
    np.testing.assert_array_equal(painted(big, 72, 216), painted(little, 72, 216))


def test_high_bits_are_read_as_such():
    """yuv444p10msb: ten bits at the top of each word."""
    planes = coded(pattern(), BT601, full=False, bits=10, down=1, right=1)
    high = frame_of([plane << 6 for plane in planes], "yuv444p10msble")
    assert worst(painted(high, 72, 216)) <= 3


def test_pixels_that_ffmpeg_cannot_read_are_the_videos_fault():
    frame = av.VideoFrame(64, 64, "rgb4")
    with pytest.raises(DecodeError, match="turned into RGB, got rgb4"):
        painted(frame, 64, 64)
