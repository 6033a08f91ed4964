"""Colours of known motion, and pictures of a store whose content we know."""

import resource
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from default_codecs import default_codec

from pipeline.inspection import panels as panels_module
from pipeline.inspection.panels import GAP_PX, HEADING_PX, LEGEND_PX, PANEL_PX, TITLE_PX
from pipeline.inspection.panels import draw as draw_panels
from pipeline.inspection.preview import file_name, preview
from pipeline.store import (
    CELL_PX,
    RangeError,
    Store,
    StoreNotFound,
    VideoNotFound,
    motion_colours,
    motion_wheel,
)
from pipeline.store.file_names import MANIFEST, shard_file
from pipeline.store.files import write_index
from pipeline.store.index import IndexRecord, Rows
from pipeline.store.manifest import Manifest, ModalityRecord
from pipeline.store.sealing import write_sealed
from pipeline.store.shard import ShardWriter
from pipeline.store.shard_file import file_record

RIGHT, DOWN, LEFT, UP = (3.0, 0.0), (0.0, 3.0), (-3.0, 0.0), (0.0, -3.0)
HASH = "0" * 32


def write_store(folder: Path, arrays: dict[str, np.ndarray], *, frames: int) -> Path:
    """A store of one video, "a/clip", of these arrays; vectors of interval 2 are not valid."""
    folder.mkdir()
    height, width = next(
        array.shape[1:3] for name, array in arrays.items() if name != "mv"
    )
    valid = np.arange(frames - 1) != 2
    records, rows = {}, {}
    for modality, values in arrays.items():
        name, codec = shard_file(modality, 0), default_codec(modality)
        with (
            ShardWriter(folder / name, modality=modality, codec=codec) as shard,
            shard.video("a/clip", height=height, width=width) as entry,
        ):
            entry.append(values, valid if modality == "mv" else None)
            entry.append_frames(np.arange(frames) / 25, np.full(frames, ord("P")))
        files = (file_record(folder / name, modality=modality),)
        records[modality] = ModalityRecord(codec=codec.to_dict(), files=files)
        rows[modality] = Rows(0, 0, len(values))
    video = IndexRecord(
        id="a/clip",
        path="a/clip.mp4",
        size_bytes=1,
        xxh3=HASH,
        labels=(0,),
        splits={},
        group="a",
        segments=(),
        frames=frames,
        height=height,
        width=width,
        fps=25.0,
        codec="h264",
        clipped_share=None,
        rows=rows,
    )
    xxh3 = write_index(folder, [video])
    manifest = Manifest(
        dataset="folder",
        classes=("a",),
        splits={},
        mirror_safe=True,
        settings={},
        fingerprint=HASH,
        shards=1,
        modalities=records,
        videos=1,
        index=(xxh3,),
    )
    write_sealed(folder / MANIFEST, manifest.to_dict())
    return folder


