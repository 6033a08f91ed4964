"""One pass over a video: the blocks, and that every modality speaks of the same frames."""

import gc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from encoded import LAST_FRAME_ONLY, encode, rgb_frames
from moving import MOVES

from pipeline.extract.blocks import BLOCK, DeferredFlow
from pipeline.extract.errors import DecodeError, VideoError
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Block, open_extraction, stored_size

RGB = ExtractSettings(modalities=("rgb",), short_side=64)


class Difference:
    """A stand-in for a solver: its flow says which two frames it was given."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def flow(self, frames: np.ndarray) -> np.ndarray:
        self.lengths.append(len(frames))
        assert frames.dtype == np.uint8
        return np.stack([frames[:-1], frames[1:]], axis=-1).astype(np.float32)


def blocks_of(
    path: Path, settings: ExtractSettings, solver: Difference | None = None
) -> list[Block]:
    with open_extraction(path, settings, solver) as extraction:
        return list(extraction)


def whole(blocks: list[Block], name: str) -> np.ndarray:
    return np.concatenate([block.arrays[name] for block in blocks])


def extracted(path: Path, settings: ExtractSettings) -> dict[str, np.ndarray]:
    blocks = blocks_of(path, settings, Difference())
    arrays = {name: whole(blocks, name) for name in blocks[0].arrays}
    arrays["seconds"] = np.concatenate([block.seconds for block in blocks])
    arrays["picture_types"] = np.concatenate([block.picture_types for block in blocks])
    return arrays


def texture(count: int, *, height: int = 48, width: int = 64) -> np.ndarray:
    """A texture that moves by `MOVES`, with a level of grey that says its number."""
    rng = np.random.default_rng(0)
    still = cv2.GaussianBlur(rng.uniform(0, 160, (height, width, 3)), (0, 0), 1.5)
    right, down = MOVES
    moved = [np.roll(still, (t * down, t * right), axis=(0, 1)) for t in range(count)]
    return (np.stack(moved) + 2 * np.arange(count)[:, None, None, None]).astype(
        np.uint8
    )


@pytest.mark.parametrize("source", ("canonical", "original"))
@pytest.mark.parametrize("count", (1, 2, 15, 16, 17, 33))
def test_blocks_hold_every_frame_and_interval_once(tmp_path: Path, count, source):
    path = encode(
        tmp_path / "v.mp4", rgb_frames(texture(count)), options=LAST_FRAME_ONLY
    )
    settings = ExtractSettings(short_side=48, mv_source=source)
    solver = Difference()
    blocks = blocks_of(path, settings, solver)
    for block in blocks:
        frames = len(block.seconds)
        assert len(block.picture_types) == len(block.arrays["rgb"]) == frames <= BLOCK
        assert set(block.arrays) == {"rgb", "flow", "mv", "mv_valid"}
    assert whole(blocks, "rgb").shape == (count, 48, 64, 3)
    assert whole(blocks, "flow").shape == (count - 1, 48, 64, 2)
    assert whole(blocks, "mv").shape == (count - 1, 6, 8, 2)
    assert whole(blocks, "mv_valid").shape == (count - 1,)
    assert whole(blocks, "rgb").dtype == np.uint8
    assert whole(blocks, "flow").dtype == whole(blocks, "mv").dtype == np.float32
    assert whole(blocks, "mv_valid").dtype == bool


def test_flow_goes_on_from_block_to_block(tmp_path: Path):
    path = encode(tmp_path / "v.mp4", rgb_frames(texture(40)), options=LAST_FRAME_ONLY)
    settings = ExtractSettings(modalities=("rgb", "flow"), short_side=48)
    solver = Difference()
    blocks = blocks_of(path, settings, solver)
    assert solver.lengths == [16, 17, 9]
    flow, rgb = whole(blocks, "flow"), whole(blocks, "rgb")
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rgb]
    np.testing.assert_array_equal(flow[..., 0], grey[:-1])
    np.testing.assert_array_equal(flow[..., 1], grey[1:])


HOLDS = (lambda a: a, lambda a: a[:1], memoryview, lambda a: a[-1:].view())


@pytest.mark.parametrize("modalities", (("rgb",), ("rgb", "flow", "mv")))
def test_blocks_that_are_held_keep_their_values(tmp_path: Path, modalities):
    """Whole, by a part, by a memoryview; many at a time, as a batch solver has them."""
    path = encode(tmp_path / "v.mp4", rgb_frames(texture(70)), options=LAST_FRAME_ONLY)
    settings = ExtractSettings(modalities=modalities, short_side=256, enlarge=True)
    held, copies = [], []
    with open_extraction(path, settings, DeferredFlow()) as extraction:
        for number, block in enumerate(extraction):
            grey = () if block.grey is None else (block.grey,)
            for array in (*block.arrays.values(), *grey):
                if len(array):
                    held.append(HOLDS[number % len(HOLDS)](array))
                    copies.append(np.array(held[-1]))
    assert len(held) >= 16
    for kept, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(kept, copy)


@pytest.mark.parametrize("count", (1, 2, 16, 17, 33))
def test_deferred_flow_leaves_each_block_the_grey_frames_it_is_computed_from(
    tmp_path: Path, count
):
    path = encode(
        tmp_path / "v.mp4", rgb_frames(texture(count)), options=LAST_FRAME_ONLY
    )
    settings = ExtractSettings(modalities=("rgb", "flow"), short_side=48)
    with open_extraction(path, settings, DeferredFlow()) as extraction:
        blocks = list(extraction)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in whole(blocks, "rgb")]
    first = 0
    for block in blocks:
        assert set(block.arrays) == {"rgb"}
        last = first + len(block.seconds)
        expected = np.stack(grey[max(first - 1, 0) : last])
        assert block.grey is not None and block.grey.dtype == np.uint8
        np.testing.assert_array_equal(block.grey, expected)
        assert block.nbytes == block.arrays["rgb"].nbytes + expected.nbytes
        first = last
    assert all(block.grey is None for block in blocks_of(path, settings, Difference()))


def test_flow_needs_a_solver(moving_video: Path):
    with (
        pytest.raises(ValueError, match="flow: expected a solver, got none"),
        open_extraction(moving_video, ExtractSettings()),
    ):
        pass


@pytest.mark.parametrize("codec", ("libx264", "mpeg4"))
@pytest.mark.parametrize("b_frames", (0, 2))
@pytest.mark.parametrize("source", ("canonical", "original"))
def test_frame_k_is_frame_k_in_every_modality(tmp_path: Path, codec, b_frames, source):
    frames = texture(30)
    path = encode(
        tmp_path / "v.avi",
        rgb_frames(frames),
        codec=codec,
        options={"bf": str(b_frames), "b_strategy": "0"}
        | (
            {"qmin": "1", "qmax": "2"}
            if codec == "mpeg4"
            else {"crf": "10", "refs": "1", "x264-params": "b-adapt=0"}
        ),
    )
    arrays = extracted(path, ExtractSettings(short_side=48, mv_source=source))
    assert (ord("B") in arrays["picture_types"]) == bool(b_frames)
    alone = extracted(path, ExtractSettings(modalities=("rgb",), short_side=48))
    np.testing.assert_array_equal(arrays["rgb"], alone["rgb"])
    distance = np.abs(arrays["rgb"][:, None].astype(np.int16) - frames[None]).mean(
        axis=(2, 3, 4)
    )
    np.testing.assert_array_equal(distance.argmin(axis=1), np.arange(30))
    known = arrays["mv"][arrays["mv_valid"]]
    if source == "original" and b_frames and codec == "mpeg4":
        ends_with = arrays["picture_types"][1:][arrays["mv_valid"]]
        assert set(ends_with) <= {ord("P")}  # FFmpeg exports zeros for the B frames
        return
    assert len(known) >= 26
    median = np.median(known, axis=(1, 2))
    np.testing.assert_allclose(median, np.broadcast_to(MOVES, median.shape), atol=0.25)


def test_two_passes_are_equal(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    path = encode(tmp_path / "v.mp4", rgb_frames(noise), options={"crf": "20"})
    for source in ("canonical", "original"):
        settings = ExtractSettings(short_side=48, mv_source=source)
        first, again = extracted(path, settings), extracted(path, settings)
        for name, values in first.items():
            np.testing.assert_array_equal(values, again[name])


@pytest.mark.parametrize(
    ("codec", "options"),
    (
        ("libx264", LAST_FRAME_ONLY),
        ("libx264", {"coder": "cavlc", "bf": "2", "b_strategy": "0"}),
        ("mpeg4", {"bf": "2", "b_strategy": "0"}),
        ("mpeg2video", {"bf": "2", "b_strategy": "0"}),
        ("mpeg1video", {"bf": "0"}),
    ),
)
def test_vectors_alone_are_those_of_all_modalities(tmp_path: Path, codec, options):
    """Without pixels the decoder may skip its loop filter: vectors stay the same."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    frames = noise.repeat(4, axis=1).repeat(4, axis=2)
    frames[10:] = texture(10, height=192, width=256)
    path = encode(tmp_path / "v.mkv", rgb_frames(frames), codec=codec, options=options)
    both = ExtractSettings(modalities=("rgb", "mv"), mv_source="original")
    alone = ExtractSettings(modalities=("mv",), mv_source="original")
    arrays, expected = extracted(path, alone), extracted(path, both)
    assert set(arrays) == {"mv", "mv_valid", "seconds", "picture_types"}
    assert arrays["mv"].any() and arrays["mv_valid"].any()
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, expected[name])


