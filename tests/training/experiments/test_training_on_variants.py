"""Networks trained on several stores of the same videos, and tested on each."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_recipe as tiny
import torch
from click.testing import CliRunner
from moving_store import videos, write_store
from tiny_recipe import tiny_context
from tiny_runs import StopAt, Told, job_on, same, taught
from torch import nn

from pipeline.store import Store
from training.commands.cli import main
from training.commands.train import run_distill, run_evaluate, run_teach
from training.errors import DataError, Interrupted, RecipeError, RunError
from training.report.files import report_of
from training.report.several import several_runs, several_text
from training.report.text import results_text
from training.runs import validation
from training.runs.assessment import evaluate_parts, evaluate_variants
from training.runs.config import open_data
from training.runs.machine import Machine
from training.runs.record import Run
from training.runs.validation import classifier_validator
from training.scoring.scores import Scores

MADE = videos(groups=8, tested=3)
SHIFTS = {"own": 0.0, "fast": 8.0, "slow": -8.0}
RECIPE = replace(tiny.teach("mv"), epochs=3)


def made(folder: Path, crf: int, shift: float = 0.0, **options) -> Store:
    settings = {"common": {}, "flow": {}, "mv": {"source": "canonical", "crf": crf}}
    options = {"made": MADE, "settings": settings, "mv_shift": shift} | options
    return Store(write_store(folder, **options))


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> list[Store]:
    """Vectors of the second and third all move by 8 px to one side, whatever their class."""
    root = tmp_path_factory.mktemp("stores")
    return [
        made(root / name, crf, shift)
        for crf, (name, shift) in enumerate(SHIFTS.items(), 40)
    ]


def trained(stores, out: Path, **changes) -> Run:
    own, *others = stores
    return taught(own, out, recipe=RECIPE, variants=tuple(others), **changes)


@pytest.fixture(scope="module")
def run(stores, tmp_path_factory) -> Run:
    """A complete run on three stores. Read only."""
    return trained(stores, tmp_path_factory.mktemp("runs") / "three")


def judged(run: Run, store: Store, **options):
    return run_evaluate(
        run.folder, store=store.folder, machine=Machine(), reporter=Told(), **options
    )


def test_results_have_the_accuracy_on_every_store(run, stores, tmp_path):
    """The same as of `training evaluate` on that store, and as counted by hand."""
    results = run.results()
    assert results.variants.own == "own"
    assert list(results.variants.stores) == ["fast", "slow"]
    hits = {"own": np.mean(Scores.load(run.path("scores_test.npz")).hits())}
    for store in stores[1:]:
        name = store.folder.name
        found = results.variants.stores[name]
        scores = Scores.load(run.path(f"scores_test.{name}.npz"))
        again = judged(run, store, part="test")
        assert found.test == again.result
        stored = Scores.load(run.folder / "evaluations" / f"{name}.npz")
        assert (stored.logits == scores.logits).all()
        assert found.differ == again.differ
        truth = [int(video.startswith("right")) for video in scores.ids]
        hits[name] = np.mean(scores.softmax.argmax(axis=1) == truth)
        assert found.test.top1.mean == hits[name]
        assert found.test.videos == 6 and found.held_out.videos == 2
        assert found.store.folder == str(store.folder)
    assert results.variants.stores["slow"].differ == ("mv.crf: 40, 42",)
    assert hits[results.variants.worst] == min(hits.values())


def test_a_stopped_training_goes_on_to_the_bit(run, stores, tmp_path):
    """In the middle of an epoch, with another memory and with a worker."""
    steps = run.results().training.steps
    out = tmp_path / "stopped"
    for at in (1, steps // 2):
        with pytest.raises(Interrupted):
            trained(stores, out, reporter=StopAt(at), machine=Machine(memory_bytes=0))
    assert same(run, trained(stores, out))
    assert Run(out).results().variants == run.results().variants
    assert run.is_of(Run(out).config())


def test_the_stores_decide_what_run_it_is(run, stores, tmp_path):
    own, first, second = stores
    record = json.loads(run.path("recipe.json").read_text())
    crfs = [one["store"]["settings"]["mv"]["crf"] for one in record["run"]["variants"]]
    assert crfs == [41, 42]
    counts = [one["videos_to_train_on"]["count"] for one in record["run"]["variants"]]
    assert counts == [8, 8]
    assert record["machine"]["variants"] == f"{first.folder}, {second.folder}"
    assert record["machine"]["store"] == str(own.folder)
    for others in ((), (first,), (second, first)):
        with pytest.raises(RunError, match="there and here differ in variants"):
            taught(own, run.folder, recipe=RECIPE, variants=others)
    alone = taught(own, tmp_path / "alone", recipe=RECIPE)
    record = json.loads(alone.path("recipe.json").read_text())
    assert "variants" not in record["run"] and "variants" not in record["machine"]
    assert "variants" not in json.loads(alone.path("results.json").read_text())
    with pytest.raises(RunError, match="differ in variants: absent"):
        trained(stores, alone.folder)


def test_another_set_of_videos_is_another_run(run, stores, tmp_path):
    """A variant of the same settings and name from which a training video is missing."""
    own, first, _ = stores
    less = made(tmp_path / "slow", 42, -8.0, made=MADE[1:])
    with pytest.raises(RunError, match="differ in variants"):
        trained([own, first, less], run.folder)


def test_a_student_has_a_teacher_of_the_first_store(stores, tmp_path):
    """Found where it was trained on that store alone; a baseline has all stores."""
    own, *others = stores
    context = tiny_context(own, tmp_path)
    short = {"out": None, "changes": ["epochs=1"]}
    teacher = run_teach(tiny.TINY, context, "flow", **short)
    context = replace(context, variants=tuple(others))
    student = run_distill(
        tiny.TINY,
        context,
        teacher="flow",
        student="mv",
        baseline=True,
        out=None,
        changes=["epochs=1", "teacher:epochs=1"],
    )
    assert student.results().teacher.run == teacher.folder.name
    runs = {path.name: Run(path) for path in tmp_path.iterdir()}
    assert runs.keys() == {
        "own-tiny+epochs=1-flow-split1-seed0",
        "own-tiny+epochs=1+teacher.epochs=1-flow-to-mv-2variants-split1-seed0",
        "own-tiny+epochs=1+teacher.epochs=1-mv-scratch-2variants-split1-seed0",
    }
    with_variants = [n for n, one in runs.items() if one.config().variants]
    assert len(with_variants) == 2 and teacher.folder.name not in with_variants
    assert student.results().what == (
        "mv from labels and a flow teacher, clips of 3 stores"
    )
    assert student.results().variants.stores["fast"].test.videos == 6


class Direction(nn.Module):
    """Finds that a clip moves to the right where u is positive on average."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        u = clips[:, 0].flatten(1).mean(1)
        return torch.stack((-u, u), 1)


