"""The job: resume, added modalities, repair, quarantine, refusals; the same bytes everywhere."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from small_videos import (
    RGB_MV,
    SETTINGS,
    broken_disk,
    broken_scratch,
    buggy,
    data_set,
    draw_videos,
    store_bytes,
)

from pipeline.adapters import DataSet, load
from pipeline.adapters.subset import without_unusable
from pipeline.driver.extraction import extract
from pipeline.driver.resume import store_plan
from pipeline.errors import ExtractionError, PlanError
from pipeline.executors import pool
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.inspection.status import info, status, verify
from pipeline.inspection.video_table import video_rows
from pipeline.store import FolderHeld, Store, VideoNotFound
from pipeline.store.lease import hold

HERE = Execution(workers=0)


def copied(store: Path, target: Path) -> Path:
    for name, content in store_bytes(store).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return target


def inodes(store: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in store.glob("*.h5")}


def test_a_store_holds_every_video_with_its_labels_and_splits(folder, finished):
    store = Store(finished)
    assert [v.id for v in store.videos()] == [v.id for v in data_set(folder).videos]
    video = store.video("left/v000")
    assert video.class_names == ("left",) and video.splits == {"1": "test"}
    assert store.read(video.id, "rgb").shape == (6, 32, 42, 3)
    assert store.read(video.id, "mv").shape == (5, 4, 6, 2)
    assert store.splits == {"1": "lists"}


def test_a_second_run_does_nothing(folder, finished):
    before = inodes(finished)
    summary = extract(data_set(folder), RGB_MV, out=finished, execution=HERE)
    assert summary.fresh_shards == 0 and summary.exit_code == 0
    assert inodes(finished) == before


def test_two_runs_give_the_same_bytes(folder, finished, tmp_path):
    extract(data_set(folder), RGB_MV, out=tmp_path / "again", execution=HERE)
    assert store_bytes(tmp_path / "again") == store_bytes(finished)


@pytest.mark.slow
def test_a_pool_gives_the_same_bytes(folder, finished, tmp_path, monkeypatch):
    started = []

    class Counted(pool._Worker):
        def __init__(self, *args):
            started.append(self)
            super().__init__(*args)

    monkeypatch.setattr(pool, "_Worker", Counted)
    many = Execution(workers=20)
    extract(data_set(folder), RGB_MV, out=tmp_path / "pool", execution=many)
    assert store_bytes(tmp_path / "pool") == store_bytes(finished)
    assert len(started) == 3  # as many as there are shards


def test_a_modality_added_later_joins_the_same_videos_and_shards(
    folder, finished, tmp_path
):
    out = tmp_path / "grown"
    extract(data_set(folder), SETTINGS.only(["rgb"]), out=out, execution=HERE)
    assert Store(out).modalities == ("rgb",)
    before = inodes(out)
    extract(data_set(folder), SETTINGS.only(["mv"]), out=out, execution=HERE)
    assert {name: ino for name, ino in inodes(out).items() if name in before} == before
    grown, whole = store_bytes(out), store_bytes(finished)
    assert grown.keys() == whole.keys()
    assert {n for n in grown if grown[n] != whole[n]} == set()


def test_other_settings_are_refused_and_nothing_changes(folder, finished):
    before = store_bytes(finished)
    other = ExtractSettings(short_side=64).only(["rgb"])
    with pytest.raises(
        PlanError,
        match="--short-side: the store was made with 32, this run asks for 64",
    ):
        extract(data_set(folder), other, out=finished, execution=HERE)
    assert store_bytes(finished) == before


def test_a_folder_that_has_changed_is_refused(folder, finished):
    dataset = data_set(folder)
    fewer = replace(dataset, videos=dataset.videos[1:])
    with pytest.raises(PlanError, match=r"lost 1 \(left/v000\)"):
        extract(fewer, RGB_MV, out=finished, execution=HERE)


@pytest.mark.parametrize(
    "name",
    [
        "thesis.tex",
        "_logs/thesis.tex",
        "_commits/rgb-00000.json",
        "_tmp/thesis.tex",
        "rgb/thesis.tex",
    ],
)
def test_a_folder_of_something_else_is_refused_and_left_alone(name, folder, tmp_path):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(PlanError, match="got something else"):
        extract(data_set(folder), RGB_MV, out=tmp_path / "out", execution=HERE)
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_a_run_that_waited_for_another_asks_for_the_same_plan(
    folder, finished, tmp_path, monkeypatch
):
    """The folder was new when it looked, and is a store of something else by now."""
    from pipeline.driver import extraction

    out = tmp_path / "out"
    other = ExtractSettings(short_side=64).only(["rgb"])
    plan = store_plan(data_set(folder), other, out=out)
    out = copied(finished, out)
    before = store_bytes(out)
    answers = iter([plan])
    monkeypatch.setattr(
        extraction,
        "store_plan",
        lambda *given, **more: next(answers, None) or store_plan(*given, **more),
    )
    with pytest.raises(
        PlanError,
        match="--short-side: the store was made with 32, this run asks for 64",
    ):
        extract(data_set(folder), other, out=out, execution=HERE)
    assert store_bytes(out) == before


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_verify_names_the_damage_and_extract_repairs_exactly_that(
    damage, folder, finished, tmp_path
):
    out = copied(finished, tmp_path / "store")
    victim = out / "mv-00001.h5"
    content = bytearray(victim.read_bytes())
    if damage == "missing":
        victim.unlink()
    elif damage == "truncated":
        victim.write_bytes(content[:-100])
    else:
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    found = verify(out, mark=True)
    assert {entry.file for entry in found} == {victim.name}
    before = inodes(out)
    summary = extract(data_set(folder), RGB_MV, out=out, execution=HERE)
    assert summary.fresh_shards == 1
    after = inodes(out)
    assert {n for n in after if after[n] != before.get(n)} <= {victim.name}
    assert verify(out) == []
    assert store_bytes(out) == store_bytes(finished)


def test_a_missing_commit_is_missing_work(folder, finished, tmp_path):
    out = copied(finished, tmp_path / "store")
    (out / "_commits/rgb-00002.json").unlink()
    summary = extract(data_set(folder), RGB_MV, out=out, execution=HERE)
    assert summary.fresh_shards == 1
    assert store_bytes(out) == store_bytes(finished)


def test_bad_videos_are_quarantined_with_their_reason(folder, finished, tmp_path):
    for path in folder.rglob("*.mp4"):
        target = tmp_path / "videos" / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "videos/left/v002.mp4").write_bytes(b"no video at all")
    (tmp_path / "videos/right/v003.mp4").write_bytes(b"")
    out = tmp_path / "store"
    dataset = data_set(tmp_path / "videos")
    summary = extract(dataset, RGB_MV, out=out, execution=HERE)
    assert summary.exit_code == 3 and summary.stored == 10
    assert summary.bad.keys() == {"left/v002", "right/v003"}
    whole, rest = Store(finished), Store(out)
    for video in rest.videos():
        for modality in ("rgb", "mv"):
            expected = whole.read(video.id, modality)
            assert (rest.read(video.id, modality) == expected).all()
    again = extract(dataset, RGB_MV, out=out, execution=HERE)
    assert again.fresh_shards == 0 and again.exit_code == 3


def test_nothing_but_bad_videos_is_a_failure(tmp_path):
    (tmp_path / "videos/a").mkdir(parents=True)
    (tmp_path / "videos/a/x.mp4").write_bytes(b"no video")
    out = tmp_path / "store"
    summary = extract(data_set(tmp_path / "videos"), RGB_MV, out=out, execution=HERE)
    assert summary.exit_code == 1
    assert not (out / "manifest.json").exists()


def test_many_bad_videos_and_no_good_one_stop_the_run(tmp_path):
    folder = tmp_path / "videos/a"
    folder.mkdir(parents=True)
    for number in range(40):
        (folder / f"{number}.mp4").write_bytes(b"no video")
    dataset = data_set(tmp_path / "videos")
    with pytest.raises(ExtractionError, match="the cause is hardly in the videos"):
        extract(dataset, RGB_MV, out=tmp_path / "store", execution=HERE)


def test_a_broken_disk_is_not_blamed_on_a_video(folder, expected, tmp_path):
    out, dataset = tmp_path / "s", data_set(folder)
    execution = replace(HERE, open_video=broken_disk)
    broken = extract(dataset, RGB_MV, out=out, execution=execution)
    assert (broken.exit_code, broken.bad, broken.stored) == (1, {}, 0)
    assert {why for why in broken.unavailable.values()} == {
        "expected a readable file, got Input/output error"
    }
    assert extract(dataset, RGB_MV, out=out, execution=HERE).exit_code == 0
    assert store_bytes(out) == expected


def test_a_broken_disk_of_our_own_ends_the_run(folder, tmp_path):
    execution = replace(HERE, open_video=broken_scratch)
    with pytest.raises(ExtractionError, match="Input/output error"):
        extract(data_set(folder), RGB_MV, out=tmp_path / "s", execution=execution)
    assert status(tmp_path / "s").bad == {}


@pytest.mark.slow
def test_the_same_bug_three_times_stops_the_run(folder, tmp_path):
    execution = Execution(workers=1, open_video=partial(buggy, victim="v000"))
    with pytest.raises(ExtractionError, match="a bug shows itself"):
        extract(data_set(folder), RGB_MV, out=tmp_path / "s", execution=execution)
    assert status(tmp_path / "s").bad == {}


def test_a_second_writer_is_refused_and_told_who_writes(folder, finished):
    with hold(finished):
        with pytest.raises(FolderHeld, match="another run.*process"):
            extract(data_set(folder), RGB_MV, out=finished, execution=HERE)
        assert status(finished).running
    assert not status(finished).running


def test_planning_changes_nothing(folder, tmp_path):
    plan = store_plan(data_set(folder), RGB_MV, out=tmp_path / "store")
    assert plan.shards == 3
    assert not (tmp_path / "store").exists()


def test_a_source_that_changed_in_between_is_refused(folder, tmp_path):
    videos = tmp_path / "videos"
    for path in folder.rglob("*.mp4"):
        target = videos / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    out = tmp_path / "store"
    extract(data_set(videos), SETTINGS.only(["rgb"]), out=out, execution=HERE)
    path = videos / "left/v000.mp4"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")  # the same size
    with pytest.raises(ValueError, match="left/v000: expected the content of its rgb"):
        extract(data_set(videos), SETTINGS.only(["mv"]), out=out, execution=HERE)
    assert Store(out).modalities == ("rgb",)


def test_a_split_that_a_later_run_does_not_bring_is_kept(folder, tmp_path):
    out = tmp_path / "store"
    dataset = data_set(folder)
    extract(dataset, RGB_MV, out=out, execution=HERE)
    bare = replace(
        dataset,
        splits={"mine": "seeded"},
        videos=tuple(replace(v, splits={"mine": "train"}) for v in dataset.videos),
    )
    extract(bare, RGB_MV, out=out, execution=HERE)
    store = Store(out)
    assert store.splits == {"1": "lists", "mine": "seeded"}
    assert store.video("left/v000").splits == {"1": "test", "mine": "train"}


def test_info_finds_a_video_by_the_end_of_its_id(finished):
    facts = info(finished, "v004")
    assert facts["id"] == "left/v004"
    assert facts["frames"] == 6 and facts["mv_valid"].endswith("of 5 intervals")
    assert info(finished)["videos"] == 12


@pytest.fixture
def partly_lost(tmp_path) -> tuple[Path, DataSet]:
    """A folder of four videos, one of them a link that leads nowhere, and its data set."""
    folder = tmp_path / "videos"
    draw_videos(folder, 4, frames=2, size=(32, 48))
    path = folder / "right" / "v003.mp4"
    path.rename(tmp_path / "kept.mp4")
    path.symlink_to(tmp_path / "away.mp4")
    return folder, load("folder", videos=folder)


def test_videos_that_cannot_be_read_are_bad_in_summary_and_store(partly_lost, tmp_path):
    _, dataset = partly_lost
    out, settings = tmp_path / "store", SETTINGS.only(["rgb"])
    summary = extract(dataset, settings, out=out, execution=HERE)
    bad = {"right/v003.mp4": "a link that leads nowhere"}
    assert summary.exit_code == 3 and summary.to_dict()["bad"] == bad
    assert (summary.videos, summary.stored) == (4, 3)
    assert "1 unreadable when the store was planned:" in summary.text()
    assert "quarantined" not in summary.text()
    assert status(out).bad == bad
    assert "  unreadable right/v003.mp4: a link" in status(out).text()
    facts = info(out)
    assert (facts["quarantined"], facts["unreadable"]) == (0, 1)
    (row,) = (row for row in video_rows(Store(out)) if row.state != "stored")
    assert (row.id, row.state) == ("right/v003.mp4", "unreadable")
    for name in ("right/v003", "v003.mp4", "v003"):
        with pytest.raises(VideoNotFound, match="could not be stored: a link"):
            info(out, name)
    assert Store(out).manifest.bad == bad and verify(out) == []
    again = extract(dataset, settings, out=out, execution=HERE)
    assert again.exit_code == 3 and again.fresh_shards == 0


def test_a_store_goes_on_without_what_has_become_readable_and_says_so(
    partly_lost, tmp_path
):
    folder, dataset = partly_lost
    out = tmp_path / "store"
    extract(dataset, SETTINGS.only(["rgb"]), out=out, execution=HERE)
    (tmp_path / "kept.mp4").rename(tmp_path / "away.mp4")
    later = load("folder", videos=folder)
    assert len(later.videos) == 4 and not later.unusable
    summary = extract(later, SETTINGS.only(["mv"]), out=out, execution=HERE)
    assert summary.exit_code == 3 and summary.stored == 3
    assert "now it can, and a store made anew" in summary.bad["right/v003.mp4"]


def test_a_class_that_has_become_readable_stays_out_of_a_planned_store(
    partly_lost, tmp_path
):
    _, dataset = partly_lost
    lost = replace(
        without_unusable(dataset, {"right/": "the folder cannot be read"}),
        unusable={"right/": "the folder cannot be read"},
    )
    assert lost.classes == ("left",) and len(lost.videos) == 2
    out = tmp_path / "store"
    extract(lost, SETTINGS.only(["rgb"]), out=out, execution=HERE)
    extract(dataset, SETTINGS.only(["rgb"]), out=out, execution=HERE)
    assert Store(out).classes == ("left",)
    assert set(Store(out).manifest.bad) == {"right/", "right/v003.mp4"}


def test_a_planned_video_that_cannot_be_read_any_more_is_named_with_its_reason(
    partly_lost, tmp_path
):
    folder, dataset = partly_lost
    out = tmp_path / "store"
    extract(dataset, SETTINGS.only(["rgb"]), out=out, execution=HERE)
    (folder / "left" / "v000.mp4").unlink()
    (folder / "left" / "v000.mp4").symlink_to(folder / "nothing")
    with pytest.raises(PlanError, match=r"lost 1 \(left/v000: .* leads nowhere\)"):
        extract(
            load("folder", videos=folder),
            SETTINGS.only(["rgb"]),
            out=out,
            execution=HERE,
        )