def test_the_frame_rate_chooses_frames(tmp_path: Path):
    frames = texture(20)
    path = encode(tmp_path / "v.mp4", rgb_frames(frames), options=LAST_FRAME_ONLY)
    every = extracted(path, ExtractSettings(modalities=("rgb",), short_side=48))
    settings = ExtractSettings(
        modalities=("rgb", "flow", "mv"), short_side=48, frames_per_second=12.5
    )
    with open_extraction(path, settings, Difference()) as extraction:
        assert extraction.info.fps == 12.5
    arrays = extracted(path, settings)
    np.testing.assert_array_equal(arrays["rgb"], every["rgb"][::2])
    np.testing.assert_allclose(arrays["seconds"], np.arange(10) * 0.08, atol=1e-9)
    assert len(arrays["flow"]) == len(arrays["mv"]) == 9
    median = np.median(arrays["mv"], axis=(1, 2))
    np.testing.assert_array_equal(median, np.full((9, 2), np.array(MOVES) * 2))


def test_a_higher_frame_rate_repeats_frames(tmp_path: Path):
    path = encode(tmp_path / "v.mp4", rgb_frames(texture(5)), options=LAST_FRAME_ONLY)
    settings = ExtractSettings(modalities=("rgb",), short_side=48, frames_per_second=50)
    arrays = extracted(path, settings)
    np.testing.assert_allclose(arrays["seconds"], np.arange(10) // 2 * 0.04, atol=1e-9)


@pytest.mark.parametrize("rotation", (0, 90, 180, -90))
def test_frames_are_turned_upright(tmp_path: Path, rotation):
    frames = texture(3)
    path = encode(
        tmp_path / "v.mp4", rgb_frames(frames), options={"crf": "5"}, rotation=rotation
    )
    arrays = extracted(path, ExtractSettings(modalities=("rgb",), short_side=48))
    upright = np.rot90(frames, rotation // 90, axes=(1, 2))
    assert arrays["rgb"].shape == upright.shape
    assert np.abs(arrays["rgb"].astype(int) - upright).mean() < 6


WIDE = Fraction(2)


@pytest.mark.parametrize("name", ("v.mp4", "v.mkv", "v.h264", "v.avi"))
@pytest.mark.parametrize(("aspect", "size"), ((WIDE, (48, 128)), (1 / WIDE, (48, 32))))
def test_pixels_are_stored_as_squares(tmp_path: Path, name, aspect, size):
    frames = texture(4)
    path = encode(
        tmp_path / name,
        rgb_frames(frames),
        options=LAST_FRAME_ONLY | {"crf": "1"},
        pixel_aspect=aspect,
    )
    shown = np.stack([cv2.resize(f, size[::-1]) for f in frames])
    settings = ExtractSettings(short_side=48, modalities=("rgb",))
    with open_extraction(path, settings) as extraction:
        assert extraction.info[:2] == size
        assert extraction.info.pixel_aspect == aspect
        rgb = whole(list(extraction), "rgb")
    assert np.abs(rgb.astype(int) - shown).mean() < 8
    as_coded = extracted(path, replace(settings, square_pixels=False))
    assert as_coded["rgb"].shape == frames.shape
    assert np.abs(as_coded["rgb"].astype(int) - frames).mean() < 6


@pytest.mark.parametrize(
    ("rotation", "expected"), ((0, (4, 1)), (-90, (-1, 4)), (180, (-4, -1)))
)
def test_vectors_of_stretched_pixels_are_stretched_alike(
    tmp_path: Path, rotation, expected
):
    """Content moves by (2, 1) px as coded; pixels are twice as wide as high."""
    path = encode(
        tmp_path / "v.mp4",
        rgb_frames(texture(6)),
        options=LAST_FRAME_ONLY,
        pixel_aspect=WIDE,
        rotation=rotation,
    )
    settings = ExtractSettings(modalities=("rgb", "mv"), mv_source="original")
    arrays = extracted(path, settings)
    turned = rotation == -90
    assert arrays["rgb"].shape[1:3] == ((128, 48) if turned else (48, 128))
    assert arrays["mv"].shape[1:3] == ((16, 6) if turned else (6, 16))
    assert arrays["mv_valid"].all()
    medians = np.median(arrays["mv"], axis=(1, 2))
    np.testing.assert_array_equal(medians, np.broadcast_to(expected, medians.shape))
    canonical = extracted(path, replace(settings, mv_source="canonical", mv_crf=5))
    medians = np.median(canonical["mv"], axis=(1, 2))
    np.testing.assert_allclose(
        medians, np.broadcast_to(expected, medians.shape), atol=0.25
    )


@pytest.mark.parametrize("aspect", (Fraction(5), Fraction(1, 5), Fraction(250)))
def test_pixels_of_no_possible_shape_are_squares(tmp_path: Path, aspect):
    path = encode(tmp_path / "v.mp4", rgb_frames(texture(2)), pixel_aspect=aspect)
    with open_extraction(path, ExtractSettings(modalities=("rgb",))) as extraction:
        assert extraction.info[:2] == (48, 64)
        assert extraction.info.pixel_aspect == 1


@pytest.mark.parametrize(
    ("height", "width", "short_side", "expected"),
    (
        (120, 160, 256, (256, 340)),
        (240, 320, 256, (256, 340)),
        (320, 240, 256, (340, 256)),
        (720, 1280, 256, (256, 454)),
        (64, 64, 128, (128, 128)),
        (1, 1, 64, (64, 64)),
        (121, 161, 64, (64, 84)),
        (100, 101, 16, (16, 16)),
        (256, 340, 256, (256, 340)),
    ),
)
def test_the_short_side_is_as_asked_and_the_aspect_kept(
    height, width, short_side, expected
):
    size = stored_size(height, width, short_side=short_side, enlarge=True)
    assert size == expected


@pytest.mark.parametrize(
    ("height", "width", "short_side", "expected"),
    (
        (240, 320, 256, (240, 320)),
        (320, 240, 256, (320, 240)),
        (241, 321, 256, (240, 318)),
        (255, 255, 256, (254, 254)),
        (256, 340, 256, (256, 340)),
        (258, 340, 256, (256, 336)),
        (720, 1280, 256, (256, 454)),
        (9, 27, 256, (16, 48)),
        (1, 1, 64, (16, 16)),
    ),
)
def test_frames_are_not_enlarged_unless_asked(height, width, short_side, expected):
    size = stored_size(height, width, short_side=short_side, enlarge=False)
    assert size == expected


def test_a_ribbon_is_refused():
    with pytest.raises(
        DecodeError, match="expected at most 16384 px for the long side"
    ):
        stored_size(2, 200, short_side=256, enlarge=True)


@pytest.mark.parametrize("size", ((1, 1), (2, 2), (7, 9), (33, 18), (17, 34)))
def test_the_smallest_and_odd_sizes_pass(tmp_path: Path, size):
    height, width = size
    frames = np.random.default_rng(0).integers(0, 256, (5, height, width, 3), np.uint8)
    path = encode(tmp_path / "v.mkv", rgb_frames(frames), codec="ffv1", pix_fmt="bgr0")
    arrays = extracted(path, ExtractSettings(short_side=16))
    assert len(arrays["rgb"]) == 5
    assert min(arrays["rgb"].shape[1:3]) == 16


def test_frames_that_change_their_size_are_scaled_to_the_first(tmp_path: Path):
    parts = []
    for number, scale in enumerate((1, 2)):
        frames = texture(8).repeat(scale, axis=1).repeat(scale, axis=2)
        part = encode(
            tmp_path / f"{number}.h264", rgb_frames(frames), options=LAST_FRAME_ONLY
        )
        parts.append(part.read_bytes())
    path = tmp_path / "v.h264"
    path.write_bytes(b"".join(parts))
    settings = ExtractSettings(short_side=48, mv_source="original")
    arrays = extracted(path, settings)
    assert arrays["rgb"].shape == (16, 48, 64, 3)
    difference = arrays["rgb"][:8].astype(int) - arrays["rgb"][8:]
    assert np.abs(difference).mean() < 12
    valid = arrays["mv_valid"]
    assert valid.tolist() == [number != 7 for number in range(15)]
    median = np.median(arrays["mv"][valid], axis=(1, 2))
    np.testing.assert_array_equal(median, np.broadcast_to(MOVES, median.shape))


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        ({"modalities": ("rgb", "sound")}, "modalities: expected some of"),
        ({"modalities": ()}, "modalities: expected some of .* got none"),
        ({"short_side": 63}, "short side: expected an even number from 16, got 63"),
        ({"short_side": 8}, "short side: expected an even number from 16, got 8"),
        ({"frames_per_second": 0.0}, "frames per second: expected up to 1000, got 0"),
        (
            {"mv_source": "mine"},
            "vector source: expected canonical, stored or original",
        ),
        (
            {"mv_source": "original", "frames_per_second": 10.0},
            "vector source: expected canonical with a frame rate",
        ),
        ({"mv_crf": 99}, "crf: expected 0 to 51, got 99"),
        ({"mv_preset": "warp"}, "preset: expected one of x264's, got 'warp'"),
        ({"mv_keyint": 0}, "keyint: expected at least 1, got 0"),
    ),
)
def test_settings_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        ExtractSettings(**wrong)


