"""Other lists for a store: labels and splits change, rows do not."""

import json
import shutil

import pytest
from click.testing import CliRunner
from managed import one_line, require_same_video, shard_files
from small_videos import store_bytes

from pipeline.adapters.checks import completeness
from pipeline.adapters.errors import DatasetError
from pipeline.commands.cli import main
from pipeline.management import texts
from pipeline.management.errors import ManagementError
from pipeline.management.relabelling import relabel, relisted
from pipeline.store import FolderHeld, Store, StoreNotFound, hold, verify
from pipeline.store.file_names import MANIFEST
from pipeline.store.sealing import write_sealed

CSV = """path,label,split,group
left/v000.mp4,walk,train,a
left/v002.mp4,walk,test,b
right/v001.mp4,jump,train,
right/v003.mp4,jump,test,c
"""


@pytest.fixture
def store(original, tmp_path):
    """The store, to be relabelled."""
    shutil.copytree(original, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def csv(tmp_path):
    """Four videos of two other classes."""
    (tmp_path / "mine.csv").write_text(CSV)
    return tmp_path / "mine.csv"


def test_lists_give_labels_splits_and_groups(store, original, csv):
    before = {**store_bytes(store), **shard_files(store)}
    relabel(store, relisted(store, splits=csv))
    new, old = Store(store), Store(original)
    assert new.classes == ("jump", "walk") and new.fingerprint == old.fingerprint
    assert new.splits == {"1": "lists"}  # in the place of that of the store
    found = {
        v.id: (v.class_names, v.splits["1"], v.group) for v in new.videos() if v.splits
    }
    assert found == {
        "left/v000": (("walk",), "train", "a"),
        "left/v002": (("walk",), "test", "b"),
        "right/v001": (("jump",), "train", old.video("right/v001").group),
        "right/v003": (("jump",), "test", "c"),
    }
    for video in new.videos():
        require_same_video(new, video.id, old, video.id)
    rest = new.video("left/v004")
    assert (rest.labels, rest.segments) == ((), ())
    assert new.manifest.bad == old.manifest.bad
    after = store_bytes(store)
    assert {name for name in before if after[name] != before[name]} == {
        "index.jsonl",
        MANIFEST,
    }
    assert not verify(store)


def test_what_the_lists_say_is_not_said_of_a_folder(store, tmp_path):
    """A list that has a video more, and one with another folder than the store's."""
    (tmp_path / "mine.csv").write_text(
        "path,label\nleft/v000.mp4,walk\nup/v001.mp4,jump\nleft/v999.mp4,jump\n"
    )
    found = relisted(store, splits=tmp_path / "mine.csv").findings
    texts = {finding.kind: finding.text for finding in found}
    assert texts["missing"] == "listed videos that are missing, out of 3: 1"
    assert texts["elsewhere"] == "videos listed in another folder than they are in: 1"
    partial = completeness(
        {"left": 2}, missing=["v999"], present={"left": 1}, whole="X"
    )
    assert partial[1].text == "videos that the lists name and that are missing: 1"


def test_the_lists_of_the_store_give_it_back(store, original, tmp_path):
    """Class folders and pairs of lists, as the extraction read them."""
    lists = tmp_path / "lists"
    lists.mkdir()
    parts = {"train": "trainlist_1.txt", "test": "testlist_1.txt"}
    for part, name in parts.items():
        videos = [v.path for v in data_set_of(original) if v.splits["1"] == part]
        (lists / name).write_text("\n".join(videos) + "\n")
    relabel(store, relisted(store, splits=lists, kind="folder"))
    assert store_bytes(store) == store_bytes(original)


def data_set_of(store):
    return Store(store).videos()


def test_a_new_store_has_links_to_the_same_files(store, csv, tmp_path):
    before = store_bytes(store)
    new = tmp_path / "new"
    outcome = relabel(store, relisted(store, splits=csv), new)
    assert store_bytes(store) == before and "relabelled" in outcome.text()
    assert Store(new).classes == ("jump", "walk")
    for path in store.glob("*.h5"):
        assert path.stat().st_ino == (new / path.name).stat().st_ino
    assert not verify(new, decode=True)
    relabel(store, relisted(store, holdout=0.4, seed=3), new)  # once more
    assert "holdout-0.4-seed3" in Store(new).splits


def test_files_are_copied_where_the_disk_has_no_links(
    store, csv, tmp_path, monkeypatch
):
    def refused(*args: object, **more: object) -> None:
        raise OSError(95, "Operation not supported")

    dataset = relisted(store, splits=csv)
    (tmp_path / "new").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.management.whole_store.os.link", refused)
        relabel(store, dataset, tmp_path / "new")
    assert shard_files(tmp_path / "new") == shard_files(store)
    for path in store.glob("*.h5"):
        assert path.stat().st_ino != (tmp_path / "new" / path.name).stat().st_ino


def test_a_share_held_out_is_a_split_more(store, original):
    relabel(store, relisted(store, holdout=0.4, seed=3))
    new, old = Store(store), Store(original)
    assert new.splits == {**old.splits, "holdout-0.4-seed3": "seeded"}
    parts = [video.splits["holdout-0.4-seed3"] for video in new.videos()]
    assert parts.count("test") == 4  # two of five in each class
    for video in new.videos():
        assert video.labels == old.video(video.id).labels


@pytest.mark.parametrize("written", [0, 1])
def test_killed_on_the_way_labels_are_the_old_or_the_new(
    written, store, original, csv, monkeypatch
):
    calls = iter(range(written))

    def stops(path, value):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        write_sealed(path, value)

    dataset = relisted(store, splits=csv)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(texts, "write_sealed", stops)
        relabel(store, dataset)
    expected = Store(original).classes if written == 0 else ("jump", "walk")
    found = Store(store)
    assert found.classes == expected
    assert found.video("right/v001").class_names == (("right",), ("jump",))[written]
    assert not verify(store)
    relabel(store, relisted(store, splits=csv))
    assert Store(store).classes == ("jump", "walk")
    assert json.loads((store / MANIFEST).read_text())["next"] is None


def test_lists_that_do_not_fit_are_refused(store, original, csv, tmp_path):
    csv.write_text("path,label,split\nnobody.mp4,walk,train\n")
    with pytest.raises(DatasetError) as error:
        relisted(store, splits=csv)
    assert "none of the 1 videos that these lists name" in one_line(error)
    with pytest.raises(DatasetError, match="found nothing"):
        relisted(store, splits=tmp_path / "none")
    with pytest.raises(ManagementError, match="--splits"):
        relisted(store)
    with pytest.raises(StoreNotFound):
        relisted(tmp_path, splits=csv)
    csv.write_text(CSV)
    with hold(store), pytest.raises(FolderHeld):
        relabel(store, relisted(store, splits=csv))
    assert store_bytes(store) == store_bytes(original)


def test_the_command_reports_what_the_lists_say(store, csv, tmp_path):
    done = CliRunner().invoke(main, ["relabel", str(store), "--splits", str(csv)])
    assert done.exit_code == 0, done.output
    assert "4 videos of 2 classes" in done.output and "relabelled" in done.output
    assert CliRunner().invoke(main, ["relabel", str(store)]).exit_code == 2
    failed = CliRunner().invoke(
        main, ["relabel", str(store), "--splits", str(tmp_path / "none")]
    )
    assert failed.exit_code == 1 and len(failed.output.splitlines()) == 1
