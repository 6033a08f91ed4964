"""Stores that gain videos: new shards, old ones untouched, whatever happens on the way."""

import json
import os
import pickle
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_videos import RGB_MV, SETTINGS, data_set, store_bytes

from pipeline.adapters import load
from pipeline.adapters.videos import DataSet
from pipeline.commands.cli import main
from pipeline.driver import extraction, merging
from pipeline.driver.extraction import dry_run, extract
from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.executors.choose import Execution
from pipeline.management import making
from pipeline.management.errors import ManagementError
from pipeline.management.relabelling import relabel, relisted
from pipeline.store import FolderHeld, Store, hold, verify
from pipeline.store.file_names import MANIFEST, PLAN
from pipeline.store.manifest import State
from pipeline.store.sealing import write_sealed

HERE = Execution(workers=0)
FIRST = ("left/v000", "left/v004", "right/v001", "right/v005")


def part(folder: Path, *names: str) -> DataSet:
    """The data set of a folder that had only these videos."""
    dataset = data_set(folder)
    return replace(dataset, videos=tuple(v for v in dataset.videos if v.id in names))


@pytest.fixture(scope="module")
def before(folder, tmp_path_factory) -> Path:
    """The store of the first videos. Nothing changes it."""
    out = tmp_path_factory.mktemp("grown") / "before"
    extract(part(folder, *FIRST), RGB_MV, out=out, execution=HERE)
    return out


@pytest.fixture(scope="module")
def grown(folder, before, tmp_path_factory) -> Path:
    """The same with all videos. Nothing changes it."""
    out = tmp_path_factory.mktemp("grown") / "after"
    shutil.copytree(before, out)
    summary = extract(data_set(folder), RGB_MV, out=out, execution=HERE, grow=True)
    assert summary.exit_code == 0 and summary.stored == 12
    return out


@pytest.fixture
def store(before, tmp_path) -> Path:
    """The store of the first videos, to be grown."""
    shutil.copytree(before, tmp_path / "store")
    return tmp_path / "store"


def test_old_files_stay_and_new_videos_are_as_ever(before, grown, finished):
    old, new = store_bytes(before), store_bytes(grown)
    texts = {MANIFEST, "index.jsonl", PLAN}
    assert {n: new[n] for n in old if n not in texts} == {
        n: old[n] for n in old if n not in texts
    }
    assert len(new) > len(old)
    store, whole = Store(grown), Store(finished)
    assert store.ids() == whole.ids() and store.classes == whole.classes
    for video in whole.videos():
        for array in ("rgb", "mv", "mv_valid"):
            np.testing.assert_array_equal(
                store.read(video.id, array), whole.read(video.id, array)
            )
        assert store.video(video.id).splits == video.splits
    assert not verify(grown, decode=True)


def test_fingerprints_chain(folder, before, grown, tmp_path):
    old, new = Store(before), Store(grown)
    first = State(old.manifest.shards, old.fingerprint)
    assert new.manifest.earlier == (first,) and old.manifest.earlier == ()
    assert new.fingerprint != old.fingerprint
    plan = read_plan(grown)
    assert plan.at(old.fingerprint) == read_plan(before)
    assert plan.at(new.fingerprint) == plan and plan.at("f00d") is None
    in_two = tmp_path / "in-two"
    shutil.copytree(before, in_two)
    some = part(folder, *FIRST, "left/v002", "right/v003")
    extract(some, RGB_MV, out=in_two, execution=HERE, grow=True)
    extract(data_set(folder), RGB_MV, out=in_two, execution=HERE, grow=True)
    twice = Store(in_two)
    assert twice.manifest.earlier[0] == first and len(twice.manifest.earlier) == 2
    assert twice.fingerprint != new.fingerprint  # another history
    assert twice.ids() == new.ids() and not verify(in_two)
    changed = replace(
        plan, videos=(plan.videos[0]._replace(size_bytes=1), *plan.videos[1:])
    )
    assert changed.fingerprint != plan.fingerprint  # through the first state


def test_readers_of_the_old_manifest_go_on(folder, store, finished):
    reader = Store(store)
    sent = pickle.dumps(reader)
    extract(data_set(folder), RGB_MV, out=store, execution=HERE, grow=True)
    whole = Store(finished)
    for old in (reader, pickle.loads(sent)):
        assert set(old.ids()) == set(FIRST)
        for name in FIRST:
            np.testing.assert_array_equal(old.read(name, "mv"), whole.read(name, "mv"))