def living(*kinds: type) -> int:
    return sum(issubclass(type(one), kinds) for one in gc.get_objects())


def test_frames_are_freed_as_they_go(tmp_path: Path):
    """Without the garbage collector: hundreds of frames would wait for it."""
    path = encode(tmp_path / "v.mp4", rgb_frames(texture(20)), options=LAST_FRAME_ONLY)
    settings = ExtractSettings(
        modalities=("rgb", "mv"), short_side=48, mv_source="original"
    )
    gc.collect()
    frames, contexts = living(av.VideoFrame), living(av.VideoCodecContext)
    gc.disable()
    try:
        with open_extraction(path, settings) as extraction:
            for _block in extraction:
                assert living(av.VideoFrame) < frames + BLOCK // 2
        del extraction
        assert living(av.VideoFrame) == frames
        assert living(av.VideoCodecContext) == contexts
    finally:
        gc.enable()


UNUSABLE = {
    "truncated_corrupt_unusual/chunk_out_of_range.mp4": "Invalid data",
    "truncated_corrupt_unusual/empty.flv": "Invalid data",
    "truncated_corrupt_unusual/keyed.mp4": "expected frames, got none",
    "truncated_corrupt_unusual/result.webm": "an empty file",
    "truncated_corrupt_unusual/sample_fragmented_clearkey.mp4": "Invalid data",
    "truncated_corrupt_unusual/sample_malformed_free_box.mp4": "Invalid data",
    "truncated_corrupt_unusual/seq_mulref_test.264": "expected frames, got none",
    "truncated_corrupt_unusual/short-cenc.mp4": "encrypted",
}
"""What FFmpeg's own tools do not decode either."""