def test_epochs_are_compared_by_the_mean_of_all_stores(stores, tmp_path):
    """It is right about all on the first store, and about one class of two on the others."""
    own, *others = stores
    job = job_on(own, tmp_path, variants=tuple(others), held_out=0.4)
    data = open_data(RECIPE, job, ["mv"])
    assert len(data.parts.held_out) == 4
    found = classifier_validator(RECIPE, data, sees="mv", machine=Machine())(
        Direction()
    )
    each = [
        classifier_validator(
            RECIPE,
            open_data(RECIPE, replace(job, store=one, variants=()), ["mv"]),
            sees="mv",
            machine=Machine(),
        )(Direction())
        for one in stores
    ]
    assert [one.top1 for one in each] == [1.0, 0.5, 0.5]
    assert found.top1 == pytest.approx(2 / 3)
    assert found.loss == pytest.approx(np.mean([one.loss for one in each]))


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_the_worst_store_is_named(run, stores, tmp_path, first, second):
    """The run's own, or a variant: the one where it is right about one class of two."""
    copied = Run(shutil.copytree(run.folder, tmp_path / "run"))
    job = job_on(stores[first], tmp_path, variants=(stores[second],))
    data = open_data(RECIPE, job, ["mv"])
    options = {"sees": "mv", "protocol": RECIPE.protocol, "run": copied}
    own = evaluate_parts(Direction(), data.clips, job, **options)["test"]
    found = evaluate_variants(Direction(), data, job, own=own, **options)
    name = stores[second].folder.name
    tops = {found.own: own.top1.mean, name: found.stores[name].test.top1.mean}
    assert tops == {"own": 1.0, "fast": 0.5}
    assert found.own == stores[first].folder.name and found.worst == "fast"


def test_what_a_variant_lacks_is_said(stores, tmp_path):
    own, first, _ = stores
    missing = {"left_g00", "right_g06", "right_g07"}
    less = made(
        tmp_path / "less", 50, made=[one for one in MADE if one.id not in missing]
    )
    told = Told()
    found = trained([own, first, less], tmp_path / "run", reporter=told)
    learned, tested = (line for line in told.lines if "without" in line)
    assert learned == (
        f"{less.folder}: without 1 of 8 videos to train on, whose clips come from the"
        " other stores (left_g00)"
    )
    assert tested == (
        f"{less.folder}: without 2 of 6 videos to test, which its accuracy leaves out"
        " (right_g06, right_g07)"
    )
    assert found.results().variants.stores["less"].test.videos == 4
    assert any(
        "every training clip has its mv from one of 3 stores, at random: own, fast, less"
        in line
        for line in told.lines
    )