@pytest.fixture(scope="module")
def moving_right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 6 frames, 64 x 96 px, in which everything moves 3 px to the right."""
    texture = np.random.default_rng(0).integers(60, 200, (64, 96, 3), np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2)
    arrays = {
        "rgb": np.stack([np.roll(texture, 3 * t, axis=1) for t in range(6)]),
        "flow": np.full((5, 64, 96, 2), RIGHT, np.float32),
        "mv": np.full((5, 8, 12, 2), RIGHT, np.float32),
    }
    return write_store(tmp_path_factory.mktemp("preview") / "store", arrays, frames=6)


def panels(image: Path) -> list[np.ndarray]:
    """The pictures within their frames, of a preview of 96 x 64 px, enlarged by 3."""
    drawn = cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB)
    step = PANEL_PX + GAP_PX
    left = (PANEL_PX - 3 * 96) // 2
    top = HEADING_PX + TITLE_PX
    return [
        drawn[top + 1 : top + 3 * 64 - 1, x + left + 1 : x + left + 3 * 96 - 1]
        for x in range(GAP_PX, drawn.shape[1] - PANEL_PX, step)
    ]


@pytest.mark.parametrize(
    ("motion", "colour"),
    [
        ((0.0, 0.0), (255, 255, 255)),
        (RIGHT, (255, 0, 0)),
        (DOWN, (255, 234, 0)),  # a quarter turn is place 13.75; yellow is at 15
        (LEFT, (0, 197, 255)),  # half a turn is place 27.5; cyan is at 25, blue at 36
        (UP, (103, 0, 255)),  # place 41.25; blue is at 36, magenta at 49
    ],
)
def test_direction_is_the_hue(motion, colour) -> None:
    drawn = motion_colours(np.array(motion), bound_px=3)
    np.testing.assert_allclose(drawn, colour, atol=1)


def test_length_is_the_saturation() -> None:
    half, beyond = motion_colours(np.array([(1.5, 0), (6, 0)]), bound_px=3)
    np.testing.assert_array_equal(half, (255, 128, 128))
    np.testing.assert_array_equal(beyond, (191, 0, 0))


def test_hues_have_no_step_where_the_circle_closes() -> None:
    angles = np.linspace(-0.01, 0.01, 5)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    colours = motion_colours(around, bound_px=1).astype(int)
    assert np.abs(np.diff(colours, axis=0)).max() <= 3


def test_wheel_has_right_at_its_right_and_paper_around_it() -> None:
    legend = motion_wheel(100, background=(9, 9, 9))
    assert legend.shape == (100, 100, 3)
    assert tuple(legend[0, 0]) == (9, 9, 9)
    np.testing.assert_allclose(legend[50, 98], (255, 5, 5), atol=6)
    assert (legend[50, 50] > 245).all()


def test_picture_shows_one_interval_in_every_modality(moving_right, tmp_path) -> None:
    made = preview(moving_right, "a/clip", out=tmp_path / "p.png", movie=False)
    assert (made.bound_px, made.movie) == (3, None)
    rgb, flow, mv = panels(made.image)
    assert rgb.std() > 5
    for field in (flow, mv):
        np.testing.assert_allclose(
            field, np.broadcast_to((255, 0, 0), field.shape), atol=2
        )


def test_picture_is_of_the_interval_with_most_motion(tmp_path) -> None:
    speed = np.array([1, 2, 9, 4, 3], np.float32).reshape(5, 1, 1, 1)
    arrays = {
        "rgb": np.full((6, 64, 96, 3), 100, np.uint8),
        "mv": np.ones((5, 8, 12, 2), np.float32) * speed,
    }
    store = write_store(tmp_path / "store", arrays, frames=6)
    made = preview(store, out=tmp_path / "p.png", movie=False)
    assert made.interval == 3  # 2 moves more, but is not valid


def test_legend_gives_the_numbers(moving_right, tmp_path) -> None:
    made = preview(moving_right, out=tmp_path / "p.png", movie=False)
    drawn = cv2.imread(str(made.image))
    assert drawn.shape == (
        HEADING_PX + TITLE_PX + 3 * 64 + LEGEND_PX,
        GAP_PX + 3 * (PANEL_PX + GAP_PX),
        3,
    )
    legend = drawn[-LEGEND_PX:]
    np.testing.assert_allclose(legend[48, 85], (20, 20, 255), atol=25)  # rim: BGR red
    assert (legend[:, LEGEND_PX:] < 80).all(axis=-1).sum() > 200, "no text beside it"


def test_intervals_that_are_not_valid_are_hatched(moving_right, tmp_path) -> None:
    made = preview(moving_right, out=tmp_path / "p.png", interval=2, movie=False)
    _, flow, mv = panels(made.image)
    grey = (mv == 150).all(axis=-1)
    assert grey.mean() == pytest.approx(2 / CELL_PX, abs=0.02)
    assert not (flow == 150).any()


def test_movie_has_a_frame_per_interval(moving_right, tmp_path) -> None:
    made = preview(moving_right, out=tmp_path / "p.png", frames=4)
    assert made.movie == tmp_path / "p.mp4"
    with av.open(str(made.movie)) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(shown) == 4
    image = cv2.imread(str(made.image))
    assert shown[0].shape == image.shape


@pytest.mark.parametrize("only", ["rgb", "flow"])
def test_modalities_that_are_not_there_are_left_out(only, tmp_path) -> None:
    arrays = {
        "rgb": np.full((2, 64, 96, 3), 100, np.uint8),
        "flow": np.full((1, 64, 96, 2), DOWN, np.float32),
    }
    store = write_store(tmp_path / "store", {only: arrays[only]}, frames=2)
    made = preview(store, out=tmp_path / "p.png")
    panel = panels(made.image)[0]
    expected = {"rgb": (100, 100, 100), "flow": (255, 234, 0)}[only]
    np.testing.assert_allclose(panel, np.broadcast_to(expected, panel.shape), atol=3)
    assert made.bound_px == (None if only == "rgb" else 3)


def test_video_of_one_frame_has_a_picture_and_no_movie(tmp_path) -> None:
    arrays = {
        "rgb": np.full((1, 64, 96, 3), 100, np.uint8),
        "flow": np.empty((0, 64, 96, 2), np.float32),
    }
    store = write_store(tmp_path / "store", arrays, frames=1)
    made = preview(store, out=tmp_path / "p")
    assert made.image == tmp_path / "p.png"
    assert made.image.exists()
    (tmp_path / "folder").mkdir()
    made = preview(store, out=tmp_path / "folder")
    assert made.image.parent == tmp_path / "folder" and made.image.exists()
    assert made.movie is None


def test_what_is_not_there_is_named(moving_right, tmp_path) -> None:
    with pytest.raises(RangeError, match="a/clip: expected an interval below 5, got 5"):
        preview(moving_right, out=tmp_path / "p.png", interval=5)
    with pytest.raises(VideoNotFound, match="nobody"):
        preview(moving_right, "nobody", out=tmp_path / "p.png")
    with pytest.raises(StoreNotFound):
        preview(tmp_path, out=tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("motion", [RIGHT, DOWN, LEFT, UP])
def test_the_four_directions_have_the_colours_of_torchvision(motion) -> None:
    from torchvision.utils import flow_to_image

    field = torch.tensor(motion).reshape(2, 1, 1)
    theirs = flow_to_image(field)[:, 0, 0].numpy().astype(int)
    ours = motion_colours(np.array(motion), bound_px=3)
    np.testing.assert_allclose(ours, theirs, atol=16)  # they leave a step of 55 out


def test_the_colours_follow_flow_not_a_stray_vector(tmp_path) -> None:
    vectors = np.full((1, 8, 12, 2), RIGHT, np.float32)
    vectors[0, 0, :2] = 40, 0
    flow = np.full((1, 64, 96, 2), RIGHT, np.float32)
    flow[0, 0, :10] = 15, 0
    rgb = np.full((2, 64, 96, 3), 100, np.uint8)
    store = write_store(
        tmp_path / "store", {"rgb": rgb, "flow": flow, "mv": vectors}, frames=2
    )
    assert preview(store, out=tmp_path / "p.png", movie=False).bound_px == 3
    alone = write_store(tmp_path / "mv", {"rgb": rgb, "mv": vectors}, frames=2)
    assert preview(alone, out=tmp_path / "q.png", movie=False).bound_px == 40


@pytest.mark.parametrize("modality", ["flow", "mv"])
def test_the_legend_is_whole_for_one_modality(modality, tmp_path) -> None:
    shape = {"flow": (3, 64, 96, 2), "mv": (3, 8, 12, 2)}[modality]
    values = np.full(shape, -15.25, np.float32)
    values[1] = 0  # shorter numbers, but a movie has one size
    rgb = np.full((4, 64, 96, 3), 100, np.uint8)
    store = write_store(tmp_path / "store", {"rgb": rgb, modality: values}, frames=4)
    made = preview(store, out=tmp_path / "p.png", interval=0)
    stored = Store(store).read("a/clip", modality)[0]
    moment = panels_module.Moment(interval=0, seconds=0, **{modality: stored})
    narrow = draw_panels(moment, bound_px=22, heading="a/clip, class a")
    ink = (narrow[-LEGEND_PX:] < 80).all(axis=-1)
    assert ink.any() and not ink[:, -GAP_PX:].any()
    wide = cv2.cvtColor(cv2.imread(str(made.image)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(
        ink[:, :400], (wide[-LEGEND_PX:, :400] < 80).all(axis=-1)
    )


def test_clip_and_class_stand_in_the_picture(tmp_path, monkeypatch) -> None:
    headings = []

    def draw(*given, heading, **more):
        headings.append(heading)
        return draw_panels(*given, heading=heading, **more)

    monkeypatch.setattr("pipeline.inspection.preview.draw", draw)
    rgb = np.full((2, 64, 96, 3), 100, np.uint8)
    store = write_store(tmp_path / "store", {"rgb": rgb}, frames=2)
    made = preview(store, out=tmp_path / "p.png", movie=False)
    assert headings == ["a/clip, class a"]
    heading = cv2.imread(str(made.image))[:HEADING_PX]
    assert 50 < (heading < 128).all(axis=-1).sum() < 1000


def test_a_heading_that_is_too_long_keeps_its_end() -> None:
    moment = panels_module.Moment(
        interval=0, seconds=0, rgb=np.full((64, 96, 3), 100, np.uint8)
    )
    ends = [
        draw_panels(moment, bound_px=None, heading=text + "x" * 60 + "END")[:HEADING_PX]
        for text in ("a" * 200, "b" * 200)
    ]
    np.testing.assert_array_equal(*ends)
    assert (ends[0] < 128).any()


def test_no_two_videos_of_a_store_have_a_picture_of_one_name() -> None:
    ids = ["a/b_c", "a_b/c", "A_b/c", "-rf", "x\n\x1b/..", "日本/一", "n/" + "z" * 300]
    ids += ["n/" + "z" * 300 + "y"]
    names = [file_name(one, ids) for one in ids]
    assert len({name.lower() for name in names}) == len(ids)
    assert names[3:6] == ["_rf", "x___..", "日本_一"]
    assert all(len(f"{name}.png".encode()) < 256 and "/" not in name for name in names)
    assert file_name("a/b_c", ["a/b_c", "d"]) == "a_b_c"


def test_a_single_frame_without_rgb_is_told(tmp_path) -> None:
    empty = np.empty((0, 64, 96, 2), np.float32)
    store = write_store(tmp_path / "store", {"flow": empty}, frames=1)
    with pytest.raises(RangeError, match="a single frame"):
        preview(store, out=tmp_path / "p.png")


def test_a_picture_that_cannot_be_written_leaves_nothing(moving_right, tmp_path):
    """libpng itself would say so on standard error, and leave a half."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large: .*p.png"):
            preview(moving_right, out=tmp_path / "p.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.glob("*p.png*"))
