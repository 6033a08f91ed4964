"""Iterations of DTMV on its three data sets, and the recipes that run there."""

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from training import sweep
from training.commands.recipe_page import recipe_text
from training.commands.recipe_record import recipe_json
from training.recipes import SYSTEMS, baseline_of, get_recipe, run, to_distill
from training.recipes.change import parse_changes
from training.recipes.combinations import points_of
from training.reproduce.plan import Holdings, Stage, plan, recipe_of_stage
from training.runs.context import RunContext
from training.runs.machine import select_machine
from training.runs.progress import SilentReporter

BATCHES = {"ucf101": 33, "hmdb51": 12, "thumos14": 50}
"""Of 256 clips in an epoch, a tenth of the groups held out."""
ITERATIONS = {
    "frame": {"ucf101": 20_000, "hmdb51": 10_000, "thumos14": 50_000},
    "dtmv": dict.fromkeys(BATCHES, 90_000),
    "flow2d": dict.fromkeys(BATCHES, 90_000),
    "mv_long": dict.fromkeys(BATCHES, 180_000),
}
"""Sections III-B and IV; the control takes twice as many."""


@pytest.mark.parametrize(("name", "of_paper"), ITERATIONS.items())
def test_iterations_are_the_papers_on_each_data_set(name, of_paper):
    for dataset, iterations in of_paper.items():
        ours = get_recipe(name).on(dataset).settings.epochs * BATCHES[dataset]
        assert ours == pytest.approx(iterations, rel=0.001), dataset


def test_every_training_of_dtmv_has_epochs_of_its_own_elsewhere():
    for system in SYSTEMS.values():
        if system.paper == "dtmv" and system.kind != "fuse":
            assert system.epochs_on.keys() == {"hmdb51", "thumos14"}, system.name


def test_all_that_a_recipe_needs_is_for_the_data_set():
    fused = get_recipe("frame_dtmv").on("hmdb51")
    frame, student = fused.needs["first"], fused.needs["second"]
    epochs = [one.settings.epochs for one in (frame, student, student.needs["teacher"])]
    assert epochs == [833, 7500, 7500]
    assert baseline_of(student).settings.epochs == 7500
    assert fused.on("thumos14") == fused  # it is for a data set already
    again = to_distill(get_recipe("dtmv"), ("rgb",)).on("hmdb51")
    assert again.needs["teacher"].settings.epochs == 7500


def test_what_is_no_paper_sized_recipe_of_such_a_data_set_stays():
    for name, dataset in (
        ("dtmv", "ucf101"),
        ("dtmv", "folder"),
        ("dtmv_small", "hmdb51"),
        ("dtmv_medium", "hmdb51"),
        ("ds", "hmdb51"),
    ):
        usual = get_recipe(name)
        assert usual.on(dataset).settings == usual.settings
    usual = get_recipe("dtmv")
    changed = replace(usual, settings=replace(usual.settings, epochs=40))
    assert changed.on("hmdb51").settings.epochs == 40


def test_the_largest_of_several_data_sets_decides():
    """HMDB51 is learned together with UCF101, whose epochs are longer."""
    together = get_recipe("dtmv").on("hmdb51", "ucf101")
    assert together.settings.epochs == get_recipe("dtmv").settings.epochs
    assert get_recipe("dtmv").on("hmdb51", "thumos14").settings.epochs == 1800


def test_of_several_stores_each_recipe_has_the_epochs_of_what_it_learns():
    fused = get_recipe("frame_dtmv_joint").on_each(("hmdb51", "ucf101"))
    frame, student = fused.needs["first"], fused.needs["second"]
    epochs = [one.settings.epochs for one in (frame, student, student.needs["teacher"])]
    assert epochs == [833, 2727, 2727]
    assert get_recipe("frame_dtmv").on_each(()).datasets == ()


@pytest.mark.parametrize("epochs", [2727, 7500, 40])
def test_epochs_that_are_given_win_over_those_of_the_data_set(epochs):
    """2727 are those of UCF101, 7500 those of HMDB51, which need no mark."""
    hmdb = Holdings("hmdb51", ("rgb", "flow", "mv"), 100)
    changes = parse_changes([f"flow2d:epochs={epochs}"])
    made = plan(
        "dtmv",
        size="paper",
        seeds=(0,),
        splits=("1",),
        store=hmdb,
        wanted=("flow2d", "mv"),
        changes=changes,
        lacks=lambda net: "",
    )
    name = "flow2d" if epochs == 7500 else f"flow2d+epochs={epochs}"
    assert made.recipes.keys() == {name, "mv"}
    assert made.recipes[name].settings.epochs == epochs
    assert made.recipes["mv"].settings.epochs == 7500
    again = recipe_of_stage(Stage(name, 0, "1"), changes, hmdb.datasets)
    assert again == made.recipes[name]


def test_a_sweep_has_the_epochs_that_it_names(tmp_path, monkeypatch):
    got = []
    monkeypatch.setattr(run, "teach", lambda settings, job, **_: got.append(settings))
    monkeypatch.setattr(
        sweep, "Store", lambda folder: SimpleNamespace(dataset="hmdb51", folder=folder)
    )
    changes = {"frame+epochs=606": ("epochs=606",), "frame": ("epochs=833",)}
    points = points_of(get_recipe("frame").on("hmdb51"), ["epochs=606,833"])
    assert points == changes
    for name in points:
        with suppress(AttributeError):  # nothing was trained, so there is no folder
            sweep.run_point(
                Stage(name, 0, "1"),
                {},
                recipe="frame",
                settings=points,
                store=tmp_path,
                machine={"device": "cpu"},
                reporter=SilentReporter(),
                runs=tmp_path,
            )
    assert [settings.epochs for settings in got] == [606, 833]


def test_the_page_has_the_epochs_of_every_data_set():
    assert "  schedule  606 epochs (HMDB51 833, THUMOS14 1000), " in recipe_text(
        "frame"
    )
    assert "  schedule  200 epochs, " in recipe_text("ds")
    assert recipe_json("dtmv")["epochs_on"] == {"hmdb51": 7500, "thumos14": 1800}
    assert recipe_json("dtmv_small")["epochs_on"] == {}


@pytest.mark.parametrize(("dataset", "epochs"), [("hmdb51", 833), ("ucf101", 606)])
def test_a_recipe_runs_with_the_epochs_of_the_stores_data_set(
    dataset, epochs, tmp_path, monkeypatch
):
    """The settings that the experiment gets are those that recipe.json records."""
    got = []
    monkeypatch.setattr(run, "teach", lambda settings, job, **_: got.append(settings))
    store = SimpleNamespace(dataset=dataset, folder=tmp_path)
    context = RunContext(
        store=store,
        split="1",
        seed=0,
        runs=tmp_path,
        machine=select_machine(device="cpu"),
        reporter=SilentReporter(),
    )
    run.run_recipe(get_recipe("frame"), context)
    assert [settings.epochs for settings in got] == [epochs]
