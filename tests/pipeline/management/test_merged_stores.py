"""Several stores in one: names joined or kept apart, rows as they were."""

import shutil

import pytest
from managed import killed_at, one_line, require_same_video
from small_videos import store_bytes

from pipeline.management import making
from pipeline.management.errors import ManagementError
from pipeline.store import Store, verify
from pipeline.store.file_names import MANIFEST
from pipeline.store.files import read_manifest
from pipeline.store.manifest import Manifest
from pipeline.store.sealing import write_sealed


@pytest.fixture(scope="module")
def halves(original, tmp_path_factory):
    """The store in two parts, by class."""
    folder = tmp_path_factory.mktemp("halves")
    for name in ("right", "left"):
        making.copy(original, folder / name, classes=[name])
    return [folder / "right", folder / "left"]


def test_the_parts_of_a_store_make_it_again(original, halves, tmp_path):
    outcome = making.merge(halves, tmp_path / "new")
    store, old = Store(tmp_path / "new"), Store(original)
    assert store.dataset == old.dataset and outcome.remarks == ()
    assert store.classes == ("right", "left")  # in the order of the arguments
    assert store.ids() == old.ids() and store.splits == old.splits
    for video in store.videos():
        before = old.video(video.id)
        assert video.class_names == before.class_names
        assert (video.splits, video.group) == (before.splits, before.group)
        require_same_video(store, video.id, old, video.id)
    assert not verify(tmp_path / "new", decode=True)


def test_classes_of_one_name_are_one(original, halves, tmp_path):
    making.merge([halves[0], original], tmp_path / "new", prefix=["videos"])
    store, old = Store(tmp_path / "new"), Store(original)
    assert store.classes == ("right", "left") and len(store.videos()) == 15
    names = {
        f"{called}/{name}": name for called in ("right", "store") for name in old.ids()
    }
    for video in store.videos():
        was = names[video.id]
        assert video.class_names == old.video(was).class_names
        assert video.path == f"{video.id}.mp4"
        assert video.group == video.id.replace(was, old.video(was).group)
        require_same_video(store, video.id, old, was)
    assert store.manifest.bad.keys() == {"store/left/broken"}
    assert not verify(tmp_path / "new")


def test_classes_are_kept_apart_by_a_prefix(original, halves, tmp_path):
    outcome = making.merge(
        [halves[0], original],
        tmp_path / "new",
        prefix=["videos", "classes"],
        name="all",
    )
    store = Store(tmp_path / "new")
    assert store.dataset == "all"
    assert store.classes == ("right/right", "store/left", "store/right")
    found = {v.id: v.class_names for v in store.videos()}
    assert found["right/right/v001"] == ("right/right",)
    assert found["store/right/v001"] == ("store/right",)
    (remark,) = outcome.remarks
    assert remark.startswith("5 videos with the content of another one, such as store/")


def test_a_merge_resumes_to_the_same_bytes(halves, tmp_path):
    making.merge(halves, tmp_path / "expected")
    killed_at(2, lambda: making.merge(halves, tmp_path / "expected2", name="folder"))
    making.merge(halves, tmp_path / "expected2", name="folder")
    assert store_bytes(tmp_path / "expected2") == store_bytes(tmp_path / "expected")


def test_stores_that_do_not_fit_are_refused(original, halves, tmp_path):
    new = tmp_path / "new"
    with pytest.raises(ManagementError) as error:
        making.merge([original, halves[0]], new)
    assert "right/v001, right/v003, right/v005, ... (5 in all): --prefix" in one_line(
        error
    )
    making.copy(halves[0], tmp_path / "flow", modalities=["flow"])
    with pytest.raises(ManagementError) as error:
        making.merge([halves[1], tmp_path / "flow"], new)
    assert "has rgb, flow, mv" in one_line(error)
    with pytest.raises(ManagementError, match="two stores"):
        making.merge([original], new)
    with pytest.raises(ManagementError, match="different names"):
        shutil.copytree(halves[0], tmp_path / "b" / "right")
        making.merge([halves[0], tmp_path / "b" / "right"], new, prefix=["videos"])
    assert not new.exists()


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("common", "short_side", 64), ("flow", "profile", "fast"), ("mv", "crf", 30)],
)
def test_stores_of_other_settings_are_refused(part, name, value, halves, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(halves[0], other)
    manifest: Manifest = read_manifest(other)
    settings = {k: dict(v) for k, v in manifest.settings.items()}
    settings[part][name] = value
    write_sealed(other / MANIFEST, manifest.to_dict() | {"settings": settings})
    with pytest.raises(ManagementError) as error:
        making.merge([halves[1], other], tmp_path / "new")
    assert f"differ in {part} {name}: " in one_line(error)


def test_a_split_is_official_where_it_was_in_all_stores(halves, tmp_path):
    official = []
    for half in halves:
        folder = tmp_path / half.name
        shutil.copytree(half, folder)
        manifest = read_manifest(folder).to_dict()
        write_sealed(folder / MANIFEST, manifest | {"splits": {"1": "official"}})
        official.append(folder)
    making.merge(official, tmp_path / "both")
    assert Store(tmp_path / "both").splits == {"1": "official"}
    for number, pair in enumerate(((official[0], halves[1]), (halves[1], official[0]))):
        making.merge(pair, tmp_path / f"one-{number}")
        assert Store(tmp_path / f"one-{number}").splits == {"1": "lists"}
