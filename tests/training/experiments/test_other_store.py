"""Runs judged on other stores than their own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from moving_store import videos, write_store
from tiny_runs import Told, distilled

from pipeline.store import Store
from training.commands.cli import main
from training.commands.train import run_evaluate
from training.errors import DataError, RunError
from training.run_files.json_dataclasses import to_json
from training.runs.machine import Machine
from training.runs.record import Run
from training.scoring.scores import Scores


@pytest.fixture(scope="module")
def student(store, tmp_path_factory) -> Run:
    """Sees mv, and had a teacher of flow. Read only."""
    return distilled(store, tmp_path_factory.mktemp("student"))


@pytest.fixture
def run(student, tmp_path) -> Run:
    shutil.copytree(student.folder, tmp_path / "run")
    return Run(tmp_path / "run")


def other(folder: Path, made=None, **options) -> Store:
    return Store(write_store(folder, made or videos(8, 4), **options))


def judged(run: Run, store: Store, **options) -> dict:
    options = {"part": "test", "machine": Machine(), "reporter": Told()} | options
    return to_json(run_evaluate(run.folder, store=store.folder, **options))


def bytes_of(run: Run) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in run.folder.glob("*") if p.is_file()}


def test_other_clips_without_the_teachers_modality_are_judged(run, tmp_path):
    """The run's own files stay as they are."""
    before = bytes_of(run)
    told = judged(run, other(tmp_path / "other", modalities=("mv",)))
    assert told["result"]["videos"] == told["videos"]["test"] == 8
    assert told["differ"] == []
    assert bytes_of(run) == before
    kept = json.loads((run.folder / "evaluations" / "other.json").read_text())
    assert kept == json.loads(json.dumps(told))
    assert len(Scores.load(run.folder / "evaluations" / "other.npz").ids) == 8


def test_classes_are_matched_by_name(run, store, tmp_path):
    """The same test clips, their classes in another order: the same scores."""
    own = judged(run, store)
    made = [replace(v, labels=(1 - v.label,)) for v in videos()]
    there = judged(run, other(tmp_path / "swapped", made, classes=("right", "left")))
    assert there["result"] == own["result"]
    ours = Scores.load(run.path("scores_test.npz"))
    theirs = Scores.load(run.folder / "evaluations" / "swapped.npz")
    np.testing.assert_array_equal(ours.labels, theirs.labels)
    np.testing.assert_array_equal(ours.logits, theirs.logits)
    assert theirs.classes == ("left", "right")


def test_what_differs_is_told(run, tmp_path):
    settings = {
        "common": {"short_side": 96},
        "flow": {"profile": "fast"},
        "mv": {"source": "original"},
    }
    told = Told()
    store = other(tmp_path / "other", settings=settings)
    differ = judged(run, store, reporter=told)["differ"]
    assert differ == [
        "common.short_side: 48, 96",
        'mv.source: "canonical", "original"',
    ]
    assert sum("differs from training" in line for line in told.lines) == 2


def test_nothing_it_has_learned_is_judged(run, tmp_path):
    """A store without splits: all videos but those of the training."""
    told = judged(run, other(tmp_path / "other", videos(), splits={}))
    learned = json.loads(run.path("learned_from.json").read_text())
    assert told["videos"]["left_out"].keys() == set(learned)
    assert told["result"]["videos"] == 12 - len(learned)
    assert told["split"] == {"name": "", "kind": "none"}
    strangers = other(tmp_path / "strangers", videos(), splits={}, dataset="list")
    assert judged(run, strangers)["result"]["videos"] == 12


def test_a_part_of_the_classes_will_do_and_others_will_not(run, tmp_path):
    made = [v for v in videos(8, 4) if v.label == 0]
    told = judged(run, other(tmp_path / "left", made, classes=("left",)))
    assert told["videos"]["untested"] == ["right"]
    assert set(told["result"]["per_class"]) == {"left"}
    store = other(tmp_path / "up", classes=("left", "up"))
    with pytest.raises(RunError, match=r"the run's 2 classes .*, got 1 others \(up\)"):
        judged(run, store)


def test_what_does_not_fit_is_refused_in_a_line(run, tmp_path):
    store = other(tmp_path / "rgb", modalities=("rgb",))
    with pytest.raises(DataError, match="expected mv, which the run sees, .* only rgb"):
        judged(run, store)
    with pytest.raises(RunError, match="--part test on another store"):
        judged(run, other(tmp_path / "other"), part="held_out")
    several = other(tmp_path / "several", splits={"a": "lists", "b": "lists"})
    with pytest.raises(DataError, match="a split 1, as the run's, or a single one"):
        judged(run, several)
    assert not (run.folder / "evaluations").exists()


def test_two_stores_of_one_name_do_not_replace_each_other(run, tmp_path):
    first = other(tmp_path / "a" / "other")
    judged(run, first)
    second = other(tmp_path / "b" / "other", fingerprint="beef" * 4)
    judged(run, second, crops=3)
    judged(run, second)
    names = {path.name for path in (run.folder / "evaluations").glob("*.json")}
    assert names == {"other.json", "crops3_other.json", "other-beefbeef.json"}


def test_the_command_says_where_and_what(run, tmp_path):
    store = other(tmp_path / "other", modalities=("mv",))
    done = CliRunner().invoke(
        main, ["evaluate", str(run.folder), "--store", str(store.folder)]
    )
    assert done.exit_code == 0, done.output
    assert f"on another store: {store.folder}" in done.stdout
    assert "of 8 videos" in done.stdout