def test_a_grown_store_needs_no_option_later(folder, grown, before, store):
    bytes_before = store_bytes(grown)
    for grow in (True, False):
        summary = extract(
            data_set(folder), RGB_MV, out=grown, execution=HERE, grow=grow
        )
        assert summary.fresh_shards == 0
    assert store_bytes(grown) == bytes_before
    with pytest.raises(PlanError, match=r"gained 8 .*--grow adds them to the store"):
        extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    assert store_bytes(store) == store_bytes(before)


def test_a_new_store_can_grow_from_nothing(folder, finished, tmp_path):
    extract(data_set(folder), RGB_MV, out=tmp_path / "new", execution=HERE, grow=True)
    assert store_bytes(tmp_path / "new") == store_bytes(finished)


def test_lost_and_changed_videos_are_refused(folder, store, before):
    dataset = data_set(folder)
    fewer = replace(dataset, videos=dataset.videos[1:])
    with pytest.raises(PlanError, match=r"lost 1 \(left/v000\) \(use another --out"):
        extract(fewer, RGB_MV, out=store, execution=HERE, grow=True)
    other = replace(dataset.videos[0], size_bytes=1)
    changed = replace(dataset, videos=(other, *dataset.videos[1:]))
    with pytest.raises(PlanError, match=r"changed 1 \(left/v000\)"):
        extract(changed, RGB_MV, out=store, execution=HERE, grow=True)
    with pytest.raises(PlanError, match="--short-side"):
        settings = replace(SETTINGS, short_side=48).only(["rgb", "mv"])
        extract(dataset, settings, out=store, execution=HERE, grow=True)
    assert store_bytes(store) == store_bytes(before)


def test_a_modality_that_would_stop_short_is_refused(folder, store, before):
    with pytest.raises(PlanError, match="has rgb, mv and grows: expected all of them"):
        rgb = RGB_MV.only(["rgb"])
        extract(data_set(folder), rgb, out=store, execution=HERE, grow=True)
    assert store_bytes(store) == store_bytes(before)


def test_a_modality_that_is_not_complete_may_wait(folder, grown, store):
    for path in (store / "_commits").glob("mv-*"):
        path.unlink()
    extract(part(folder, *FIRST), RGB_MV.only(["rgb"]), out=store, execution=HERE)
    assert Store(store).modalities == ("rgb",)
    rgb = RGB_MV.only(["rgb"])
    extract(data_set(folder), rgb, out=store, execution=HERE, grow=True)
    assert Store(store).modalities == ("rgb",) and len(Store(store).videos()) == 12
    extract(data_set(folder), RGB_MV, out=store, execution=HERE)
    assert store_bytes(store) == store_bytes(grown)


@pytest.mark.parametrize("grow", [True, False])
@pytest.mark.parametrize("at", [0, 1])
def test_stopped_while_growing_it_resumes(at, grow, folder, store, grown, monkeypatch):
    real, count = extraction.publish, 0

    def stopping(report, out):
        nonlocal count
        if count == at:
            raise KeyboardInterrupt
        count += 1
        real(report, out)

    monkeypatch.setattr(extraction, "publish", stopping)
    with pytest.raises(KeyboardInterrupt):
        extract(data_set(folder), RGB_MV, out=store, execution=HERE, grow=True)
    monkeypatch.undo()
    assert set(Store(store).ids()) == set(FIRST) and not verify(store)
    extract(data_set(folder), RGB_MV, out=store, execution=HERE, grow=grow)
    assert store_bytes(store) == store_bytes(grown)


def test_stopped_between_index_and_manifest_labels_stay_right(
    folder, before, grown, tmp_path, monkeypatch
):
    """The class that is new stands before the others, so that all labels move."""
    out = tmp_path / "store"
    right = [name for name in FIRST if name.startswith("right")]
    dataset = part(folder, *right)
    videos = tuple(replace(v, labels=(0,)) for v in dataset.videos)
    one = replace(dataset, classes=("right",), videos=videos)
    extract(one, RGB_MV, out=out, execution=HERE)
    count = 0

    def stopping(path, value):
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        write_sealed(path, value)

    monkeypatch.setattr(merging, "write_sealed", stopping)
    with pytest.raises(KeyboardInterrupt):
        extract(data_set(folder), RGB_MV, out=out, execution=HERE, grow=True)
    monkeypatch.undo()
    assert json.loads((out / MANIFEST).read_text())["classes"] == ["right"]
    for check in (True, False):
        store = Store(out, check=check)
        assert store.classes == ("left", "right") and len(store.videos()) == 12
        assert all(v.class_names[0] == v.id.split("/")[0] for v in store.videos())
    assert not verify(out)
    extract(data_set(folder), RGB_MV, out=out, execution=HERE)
    assert json.loads((out / MANIFEST).read_text())["next"] is None


