"""The demo data set: what it draws, and that flow and vectors find its exact motion."""

from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from demo_truth import object_mask, true_flow

from pipeline.adapters.demo import dataset as demo
from pipeline.adapters.demo.drawing import encoded, frames
from pipeline.adapters.demo.motion import (
    CLASSES,
    FRAMES,
    HEIGHT,
    MOTION_CLASSES,
    WIDTH,
    Clip,
    on_object,
    scene,
    screen,
)
from pipeline.adapters.errors import DatasetError
from pipeline.commands.cli import main
from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.store import Store
from pipeline.store.codecs import FLOW_CODECS

CLIPS = 24  # two of every class
INTRA = 11  # frame 12 is intra-coded: the vectors of interval 11 are not there
NEAR_PX = 0.25


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two clips of every class."""
    return demo.load(tmp_path_factory.mktemp("videos") / "demo", limit=CLIPS)


@pytest.fixture(scope="module")
def store(drawn, tmp_path_factory) -> Store:
    """Their flow and vectors, with the default codecs."""
    return extracted(drawn, tmp_path_factory.mktemp("store"), ("flow", "mv"))


@pytest.fixture(scope="module")
def tsn_store(drawn, tmp_path_factory) -> Store:
    """Their flow in the linear 8-bit code."""
    folder = tmp_path_factory.mktemp("tsn")
    return extracted(drawn, folder, ("flow",), flow_codec=FLOW_CODECS["tsn"])


def extracted(dataset, folder: Path, modalities, **settings) -> Store:
    asked = ExtractSettings(short_side=demo.DEMO_SHORT_SIDE, **settings)
    out, here = folder / "demo", Execution(workers=0)
    extract(dataset, asked.only(modalities), out=out, execution=here)
    return Store(out)


@cache
def truth(video_id: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 2) exact motion in interval k, and (H, W) where the object is."""
    clip = demo.clip_of(video_id)
    return true_flow(clip, k), object_mask(clip, k)


def errors_px(store: Store, modality: str, *, late: int = 0, sign: int = 1) -> dict:
    """Interval -> end-point differences at all pixels of all moving objects.

    A cell of `mv` counts for its 8x8 pixels. `late` compares with the motion of another
    interval, `sign` with the opposite motion: both must not fit.
    """
    errors = defaultdict(list)
    for video in store.videos():
        fields = store.read(video.id, modality)
        valid = np.ones(len(fields), bool)
        if modality == "mv":
            valid = store.read(video.id, "mv_valid")
            fields = fields.repeat(8, axis=1).repeat(8, axis=2)
        for k in range(max(0, -late), len(fields) - max(0, late)):
            if valid[k]:
                motion, inside = truth(video.id, k + late)[0], truth(video.id, k)[1]
                away = (fields[k] - sign * motion)[inside]
                errors[k].append(np.hypot(away[:, 0], away[:, 1]))
    return {k: np.concatenate(parts) for k, parts in errors.items()}


def medians_px(store: Store, modality: str, **wrong) -> dict[int, float]:
    errors = errors_px(store, modality, **wrong)
    return {k: float(np.median(values)) for k, values in errors.items()}


@pytest.mark.slow
def test_flow_is_the_true_motion_of_the_objects_in_every_interval(store):
    medians = medians_px(store, "flow")
    assert list(medians) == list(range(FRAMES - 1))
    assert max(medians.values()) <= NEAR_PX


@pytest.mark.slow
def test_flow_in_the_linear_code_is_the_true_motion_in_every_interval(tsn_store):
    medians = medians_px(tsn_store, "flow")
    assert list(medians) == list(range(FRAMES - 1))
    assert max(medians.values()) <= NEAR_PX