COUNTS = {
    "open_gop/iibbibb_editlist_videoonly.mp4": 12,
    "other_codecs/sample.avi": 96,
    "portrait_and_odd_dims/-video-with-dash-.mp4": 5,
    "ten_bit_and_chroma/cockatoo.mp4": 280,
    "truncated_corrupt_unusual/BA_MW_D_IDR_LOST.264": 70,
    "truncated_corrupt_unusual/BA_MW_D_P_LOST.264": 99,
    "truncated_corrupt_unusual/corrupted.mp4": 49,
    "truncated_corrupt_unusual/file+with+data&streams=works?.mp4": 309,
    "truncated_corrupt_unusual/h264-sample.h264": 59,
    "truncated_corrupt_unusual/no_timescale.mp4": 170,
    "truncated_corrupt_unusual/sample_empty_track.mp4": 30,
    "truncated_corrupt_unusual/test_res_change.h264": 96,
    "vfr_and_timestamps/sample_partially_fragmented.mp4": 30,
    "vfr_and_timestamps/sample_sef_slow_motion.mp4": 63,
}
"""Frames of files whose headers lie, or that are damaged."""


@pytest.mark.clips
@pytest.mark.slow
def test_awkward_files_are_stored_or_say_why(clips_folder: Path):
    folder = clips_folder / "odd"
    files = [path for path in sorted(folder.glob("*/*")) if path.is_file()]
    assert len(files) == 78
    unusable: dict[str, str] = {}
    counts: dict[str, int] = {}
    everything = ExtractSettings(modalities=("rgb", "mv"), short_side=64)
    vectors = ExtractSettings(modalities=("mv",), short_side=64, mv_source="original")
    for path in files:
        name = path.relative_to(folder).as_posix()
        for settings in (everything, vectors):
            try:
                arrays = extracted(path, settings)
            except VideoError as error:
                unusable[name] = str(error)
                continue
            count = len(arrays["seconds"])
            assert counts.setdefault(name, count) == count
            assert len(arrays["mv"]) == len(arrays["mv_valid"]) == count - 1
            assert (np.diff(arrays["seconds"]) > 0).all()
    assert unusable.keys() == UNUSABLE.keys()
    for name, reason in UNUSABLE.items():
        assert reason in unusable[name]
        assert "\n" not in unusable[name]
    assert counts.items() >= COUNTS.items()