def test_two_growers_at_once(folder, store):
    with hold(store), pytest.raises(FolderHeld, match="another run is writing"):
        extract(data_set(folder), RGB_MV, out=store, execution=HERE, grow=True)


def test_a_lost_plan_of_a_grown_store_is_found_again(folder, grown, tmp_path):
    shutil.copytree(grown, tmp_path / "store")
    (tmp_path / "store" / PLAN).unlink()
    extract(data_set(folder), RGB_MV, out=tmp_path / "store", execution=HERE)
    assert store_bytes(tmp_path / "store") == store_bytes(grown)


def test_what_could_not_be_read_is_taken_in(folder, tmp_path):
    out = tmp_path / "store"
    reasons = {"left/v002.mp4": "cannot be read"}
    names = [v.id for v in data_set(folder).videos if v.id != "left/v002"]
    extract(
        replace(part(folder, *names), unusable=reasons), RGB_MV, out=out, execution=HERE
    )
    summary = extract(data_set(folder), RGB_MV, out=out, execution=HERE, grow=True)
    assert summary.stored == 12 and not summary.bad
    again = extract(data_set(folder), RGB_MV, out=out, execution=HERE)
    assert again.stored == 12 and not again.bad


def test_a_dry_run_counts_the_new_videos(folder, store):
    found = dry_run(data_set(folder), RGB_MV, out=store, execution=HERE, grow=True)
    assert found.videos == 8
    assert read_plan(store).shards == Store(store).manifest.shards


def test_copies_follow_a_store_that_has_grown(before, grown, tmp_path):
    making.copy(before, tmp_path / "new")
    outcome = making.copy(grown, tmp_path / "new")
    assert store_bytes(tmp_path / "new") == store_bytes(grown)
    assert 0 < outcome.copied_bytes < outcome.bytes
    making.copy(grown, tmp_path / "right", classes=["right"])
    assert len(Store(tmp_path / "right").videos()) == 6
    assert not verify(tmp_path / "right", decode=True)


def test_the_store_as_it_was_is_copied(before, grown, tmp_path):
    fingerprint = Store(before).fingerprint
    making.copy(grown, tmp_path / "was", state=fingerprint[:8])
    assert store_bytes(tmp_path / "was") == store_bytes(before)
    making.copy(grown, tmp_path / "was")  # and grows as the original has
    assert store_bytes(tmp_path / "was") == store_bytes(grown)
    for wrong in ("f00dfeed", ""):
        with pytest.raises(ManagementError, match=f"among {fingerprint[:8]}, "):
            making.copy(grown, tmp_path / "new", state=wrong)
    with pytest.raises(ManagementError, match="--state: expected no classes"):
        making.copy(grown, tmp_path / "new", state=fingerprint, classes=["left"])


def test_the_command_grows_and_info_names_the_states(folder, before, store, tmp_path):
    arguments = ["--out", store, "--workers", 0, "--ray", "off"]
    arguments = [*arguments, "--modalities", "rgb,mv", "--dataset", "folder"]
    videos = tmp_path / "folder"  # the name of the data set
    shutil.copytree(folder, videos)
    arguments += ["--videos", videos]
    refused = CliRunner().invoke(main, list(map(str, ["extract", *arguments])))
    assert refused.exit_code == 1 and "--grow" in refused.output.splitlines()[-1]
    done = CliRunner().invoke(main, list(map(str, ["extract", *arguments, "--grow"])))
    assert done.exit_code == 0, done.output
    told = CliRunner().invoke(main, ["info", str(store), "--json"]).stdout
    fingerprint = Store(before).fingerprint
    assert list(json.loads(told)["grown_from"]) == [fingerprint]


def sides(store: Path) -> dict[str, str]:
    return {
        video.id: next(iter(video.splits.values())) for video in Store(store).videos()
    }