@pytest.mark.slow
def test_vectors_are_the_true_motion_of_the_objects_in_every_valid_interval(store):
    medians = medians_px(store, "mv")
    assert list(medians) == [k for k in range(FRAMES - 1) if k != INTRA]
    assert max(medians.values()) <= NEAR_PX


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["flow", "mv"])
@pytest.mark.parametrize("wrong", [{"late": 1}, {"late": -1}, {"sign": -1}])
def test_the_motion_of_a_neighbour_or_the_opposite_one_does_not_fit(
    store, modality, wrong
):
    assert min(medians_px(store, modality, **wrong).values()) > NEAR_PX


@pytest.mark.parametrize("kind", CLASSES)
def test_the_next_frame_looked_up_along_the_true_motion_is_this_frame(kind):
    clip, k = Clip(1, 0, kind), 5
    shown, inside = frames(clip).astype(np.float32), object_mask(clip, k)

    def difference(shift) -> float:
        x, y = np.moveaxis(screen() + true_flow(clip, k) + shift, 2, 0)
        seen = (x >= 0) & (y >= 0) & (x < WIDTH - 1) & (y < HEIGHT - 1) & inside
        left, top = x[seen].astype(int), y[seen].astype(int)
        right, low = (x[seen] - left)[:, None], (y[seen] - top)[:, None]
        later = shown[k + 1]
        upper = later[top, left] * (1 - right) + later[top, left + 1] * right
        lower = later[top + 1, left] * (1 - right) + later[top + 1, left + 1] * right
        return np.abs(upper * (1 - low) + lower * low - shown[k][seen]).mean()

    here = difference((0, 0))
    around = [difference(shift) for shift in ((0.7, 0), (-0.7, 0), (0, 0.7), (0, -0.7))]
    assert here < min(around)