def test_variants_are_of_one_store_with_known_vectors(stores, tmp_path):
    own, first, second = stores
    job = job_on(own, tmp_path, variants=(first,), other_stores=(second,))
    with pytest.raises(
        RecipeError, match="one store with variants, got 2 and 1 variant"
    ):
        run_teach(
            tiny.TINY,
            tiny_context(own, tmp_path, variants=(first,), other_stores=(second,)),
            "mv",
            out=None,
        )
    shares = {"train": 0.3, "test": 1.0}
    unknown = [replace(one, known_share=shares[one.part]) for one in MADE]
    rare = made(tmp_path / "rare", 50, made=unknown)
    job = replace(job, variants=(rare,), other_stores=())
    with pytest.raises(DataError, match="rare: expected known motion vectors"):
        open_data(RECIPE, job, ["mv"])
    with pytest.raises(DataError, match="rare: expected flow, but the store has only"):
        mv_only = made(tmp_path / "mv" / "rare", 51, modalities=("mv",))
        open_data(tiny.teach("flow"), replace(job, variants=(mv_only,)), ["flow"])


def test_people_and_programs_see_the_worst_store(stores, tmp_path):
    own, first, second = stores
    command = [
        *("teach", "--modality", "mv", "--recipe", "tiny", "--held-out", "0.3"),
        *("--store", own.folder, "--out", tmp_path / "run"),
        *("--variant", first.folder, "--variant", second.folder),
    ]
    command = list(map(str, command))
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 0, found.output
    results = Run(tmp_path / "run").results()
    worst = results.variants.worst
    lines = results_text(results, title="run").splitlines()
    assert found.output.endswith("\n".join(lines[1:]) + "\n")
    assert f"  worst of 3 stores: {worst}" in lines
    shown = next(line for line in lines if line.startswith("  slow"))
    assert f"{100 * results.variants.stores['slow'].test.top1.mean:5.1f} %" in shown
    assert "    differs from own: mv.crf: 40, 42" in lines
    told = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    assert told["variants"]["worst"] == worst
    assert told["variants"]["stores"].keys() == {"fast", "slow"}


def test_reports_have_a_row_for_each_store(run, stores, tmp_path):
    second = trained(stores, tmp_path / "second", seed=1)
    alone = taught(stores[0], tmp_path / "alone", recipe=RECIPE)
    folders = [run.folder, second.folder]
    report_of([*folders, alone.folder], tmp_path / "report")
    table = (tmp_path / "report" / "report.md").read_text().split("## Variants")[1]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.split("##")[0].splitlines()
        if line.startswith(("| three", "| second"))
    ]
    assert [row[3] for row in rows] == ["own", "fast", "slow"] * 2
    assert [row[4] for row in rows[:3]] == ["", "mv.crf: 40, 41", "mv.crf: 40, 42"]
    for one, own_rows in ((run, rows[:3]), (second, rows[3:])):
        worst = one.results().variants.worst
        assert [row[3] for row in own_rows if row[7]] == [worst]
        mean = 100 * one.results().variants.stores["fast"].test.top1.mean
        assert own_rows[1][5].startswith(f"{mean:.1f} [")
    numbers = json.loads((tmp_path / "report" / "table.json").read_text())
    assert numbers["variants"].keys() == {"three", "second"}
    several = several_runs(folders)
    for name in ("fast", "slow"):
        each = [
            one.results().variants.stores[name].test.top1.mean for one in (run, second)
        ]
        assert several.variants[name].mean == pytest.approx(np.mean(each))
    means = {"the training's own store": several.top1} | dict(several.variants)
    worst = min(means, key=lambda name: means[name].mean)
    assert f"worst of 3 stores: {worst}" in several_text(several)
    assert several_runs([alone.folder]).variants is None
    report_of([alone.folder], tmp_path / "plain")
    assert "Variants" not in (tmp_path / "plain" / "report.md").read_text()
    assert "variants" not in json.loads((tmp_path / "plain" / "table.json").read_text())


def test_the_held_out_part_is_read_by_as_many_workers_as_the_training(
    stores, tmp_path, monkeypatch
):
    """On a GPU an epoch is over sooner than two processes read its held-out clips."""
    made = []
    monkeypatch.setattr(validation, "Scorer", lambda clips, **given: made.append(given))
    data = open_data(RECIPE, job_on(stores[0], tmp_path, held_out=0.4), ["mv"])
    classifier_validator(RECIPE, data, sees="mv", machine=Machine(workers=7))
    assert [given["workers"] for given in made] == [7]