def test_what_was_learned_from_is_not_tested_after_a_store_has_grown(folder, tmp_path):
    """Of a drawn split: with this seed a new draw of all videos would test one."""
    videos, store = tmp_path / "folder", tmp_path / "store"
    for name in FIRST:
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"{name}.mp4", videos / f"{name}.mp4")
    words = (
        f"extract --out {store} --workers 0 --ray off --modalities mv --dataset folder"
    )
    words += f" --videos {videos} --holdout 0.34 --seed 0"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.output
    before = sides(store)

    shutil.copytree(folder, videos, dirs_exist_ok=True)
    fresh = load("folder", videos=videos, holdout=0.34, seed=0)
    moved = [v.id for v in fresh.videos if (*v.splits.values(),) == ("test",)]
    assert any(before.get(name) == "train" for name in moved)
    without = words.partition(" --holdout")[0]
    told = CliRunner().invoke(main, f"{without} --grow --dry-run".split())
    line = "holdout-0.34-seed0: new videos are neither train nor test videos of it; "
    assert f"{line}--holdout 0.34 --seed 0 gives them a side" in told.stderr
    for more in (" --grow", ""):  # the second one finds nothing to do
        done = CliRunner().invoke(main, f"{words}{more}".split())
        assert done.exit_code == 0 and line not in done.stderr, done.output
        now = sides(store)
        assert {name: now[name] for name in FIRST} == before and len(now) == 12
        assert list(now.values()).count("test") == 4

    settings = replace(SETTINGS, modalities=("mv",))
    with pytest.raises(
        PlanError, match="on its side in the store, train, got test: load"
    ):
        extract(fresh, settings, out=store, execution=HERE)
    again = tmp_path / "again"
    relabel(store, relisted(store, holdout=0.34, seed=0), again)
    assert sides(again) == now


def killed_before(step: int, out: Path, call: Callable[[], object]) -> str:
    """Run a call in a process of its own that is killed before it renames a file in a
    folder for the `step`-th time.

    Returns:
        Name of that file; empty if the call ended before.
    """
    reading, writing = os.pipe()
    if not (child := os.fork()):
        count = 0

        def hook(event: str, given: tuple) -> None:
            nonlocal count
            if event != "os.rename" or not str(given[1]).startswith(str(out)):
                return
            count += 1
            if count == step:
                os.write(writing, Path(os.fsdecode(given[1])).name.encode())
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            call()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        name = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (-signal.SIGKILL if name else 0)
    return name


def test_killed_at_any_step_of_growing_nothing_is_lost(folder, before, tmp_path):
    """Before each rename: those are the moments at which others see something new."""
    more = part(folder, *FIRST, "left/v002", "right/v003")
    was = {name: Store(before).read(name, "rgb") for name in FIRST}
    expected: dict[str, bytes] = {}
    names = []
    for step in range(1, 100):
        out = tmp_path / f"{step}"
        shutil.copytree(before, out)
        reader = Store(out)
        names.append(
            killed_before(
                step,
                out,
                lambda out=out: extract(
                    more, RGB_MV, out=out, execution=HERE, grow=True
                ),
            )
        )
        if not names[-1]:
            break
        for store in (reader, Store(out)):
            assert set(FIRST) <= set(store.ids())
            for name in FIRST:
                np.testing.assert_array_equal(store.read(name, "rgb"), was[name])
        assert not verify(out), names
        grow = step % 2 == 0 or names[-1] == PLAN  # until there is a plan of the growth
        extract(more, RGB_MV, out=out, execution=HERE, grow=grow)
        expected = expected or _grown_without_a_kill(before, more, tmp_path)
        assert store_bytes(out) == expected, names
    steps = [name for name in names if not name.startswith("holder")]
    assert steps[:1] == [PLAN] and steps[-4:] == [MANIFEST, "index.jsonl", MANIFEST, ""]
    assert {"rgb-00001.h5", "rgb-00001.json", "mv-00001.h5", "mv-00001.json"} <= {
        *steps
    }


def _grown_without_a_kill(
    before: Path, dataset: DataSet, folder: Path
) -> dict[str, bytes]:
    out = folder / "expected"
    shutil.copytree(before, out)
    extract(dataset, RGB_MV, out=out, execution=HERE, grow=True)
    assert len(Store(out).ids()) == len(FIRST) + 2
    return store_bytes(out)
