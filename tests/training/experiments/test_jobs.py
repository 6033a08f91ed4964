"""Trainings from start to end: teach, distil, evaluate, stop, go on, refuse."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_recipe as tiny
import torch
from moving_store import Made, videos, write_store
from tiny_recipe import TINY, tiny_context
from tiny_runs import StopAt, Told, distilled, same, taught, weights

from pipeline.store import Store
from training.commands.train import run_distill, run_evaluate, run_teach
from training.data.order import epoch_order
from training.engine.optim import OptimConfig
from training.errors import (
    CheckpointError,
    DataError,
    Diverged,
    Interrupted,
    RecipeError,
    RunError,
)
from training.experiments.distill_recipe import DistillRecipe
from training.losses.terms import FeatureMSE
from training.models.backbones import BackboneConfig, build_backbone
from training.recipes.run import run_recipe
from training.run_files.names import RESULTS
from training.run_files.reading import read_json
from training.run_files.writing import write_json
from training.runs.identity import runs_in
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.runs.trained import trained_model


def test_teacher_learns_left_from_right(store, tmp_path):
    recipe = replace(tiny.teach("flow"), epochs=8)
    results = taught(store, tmp_path / "run", recipe=recipe).results()
    assert results.test.top1.mean == 1
    assert results.test.videos == 4
    assert results.videos.train == 6 and results.videos.held_out == 2


def test_a_2d_net_starts_from_a_file_and_is_found_again(store, tmp_path):
    config = BackboneConfig(net="clarifai_tiny", sees="flow", frames=4)
    path = tmp_path / "before.pt"
    torch.save(build_backbone(config, 9).state_dict(), path)
    recipe = replace(
        tiny.teach("flow"),
        model=replace(config, weights=str(path), dropout=(0.1, 0.2)),
        optim=OptimConfig(learning_rate=0.0),
        epochs=1,
    )
    told = Told()
    run = taught(store, tmp_path / "run", recipe=recipe, reporter=told)
    assert (
        f"first weights: {path}: 21 tensors copied; not taken: fc8.weight"
        in "".join(told.lines)
    )
    before = torch.load(path, weights_only=True)
    assert torch.equal(weights(run)["fc7.1.weight"], before["fc7.1.weight"])
    model, found = trained_model(run)
    assert found == config
    assert torch.equal(model.conv1[0].weight, before["conv1.0.weight"])


def test_a_run_says_everything(store, teacher):
    assert sorted(path.name for path in teacher.folder.iterdir()) == [
        "_logs",
        "checkpoint.pt",
        "learned_from.json",
        "metrics.csv",
        "metrics.jsonl",
        "model.pt",
        "recipe.json",
        "results.json",
        "scores_held_out.npz",
        "scores_test.npz",
    ]
    config = teacher.config()
    assert config.model == {
        "net": "r3d_tiny",
        "sees": "flow",
        "frames": 1,
        "lrn_k": 1.0,
    }
    assert config.store.classes == ("left", "right")
    assert config.recipe.settings["optim"]["learning_rate"] == 3e-3
    epochs = [line for line in teacher.metrics() if line["kind"] == "epoch"]
    assert [line["epoch"] for line in epochs] == [0, 1]
    assert {"loss", "labels", "held_out_top1", "waited", "clips_per_second"} <= epochs[
        0
    ].keys()
    with np.load(teacher.path("scores_test.npz"), allow_pickle=False) as file:
        assert file["ids"].tolist() == [
            "left_g04",
            "left_g05",
            "right_g04",
            "right_g05",
        ]
        hits = file["logits"].argmax(axis=1) == file["labels"]
    assert teacher.results().test.top1.mean == hits.mean()


def test_stopping_and_going_on_anywhere_changes_nothing(store, tmp_path):
    """Epochs have one step: stops at its end. Batches of 2 have three: in the middle."""
    recipe = replace(tiny.teach("mv"), batch_size=2, epochs=3)
    whole = taught(store, tmp_path / "whole", recipe=recipe)
    for at in (1, 3, 5, 8):
        out = tmp_path / f"stopped{at}"
        with pytest.raises(Interrupted, match=f"after step {at} of 9, everything is s"):
            taught(store, out, recipe=recipe, reporter=StopAt(at))
        assert Run(out).results() is None
        torch.manual_seed(99)  # whatever happened in between
        assert same(whole, taught(store, out, recipe=recipe)), at


def test_going_on_twice_changes_nothing_for_a_student(store, tmp_path, teacher):
    whole = distilled(store, tmp_path / "whole", teacher_runs=[teacher.folder])
    runs = tmp_path / "stopped"
    options = {"teacher": "flow", "student": "mv", "teacher_runs": [teacher.folder]}
    for at in (1, 2):
        context = tiny_context(store, runs, reporter=StopAt(at))
        with pytest.raises(Interrupted):
            run_distill(TINY, context, baseline=False, out=None, **options)
    again = distilled(store, runs, teacher_runs=[teacher.folder])
    assert len(runs_in(runs)) == 1
    assert same(whole, again)


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[3])
import tiny_recipe as tiny
from pipeline.store import Store
from tiny_runs import taught
from training.runs.machine import Machine
torch.set_num_threads(1)
recipe = replace(tiny.teach("mv"), batch_size=2, epochs=8)
taught(Store(Path(sys.argv[1])), Path(sys.argv[2]), recipe=recipe,
       machine=Machine(checkpoint_seconds=0.05))
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_checkpoint(store, tmp_path):
    out = tmp_path / "killed"
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", KILLED, str(store.folder), str(out), here]
    child = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while len(Run(out).metrics()) < 4 or not Run(out).path("checkpoint.pt").exists():
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert Run(out).results() is None
    assert (
        0
        < torch.load(Run(out).path("checkpoint.pt"), weights_only=True)["steps_done"]
        < 24
    )

    recipe = replace(tiny.teach("mv"), batch_size=2, epochs=8)
    killed = taught(store, out, recipe=recipe)
    assert same(taught(store, tmp_path / "whole", recipe=recipe), killed)


def test_the_best_epoch_is_kept_if_the_recipe_says_so(store, tmp_path):
    recipe = replace(tiny.teach("flow"), epochs=4, select="best")
    run = taught(store, tmp_path / "best", recipe=recipe)
    looks = [x["held_out_top1"] for x in run.metrics() if x["kind"] == "epoch"]
    chosen = run.results().training.selected_epoch
    assert chosen == looks.index(max(looks))
    assert run.results().held_out.top1.mean == max(looks)


def test_a_complete_run_is_not_redone(store, teacher):
    told = Told()
    before = teacher.path(RESULTS).stat().st_mtime_ns
    again = taught(store, teacher.folder, recipe=tiny.teach("flow"), reporter=told)
    assert again.path(RESULTS).stat().st_mtime_ns == before
    assert told.lines == [f"{teacher.folder}: complete, nothing to do"]


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_a_complete_run_without_its_weights_says_what_is_missing(
    store, teacher, tmp_path, there
):
    shutil.copytree(teacher.folder, tmp_path / "run")
    (tmp_path / "run" / "model.pt").unlink()
    if there == "a folder":
        (tmp_path / "run" / "model.pt").mkdir()
    told = Told()
    taught(store, tmp_path / "run", recipe=tiny.teach("flow"), reporter=told)
    (line,) = told.lines
    assert line == (
        f"{tmp_path / 'run'}: complete, but without model.pt: put back what is missing,"
        " or remove the folder to train again"
    )


def test_distil_trains_a_teacher_if_there_is_none_and_then_finds_it(store, tmp_path):
    told = Told()
    context = tiny_context(store, tmp_path, reporter=told)
    options = {"teacher": "flow", "teacher_runs": (), "out": None}
    run = run_distill(TINY, context, student="mv", baseline=True, **options)
    assert any("no complete flow teacher" in line for line in told.lines)
    assert {run.folder.name for run in runs_in(tmp_path)} == {
        "moving-tiny-flow-split1-seed0",
        "moving-tiny-mv-scratch-split1-seed0",
        "moving-tiny-flow-to-mv-split1-seed0",
    }
    results = run.results()
    ours, scratch = results.test.top1.mean, results.scratch.test
    expected = ours - scratch.top1.mean
    assert results.scratch.difference.mean == pytest.approx(expected)
    assert results.scratch.training.steps == results.training.steps

    told.lines.clear()
    run_distill(TINY, context, student="rgb", baseline=False, **options)
    assert not any("no complete flow teacher" in line for line in told.lines)
    assert any(line.endswith("moving-tiny-flow-split1-seed0") for line in told.lines)


def test_a_baseline_may_come_later(store, tmp_path, teacher):
    first = distilled(store, tmp_path, teacher_runs=[teacher.folder])
    assert first.results().scratch is None
    again = distilled(store, tmp_path, teacher_runs=[teacher.folder], baseline=True)
    assert again.folder == first.folder
    assert again.results().scratch.videos_compared == 4


def test_the_newest_complete_teacher_of_exactly_this_kind_is_taken(
    store, tmp_path, teacher
):
    for name, seed in (("old", 0), ("new", 0), ("other_seed", 1)):
        shutil.copytree(teacher.folder, tmp_path / name)
        recipe = read_json(tmp_path / name / "recipe.json")
        recipe["run"]["seed"] = seed
        write_json(tmp_path / name / "recipe.json", recipe)
        age = {"old": 10, "new": 20, "other_seed": 30}[name]
        os.utime(tmp_path / name / RESULTS, (age, age))
    shutil.copytree(teacher.folder, tmp_path / "begun")
    (tmp_path / "begun" / RESULTS).unlink()
    found = run_teach(TINY, tiny_context(store, tmp_path), "flow", out=None)
    assert found.folder == tmp_path / "new"


def test_teacher_starts_the_student_where_the_recipe_says_so(store, tmp_path, teacher):
    recipe = replace(
        tiny.distill("flow", "mv"),
        init="teacher",
        optim=OptimConfig(learning_rate=0.0, weight_decay=0.0),
    )
    changed = replace(TINY, settings=recipe)
    context = tiny_context(store, tmp_path)
    run = run_recipe(changed, context, needed={"teacher": teacher})
    ours, theirs = weights(run), weights(teacher)
    learned = [name for name in ours if "running" not in name and "tracked" not in name]
    assert all(torch.equal(ours[name], theirs[name]) for name in learned)


def test_evaluating_again_says_the_same(store, teacher, tmp_path):
    shutil.copytree(teacher.folder, tmp_path / "run")
    for part in ("test", "held_out"):
        told = run_evaluate(
            tmp_path / "run",
            store=None,
            part=part,
            machine=Machine(),
            reporter=SilentReporter(),
        )
        assert told.result == getattr(teacher.results(), part)
    assert (tmp_path / "run" / "evaluation_held_out.json").exists()


def test_left_out_videos_are_in_the_results(tmp_path):
    made = [*videos(), Made(id="still", label=0, group="g9", frames=1)]
    store = Store(write_store(tmp_path / "store", made))
    results = taught(store, tmp_path / "run").results()
    assert results.videos.left_out == {"still": "one frame, so no motion"}


def test_order_of_training_is_the_pure_function(store, tmp_path):
    """Two epochs of the six training videos, in whole batches of four: one each."""
    assert sorted(epoch_order(6, seed=0, epoch=0)) == list(range(6))
    results = taught(store, tmp_path / "run").results()
    assert results.training.steps == 2


# ---- refusals


def test_a_split_that_means_less_is_told_at_the_start(tmp_path):
    made = [
        replace(v, group="g00", label=0, id=f"t{i}") if v.part == "test" else v
        for i, v in enumerate(videos())
    ]
    store = Store(write_store(tmp_path / "s", made))
    told = Told()
    run = taught(store, tmp_path / "run", reporter=told)
    assert "split 1: classes in the training part only: right" in told.lines
    (torn,) = [line for line in told.lines if "training and test" in line]
    assert "1 (g00): accuracies are too high" in torn
    assert run.results().videos.torn == ("g00",)


def test_choosing_by_nothing_is_told(store, tmp_path):
    best = replace(tiny.teach("mv"), select="best", held_out=0.1)
    told = Told()
    run = taught(store, tmp_path / "run", recipe=best, reporter=told)
    assert run.results().videos.held_out == 0
    assert run.results().training.selected_epoch == 1
    assert any(
        "no videos are held out: the last weights are selected" in line
        for line in told.lines
    )
    assert any("more than 15% of 8 videos" in line for line in told.lines)


def test_run_folder_of_another_recipe(store, tmp_path, teacher):
    with pytest.raises(RunError, match="there and here differ in modalities"):
        taught(store, teacher.folder, recipe=tiny.teach("mv"))
    with pytest.raises(RunError, match="differ in recipe.settings.epochs: 2, 3"):
        taught(store, teacher.folder, recipe=replace(tiny.teach("flow"), epochs=3))
    with pytest.raises(RunError, match="differ in seed: 0, 1"):
        taught(store, teacher.folder, recipe=tiny.teach("flow"), seed=1)


def test_a_wrong_out_is_refused_before_any_training(store, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("")
    with pytest.raises(RunError, match="expected a run or an empty folder"):
        distilled(store, tmp_path, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_missing_modality_is_refused_before_any_training(tmp_path):
    store = Store(write_store(tmp_path / "s", videos(), modalities=("rgb", "flow")))
    with pytest.raises(
        DataError, match="expected mv, flow, but the store has only rgb, f"
    ):
        distilled(store, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_teacher_of_other_classes(tmp_path, teacher):
    classes = ("down", "up")
    store = Store(write_store(tmp_path / "s", videos(), classes=classes))
    with pytest.raises(
        RunError, match=r"2 classes \(down, up\), got 2 \(left, right\)"
    ):
        distilled(store, tmp_path, teacher_runs=[teacher.folder])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flow": {"profile": "fast"}}, 'flow.profile: "default", "fast"'),
        ({"common": {"short_side": 64}}, "common.short_side: 48, 64"),
    ],
)
def test_teacher_of_other_motion(tmp_path, teacher, changed, message):
    settings = {"common": {"short_side": 48}, "flow": {"profile": "default"}} | changed
    store = Store(write_store(tmp_path / "s", videos(), settings=settings))
    with pytest.raises(RunError, match=f"the same flow, .* differ in {message}"):
        distilled(store, tmp_path, teacher_runs=[teacher.folder])


def test_teacher_of_vectors_of_another_source(store, tmp_path):
    expert = run_teach(TINY, tiny_context(store, tmp_path), "mv", out=None)
    settings = {"common": {"short_side": 48}, "mv": {"source": "original"}}
    other = Store(write_store(tmp_path / "s", videos(), settings=settings))
    with pytest.raises(RunError, match='mv.source: "canonical", "original"'):
        run_distill(
            TINY,
            tiny_context(other, tmp_path),
            teacher="mv",
            student="rgb",
            teacher_runs=[expert.folder],
            baseline=False,
            out=None,
        )


def test_teacher_of_another_split_modality_net_or_clip(store, tmp_path, teacher):
    def changed(**options) -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(teacher.folder, folder)
        recipe = read_json(folder / "recipe.json")
        for name, value in options.items():
            part = recipe["run"]
            *places, last = name.split("__")
            for place in places:
                part = part[place]
            part[last] = value
        write_json(folder / "recipe.json", recipe)
        return folder

    for folder, message in (
        (changed(split__name="2"), "split 1, got split 2: it may know the test videos"),
        (changed(model__sees="mv"), "that sees flow, got one that sees mv"),
        (changed(model__net="r3d_narrow"), "net r3d_tiny, got r3d_narrow"),
        (
            changed(recipe__settings__clip__motion_gain=1.0),
            "the same clips, .* motion_gain: 1.0, 10.0",
        ),
    ):
        with pytest.raises((RunError, CheckpointError), match=message):
            distilled(store, tmp_path / "runs", teacher_runs=[folder])


def test_teacher_that_is_not_complete_or_not_a_run(store, tmp_path, teacher):
    with pytest.raises(RunError, match="expected a complete run of a teacher"):
        distilled(store, tmp_path, teacher_runs=[tmp_path])
    shutil.copytree(teacher.folder, tmp_path / "bad")
    (tmp_path / "bad" / "model.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="model.pt: expected weights saved by a"):
        distilled(store, tmp_path, teacher_runs=[tmp_path / "bad"])


def test_damaged_checkpoint_stops_instead_of_starting_afresh(store, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        taught(store, out, reporter=StopAt(1))
    (out / "checkpoint.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="expected a checkpoint of a training"):
        taught(store, out)


def test_diverging_names_step_and_parts(store, tmp_path):
    optim = OptimConfig(name="sgd", learning_rate=1e30, weight_decay=0.0)
    recipe = replace(tiny.teach("mv"), optim=optim, epochs=5)
    with pytest.raises(
        Diverged, match=r"step \d+ of 5: the loss is not finite.*labels"
    ):
        taught(store, tmp_path / "run", recipe=recipe)


def test_unknown_taps_and_missing_terms():
    with pytest.raises(
        RecipeError, match="term match: .* student r3d_tiny .* got conv5"
    ):
        replace(
            tiny.distill("flow", "mv"), terms={"match": FeatureMSE(taps=("conv5",))}
        )
    with pytest.raises(RecipeError, match="at least one term"):
        replace(tiny.distill("flow", "mv"), terms={})
    with pytest.raises(RecipeError, match="init none or teacher, got imagenet"):
        replace(tiny.distill("flow", "mv"), init="imagenet")


def test_taps_of_other_shapes_are_refused(store, tmp_path, teacher):
    recipe: DistillRecipe = replace(
        tiny.distill("flow", "mv"), student=BackboneConfig(net="r3d_narrow", sees="mv")
    )
    changed = replace(TINY, settings=recipe)
    for needed in ({}, {"teacher": teacher}):  # before a teacher is trained, too
        context = tiny_context(store, tmp_path / "runs")
        with pytest.raises(
            RecipeError, match=r"avgpool: .*student \(128.*teacher \(64"
        ):
            run_recipe(changed, context, needed=needed)
    assert not (tmp_path / "runs").exists()


def test_evaluating_an_unfinished_run(store, tmp_path):
    fresh = tmp_path / "begun"
    with pytest.raises(Interrupted):
        taught(store, fresh, reporter=StopAt(1))
    options = {"part": "test", "machine": Machine(), "reporter": SilentReporter()}
    with pytest.raises(
        RunError, match="expected a complete run, but it has no results"
    ):
        run_evaluate(fresh, store=None, **options)