def test_classes_are_what_their_names_say():
    def own_motion(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Object minus background mid clip, place from its centre, where it is."""
        clip, k = Clip(1, 3, kind), FRAMES // 2
        view, inside = scene(clip), object_mask(clip, k)
        own = true_flow(clip, k) - (view.camera[k] - view.camera[k + 1])
        return own, on_object(view._replace(angle=0 * view.angle), k), inside

    for kind, axis, sign in (
        ("left", 0, -1),
        ("right", 0, 1),
        ("rise_dark", 1, -1),
        ("fall_warm", 1, 1),
    ):
        own, _, inside = own_motion(kind)
        assert np.all(sign * own[inside][:, axis] > 0.8)
        assert np.allclose(own[inside][:, 1 - axis], 0, atol=1e-5)
    for kind, sign in (("cw", 1), ("ccw", -1)):
        own, at, inside = own_motion(kind)  # clockwise: what is right of it goes down
        curl = at[..., 0] * own[..., 1] - at[..., 1] * own[..., 0]
        assert np.all(sign * curl[inside] >= 0)
    for kind, sign in (("expand", 1), ("contract", -1)):
        own, at, inside = own_motion(kind)
        assert np.all(sign * (at * own).sum(axis=2)[inside] >= -1e-5)


def test_a_single_frame_does_not_tell_the_motion_by_place_or_size():
    clips, rng = 500, np.random.default_rng(0)
    seen, kinds = [], []
    for number, kind in enumerate(MOTION_CLASSES):
        for group in range(clips):
            view, k = scene(Clip(5, group, kind)), rng.integers(FRAMES)
            x, y = view.centre[k] - view.camera[k]
            seen.append((x, y, 20 * np.log(view.scale[k]), view.radius))
            kinds.append(number)
    seen, kinds = np.array(seen), np.array(kinds)
    learnt = rng.permutation(len(kinds)) < len(kinds) // 2
    right = 0
    for place, kind in zip(seen[~learnt], kinds[~learnt], strict=True):
        near = np.argpartition(((seen[learnt] - place) ** 2).sum(axis=1), 40)[:40]
        right += np.bincount(kinds[learnt][near], minlength=8).argmax() == kind
    chance, tests = 1 / len(MOTION_CLASSES), (~learnt).sum()
    assert right / tests < chance + 3 * np.sqrt(chance * (1 - chance) / tests)


def test_the_members_of_a_pair_move_alike():
    paths = {kind: [] for kind in CLASSES}
    for kind in CLASSES:
        for group in range(200):
            view = scene(Clip(7, group, kind))
            paths[kind].append(view.centre[-1] - view.centre[0])
    for one, other in (("rise_bright", "rise_dark"), ("fall_warm", "fall_cool")):
        apart = np.mean(paths[one], axis=0) - np.mean(paths[other], axis=0)
        assert np.linalg.norm(apart) < 1.5  # px, of some 31


def test_the_same_clip_is_the_same_bytes_and_another_seed_is_not():
    clip = Clip(1, 4, "fall_cool")
    assert encoded(frames(clip)) == encoded(frames(clip))
    assert encoded(frames(clip)) != encoded(frames(clip._replace(seed=2)))


def test_every_class_has_as_many_clips_in_every_part_of_every_split(tmp_path):
    for size in demo.SIZES.values():
        for split in demo.SPLITS:
            parts = Counter(demo.role(group, size, split) for group in range(sum(size)))
            assert parts == {"train": size.train, "test": size.test}


def test_videos_know_their_class_group_and_splits(drawn):
    assert len(drawn.videos) == CLIPS and drawn.classes == CLASSES
    assert not drawn.mirror_safe
    assert drawn.splits == {"1": "official", "2": "official", "3": "official"}
    for video in drawn.videos:
        kind, group = video.id.split("/")[1].rsplit("_", 1)
        assert drawn.classes[video.labels[0]] == kind and video.group == group
        assert (drawn.folder / video.path).stat().st_size == video.size_bytes
        for split, part in video.splits.items():
            listed = drawn.folder / "splits" / "tour" / f"{part}list0{split}.txt"
            assert video.path in listed.read_text()


def test_what_is_there_stays_and_what_is_missing_is_drawn_again(tmp_path):
    first = demo.load(tmp_path, classes=("cw", "rise_dark"), limit=4)
    paths = [tmp_path / video.path for video in first.videos]
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in paths}
    paths[0].unlink()
    seen = []
    again = demo.load(
        tmp_path,
        classes=("cw", "rise_dark"),
        limit=4,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert again == first and seen == [(1, 1)]
    assert [path.read_bytes() for path in paths] == [before[p][1] for p in paths]
    assert [p.stat().st_ino for p in paths[1:]] == [before[p][0] for p in paths[1:]]
    assert not list(tmp_path.rglob("*.part"))


def test_seed_and_size_of_a_folder_are_kept(tmp_path):
    first = demo.load(tmp_path, seed=3, size="full", limit=1)
    assert demo.load(tmp_path, limit=1) == first
    with pytest.raises(DatasetError, match="seed 4; got drawing .*, seed 3"):
        demo.load(tmp_path, seed=4, limit=1)


def test_the_command_draws_and_says_no_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(demo.SIZES, "full", demo.Size(2, 1))
    wanted = ("demo", "--videos", str(tmp_path / "demo"), "--size", "full", "--seed")
    drawn = CliRunner().invoke(main, [*wanted, "7"])
    assert drawn.exit_code == 0, drawn.output
    assert "drawn with seed 7, size full: 36 clips" in drawn.output
    assert len(list((tmp_path / "demo").rglob("*.mp4"))) == 36
    refused = CliRunner().invoke(main, [*wanted, "8"])
    assert refused.exit_code == 1
    assert "got drawing 1, seed 7; remove it, or give another" in refused.output


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="expected an empty folder or a demo"):
        demo.load(tmp_path, limit=1)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


def test_a_class_or_size_that_is_not_there_changes_nothing(tmp_path):
    with pytest.raises(DatasetError, match="size: expected one of tour, full"):
        demo.load(tmp_path / "demo", size="huge")
    with pytest.raises(DatasetError, match="walk"):
        demo.load(tmp_path / "demo", classes=("walk",))
    assert not (tmp_path / "demo").exists()