@pytest.mark.clips
@pytest.mark.slow
def test_frame_k_is_nearest_to_frame_k_of_another_decoder(clips_folder: Path):
    """Clips with B-frames, against OpenCV's sequential reading."""
    paths = sorted(clips_folder.glob("hmdb51/**/*.avi"))
    paths += sorted(clips_folder.glob("ucf101/*/*.avi"))[::9]
    with_b_frames = 0
    for path in paths:
        arrays = extracted(path, ExtractSettings(modalities=("rgb",), short_side=240))
        with_b_frames += ord("B") in arrays["picture_types"]
        capture, theirs = cv2.VideoCapture(str(path)), []
        while (read := capture.read())[0]:
            theirs.append(read[1][::4, ::4, ::-1])
        other = np.stack(theirs).astype(np.int16)
        ours = arrays["rgb"][:, ::4, ::4].astype(np.int16)
        assert ours.shape == other.shape
        same = np.abs(ours - other).mean(axis=(1, 2, 3))
        for step in (-2, -1, 1, 2):
            shifted = np.roll(other, step, axis=0)
            differs = np.abs(other - shifted).mean(axis=(1, 2, 3)) > 0.5
            away = np.abs(ours - shifted).mean(axis=(1, 2, 3))
            assert (same[differs] < away[differs]).all(), (path, step)
    assert with_b_frames >= 3
