"""Trees of frames -> a store: which bytes, which interval, which value."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from exported import FRAMES, IDS, exported
from made_trees import HEIGHT, WIDTH, grey_of_image, level, picture, write, write_video
from xxhash import xxh3_128_hexdigest

from pipeline.commands.cli import main
from pipeline.exchange.importing import import_frames, import_settings, load_trees
from pipeline.exchange.incoming import stored_levels
from pipeline.exchange.levels import Levels
from pipeline.exchange.trees import Trees
from pipeline.store import Store
from pipeline.store.jpeg_codecs import JpegFlow

BOUND = 20.0


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def imported(out: Path, *, bound_px: float = BOUND, **trees: object) -> Store:
    data = load_trees(Trees(**trees))  # type: ignore[arg-type]
    settings = import_settings(data.trees, bound_px=bound_px, frames_per_second=25.0)
    done = import_frames(data, settings, out=out)
    assert done.exit_code == 0, done.text()
    return Store(out)


@pytest.fixture(scope="module")
def round_trip(
    odd_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    """A store, and what an export and an import make of it."""
    folder = tmp_path_factory.mktemp("round_trip")
    exported(odd_store, folder / "out", "frames")
    frames = folder / "out" / "frames"
    yield Store(odd_store), imported(folder / "new", images=frames, flow=frames)


def new_id(video_id: str) -> str:
    return video_id.replace(" ", "%20")


@pytest.mark.parametrize("video_id", IDS)
def test_exported_frames_come_back_byte_for_byte(
    round_trip: tuple[Store, Store], video_id: str
) -> None:
    old, new = round_trip
    for k, row in enumerate(old.rows(video_id, "rgb", start=0, stop=FRAMES[video_id])):
        (there,) = new.rows(new_id(video_id), "rgb", start=k, stop=k + 1)
        assert there.tobytes() == row.tobytes()
    assert new.video(new_id(video_id)).frames == FRAMES[video_id]


@pytest.mark.parametrize("video_id", [name for name in IDS if FRAMES[name] > 1])
def test_exported_flow_comes_back_within_the_stated_error(
    round_trip: tuple[Store, Store], video_id: str
) -> None:
    """Two quantisations; JPEG, once by the export and once by the store, adds its own."""
    old, new = round_trip
    before, after = old.read(video_id, "flow"), new.read(new_id(video_id), "flow")
    assert after.shape == before.shape
    error = np.abs(after - before)
    stated = BOUND / 255 + BOUND / 254
    assert error.mean() < stated and error.max() < 6 * stated
    if len(before) > 9:
        shifted = np.abs(after[9:] - before[:-9]).mean()
        assert shifted > 5 * error.mean()


def test_labels_follow_the_folders(round_trip: tuple[Store, Store]) -> None:
    _, new = round_trip
    assert new.classes == ("jump", "run")
    for video in new.videos():
        assert video.class_names == (video.id.partition("/")[0],)


def test_the_store_says_that_it_was_imported(round_trip: tuple[Store, Store]) -> None:
    _, new = round_trip
    assert new.settings["common"] == {
        "imported_frames": "denseflow",
        "frames_per_second": 25.0,
    }
    assert list(new.settings["flow"]) == ["codec"]
    video = new.video("run/#e")
    assert (video.codec, video.fps) == ("jpeg", 25.0)
    assert new.seconds("run/#e")[[1, 19]].tolist() == [0.04, 0.76]


def test_the_table_of_an_export_brings_labels_splits_and_groups_back(
    odd_store: Path, round_trip: tuple[Store, Store], tmp_path: Path
) -> None:
    old, new = round_trip
    frames = new.folder.parent / "out"
    done = run(
        *("import", "--from", "frames", "--images", frames / "frames", "--jobs", 1),
        *("--dataset", "list", "--splits", frames / "videos.jsonl"),
        *("--out", tmp_path / "new"),
    )
    assert done.exit_code == 0, done.output
    again = Store(tmp_path / "new")
    for video in old.videos():
        back = again.video(new_id(video.id))
        assert (back.class_names, back.splits) == (video.class_names, video.splits)
        assert back.group == video.group
    assert again.classes == old.classes


def test_clips_are_cut_from_an_imported_store(tmp_path: Path) -> None:
    """Frame t, the interval that begins with it and no other, as any store gives them."""
    from training.data import StoreClips

    names, first, flows, begin = LAYOUTS["tsn"]
    write_video(tmp_path / "tree/run/a", 6, flows=flows, first=first, names=names)
    trees = dict.fromkeys(("images", "flow"), tmp_path / "tree")
    store = imported(tmp_path / "new", layout="tsn", **trees)
    clips = StoreClips(
        store.folder,
        modalities=("rgb", "flow"),
        part="all",
        length=4,
        crop_px=(16, 16),
        short_px=None,
        augment=False,
    )
    item = clips[0]
    assert item["rgb"].shape == (3, 4, 16, 16) and item["flow"].shape == (2, 4, 16, 16)
    start = int(item["start"])
    expected = [level(begin + start + t, 0) * 2 / 255 - 1 for t in range(4)]
    found = item["flow"][0, :, 8, 8].tolist()
    np.testing.assert_allclose(found, expected, atol=1 / 250)


@pytest.mark.parametrize("floor", (False, True))
@pytest.mark.parametrize("bound", (20.0, 7.5))
def test_levels_of_files_become_those_of_a_store(bound: float, floor: bool) -> None:
    codec = JpegFlow(curve="linear", bound_px=bound, quality=95)
    table = stored_levels(codec, floor=floor)
    files = Levels(bound_px=bound, floor=floor).values(np.arange(256))
    error = np.abs(codec.values(table) - files)
    assert error.max() <= bound / 254 * 1.0001
    assert np.all(np.diff(table.astype(int)) >= 0)
    still = Levels(bound_px=bound, floor=floor).levels(np.zeros(1, np.float32))
    assert codec.values(table[still]) == 0  # what stands still stays so


LAYOUTS = {
    # layout: names, first number, fields beside 6 images, file of the first interval
    "denseflow": (("img_", "flow_x_", "flow_y_"), 0, 5, 0),
    "tsn": (("img_", "flow_x_", "flow_y_"), 1, 6, 2),
    "mars": (("", "TVL1jpg_x_", "TVL1jpg_y_"), 1, 5, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("modalities", ("images flow", "images", "flow"))
def test_each_file_is_its_frame_or_interval(
    layout: str, modalities: str, tmp_path: Path
) -> None:
    names, first, flows, begin = LAYOUTS[layout]
    tree = tmp_path / "tree"
    write_video(tree / "run/a", 6, flows=flows, first=first, names=names)
    trees = dict.fromkeys(modalities.split(), tree)
    store = imported(tmp_path / "new", layout=layout, **trees)
    video = store.video("run/a")
    assert (video.frames, video.height, video.width) == (6, HEIGHT, WIDTH)
    if "images" in trees:
        for k, frame in enumerate(store.read("run/a", "rgb")):
            assert np.abs(frame.astype(int) - grey_of_image(first + k)).max() <= 1
    if "flow" in trees:
        field = store.read("run/a", "flow")
        assert len(field) == 5
        for k, component in np.ndindex(5, 2):
            grey = level(begin + k, component) + (0.5 if layout == "mars" else 0)
            value = grey * 2 * BOUND / 255 - BOUND
            nearest = np.rint(127 * value / BOUND) * BOUND / 127
            found = field[k, ..., component]
            np.testing.assert_allclose(found, nearest, atol=1e-5, err_msg=f"{k}")


def test_the_bound_is_that_of_the_files(tmp_path: Path) -> None:
    write_video(tmp_path / "tree/run/a", 3)
    store = imported(tmp_path / "new", flow=tmp_path / "tree", bound_px=8.0)
    value = level(2, 1) * 16 / 255 - 8
    found = store.read("run/a", "flow")[1, ..., 1]
    assert np.abs(found - value).max() <= 8 / 254 * 1.01


def test_the_source_is_all_files_of_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "tree/run/a"
    write_video(folder, 3)
    trees = dict.fromkeys(("images", "flow"), tmp_path / "tree")
    video = imported(tmp_path / "new", **trees).video("run/a")
    names = [f"img_{k:05d}.jpg" for k in (1, 2, 3)]
    names += [f"flow_{c}_{k:05d}.jpg" for c in "xy" for k in (1, 2)]
    contents = {name: (folder / name).read_bytes() for name in names}
    lines = [f"{n}\t{len(c)}\t{xxh3_128_hexdigest(c)}\n" for n, c in contents.items()]
    assert video.xxh3 == xxh3_128_hexdigest("".join(lines).encode())
    assert video.size_bytes == sum(map(len, contents.values()))


def test_values_at_the_bound_are_counted_as_clipped(tmp_path: Path) -> None:
    """One component of one of two intervals is at the upper bound, another at the lower."""
    folder = tmp_path / "tree/run/a"
    write_video(folder, 3)
    for name, value in (("flow_x_00001.jpg", 255), ("flow_y_00002.jpg", 0)):
        write(folder / name, picture(value)[..., 0])
    store = imported(tmp_path / "new", flow=tmp_path / "tree")
    assert store.video("run/a").clipped_share == 0.5
    field = store.read("run/a", "flow")
    assert (field[0, ..., 0].mean(), field[1, ..., 1].mean()) == (BOUND, -BOUND)


def test_images_and_flow_in_trees_of_their_own(tmp_path: Path) -> None:
    images, flow = tmp_path / "rgb", tmp_path / "of"
    write_video(images / "v1", 4, flow_folder=flow / "v1")
    store = imported(tmp_path / "new", images=images, flow=flow)
    assert store.ids() == ("v1",) and store.video("v1").labels == ()
    assert store.read("v1", "flow").shape == (3, HEIGHT, WIDTH, 2)


@pytest.mark.parametrize(
    "options, kept",
    [
        ((), True),
        ((cv2.IMWRITE_JPEG_PROGRESSIVE, 1), False),
        ((cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111), False),
        ((cv2.IMWRITE_JPEG_RST_INTERVAL, 2), True),
    ],
)
def test_only_what_a_row_may_be_is_taken_as_it_is(
    options: tuple[int, ...], kept: bool, tmp_path: Path
) -> None:
    """A picture that is encoded again is nearly the same; all others are the same."""
    random = np.random.default_rng(0).integers(0, 255, (2, 3, 3), np.uint8)
    shown = cv2.resize(random, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    folder = tmp_path / "tree/run/a"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "img_00001.jpg"), shown, options)
    data = load_trees(Trees(images=tmp_path / "tree"))
    settings = import_settings(data.trees, bound_px=20, frames_per_second=25)
    done = import_frames(data, settings, out=tmp_path / "new")
    assert (done.kept, done.recoded) == (kept, not kept)
    store = Store(tmp_path / "new")
    (row,) = store.rows("run/a", "rgb", start=0, stop=1)
    content = (folder / "img_00001.jpg").read_bytes()
    assert (row.tobytes() == content) == kept
    there = cv2.imread(str(folder / "img_00001.jpg"))[..., ::-1].astype(int)
    off = np.abs(store.read("run/a", "rgb")[0].astype(int) - there)
    assert off.mean() < (0.001 if kept else 3)
    part = store.read("run/a", "rgb", crop=(8, 3, 12, 27))[0]
    np.testing.assert_array_equal(part, store.read("run/a", "rgb")[0][8:20, 3:30])


def test_commands_take_an_imported_store(tmp_path: Path) -> None:
    """By the command line, from the tree to a part of the store."""
    for name in ("run/a", "run/b", "jump/c"):
        write_video(tmp_path / "tree" / name, 12)
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train_1.txt").write_text("run/a 12 1\njump/c 12 0\n")
    (lists / "test_1.txt").write_text("run/b 12 1\n")
    tree, store = tmp_path / "tree", tmp_path / "store"
    done = run(
        *("import", "--from", "frames", "--images", tree, "--flow", tree),
        *("--splits", lists, "--out", store, "--jobs", 1, "--name", "mine"),
    )
    assert done.exit_code == 0, done.output
    assert "36 JPEGs taken as they are, 0 decoded" in done.output
    assert "0.078 px in the files and by 0.079 px more" in done.output
    for words in (
        ("verify", store, "--decode"),
        ("info", store),
        ("copy", store, tmp_path / "part", "--classes", "run"),
        ("verify", tmp_path / "part", "--decode"),
        ("copy", store, tmp_path / "whole"),
        (
            "merge",
            store,
            tmp_path / "part",
            "--prefix",
            "videos",
            "--out",
            tmp_path / "two",
        ),
        ("relabel", store, "--splits", lists, "--out", tmp_path / "again"),
    ):
        found = run(*words)
        assert found.exit_code == 0, (words, found.output)
    assert "imported frames (denseflow), 25 fps" in run("stores", tmp_path).output
    part, whole = Store(tmp_path / "part"), Store(store)
    assert whole.dataset == "mine" and whole.video("run/b").splits == {"1": "test"}
    assert part.ids() == ("run/a", "run/b")
    np.testing.assert_array_equal(
        part.read("run/b", "flow"), whole.read("run/b", "flow")
    )
