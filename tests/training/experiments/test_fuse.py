"""Runs with known scores combined: by given, searched, learned and fitted weights."""

import numpy as np
import pytest
from click.testing import CliRunner
from made_runs import CLASSES, made_run

from training.commands.cli import main
from training.errors import DataError, RecipeError, RunError
from training.experiments.fuse import FuseRecipe, fuse
from training.runs.context import Job
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.scoring.scores import Scores

VIDEOS = 30


def knows(*classes: int) -> list[bool]:
    """A stream that recognises the videos of these classes."""
    return [k % len(CLASSES) in classes for k in range(VIDEOS)]


def streams(tmp_path, first=(0, 1), second=(2,), **options) -> list[Run]:
    return [
        Run(
            made_run(
                tmp_path / name,
                name,
                knows(*classes),
                held_out=knows(*classes),
                learned_from=("train000",),
                **options,
            )
        )
        for name, classes in (("one", first), ("two", second))
    ]


def fused(runs, tmp_path, reporter=None, **settings) -> Run:
    job = Job(
        name="both",
        runs=tmp_path / "runs",
        base="both",
        machine=Machine(),
        reporter=reporter or SilentReporter(),
    )
    return fuse(FuseRecipe(**settings), job, streams=runs)


def top1(run: Run) -> float:
    return run.results().test.top1.mean


def test_an_average_is_that_of_the_scores_and_only_ratios_count(tmp_path):
    runs = streams(tmp_path)
    run = fused(runs, tmp_path, weights=(1.0, 3.0))
    ours = Scores.load(run.path("scores_test.npz"))
    one, two = (Scores.load(r.path("scores_test.npz")) for r in runs)
    np.testing.assert_allclose(ours.softmax, 0.25 * one.softmax + 0.75 * two.softmax)
    assert ours.aggregate == "softmax" and ours.part == "test"
    assert top1(run) == pytest.approx(1 / 3)  # the second decides
    assert run.results().fusion.weights == (0.25, 0.75)
    logits = fused(runs, tmp_path, on="logits", weights=(3.0, 1.0))
    ours = Scores.load(logits.path("scores_test.npz"))
    np.testing.assert_allclose(ours.logits, 0.75 * one.logits + 0.25 * two.logits)
    np.testing.assert_allclose(ours.softmax.sum(axis=1), 1)
    assert top1(logits) == pytest.approx(2 / 3)


def test_the_same_fusion_is_found_again_and_another_is_not(tmp_path):
    runs = streams(tmp_path)
    first = fused(runs, tmp_path)
    assert fused(runs, tmp_path).folder == first.folder
    assert fused(runs, tmp_path, weights=(1.0, 2.0)).folder != first.folder


def test_weights_are_searched_on_held_out_videos_only(tmp_path):
    """There the first is right, on the test part the second: the search cannot know."""
    one = made_run(tmp_path / "a", "a", knows(), held_out=knows(0, 1, 2))
    two = made_run(tmp_path / "b", "b", knows(0, 1, 2), held_out=knows())
    run = fused([Run(one), Run(two)], tmp_path, how="search")
    assert run.results().fusion.weights[0] > 0.5
    assert top1(run) == 0


def test_adaptive_weights_take_each_class_from_who_knows_it(tmp_path):
    runs = streams(tmp_path)
    equal = fused(runs, tmp_path)
    run = fused(runs, tmp_path, how="adaptive")
    weights = run.results().fusion.weights
    assert weights["left"] == pytest.approx([0.9, 0.1])
    assert weights["up"] == pytest.approx([0.1, 0.9])
    assert top1(run) >= top1(equal)


def test_classes_without_a_held_out_video_are_told_in_one_line(tmp_path):
    """Two held-out videos, of the first two classes; of the third there is none."""
    runs = [
        Run(made_run(tmp_path / name, name, knows(k), held_out=[True, False]))
        for k, name in enumerate(("one", "two"))
    ]
    lines: list[str] = []
    reporter = SilentReporter()
    reporter.say = lines.append  # type: ignore[method-assign]
    run = fused(runs, tmp_path, reporter, how="adaptive")
    assert run.results().fusion.weights["up"] == (0.5, 0.5)
    (line,) = lines
    assert line == (
        "adaptive weights: 1 of 3 classes have no held-out video, so their streams get"
        " equal weights: up"
    )
    lines.clear()
    other = tmp_path / "all"
    fused(streams(other), other, reporter, how="adaptive")
    assert lines == []


def test_attention_learns_and_is_the_same_twice(tmp_path):
    runs = streams(tmp_path, first=(0, 1, 2), second=())
    run = fused(runs, tmp_path, how="attention")
    again = fused(runs, tmp_path / "elsewhere", how="attention")
    ours, theirs = (Scores.load(r.path("scores_test.npz")) for r in (run, again))
    assert np.array_equal(ours.softmax, theirs.softmax)
    assert run.results().fusion.videos == VIDEOS


def test_runs_of_other_splits_or_classes_are_refused(tmp_path):
    first, _ = streams(tmp_path)
    other = Run(made_run(tmp_path / "s", "s", knows(0), split="2"))
    with pytest.raises(RunError, match="same split, got 1 and 2"):
        fused([first, other], tmp_path)
    classes = ("left", "right", "down")
    other = Run(made_run(tmp_path / "c", "c", knows(0), classes=classes))
    with pytest.raises(RunError, match="the same classes"):
        fused([first, other], tmp_path)
    with pytest.raises(RunError, match="two streams or more to combine, got one"):
        fused([first], tmp_path)
    with pytest.raises(RecipeError, match="expected 2 weights, one for each stream"):
        fused(streams(tmp_path / "w"), tmp_path, weights=(1.0, 1.0, 1.0))


@pytest.mark.parametrize("how", ["search", "attention", "adaptive"])
def test_weights_are_never_fitted_on_training_videos(tmp_path, how):
    """A stream that learned from what another holds out."""
    one = made_run(tmp_path / "a", "a", knows(0), held_out=knows(0))
    two = made_run(
        tmp_path / "b",
        "b",
        knows(1),
        held_out=knows(1),
        learned_from=("held_out003",),
    )
    with pytest.raises(DataError, match=r"1 of 30 are training .*held_out003"):
        fused([Run(one), Run(two)], tmp_path, how=how)
    lone = [Run(made_run(tmp_path / n, n, knows(0))) for n in "cd"]
    with pytest.raises(RunError, match=f"held-out videos to find .* by {how}"):
        fused(lone, tmp_path, how=how)


def test_senseless_fusions_are_refused():
    with pytest.raises(RecipeError, match="no weights with search, which finds them"):
        FuseRecipe(how="search", weights=(1.0, 1.0))
    with pytest.raises(RecipeError, match="expected attention on softmax, got logits"):
        FuseRecipe(how="attention", on="logits")


def test_as_a_command(tmp_path):
    one, two = (run.folder for run in streams(tmp_path))
    out = tmp_path / "out"
    arguments = ["fuse", str(one), str(two), "--weights", "2,1", "--out", str(out)]
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    assert "average of one and two; official split 1" in told.stdout
    assert "66.7 %" in told.stdout
    refused = CliRunner().invoke(main, [*arguments[:3], "--store", str(one)])
    assert refused.exit_code == 2
    assert "expected no --store with RUNS" in refused.output
    refused = CliRunner().invoke(main, ["fuse", str(one), f"{one}/../{one.name}"])
    assert refused.exit_code == 1
    assert f"{one.name}: expected each run once, got it twice" in refused.output
    refused = CliRunner().invoke(main, ["fuse", str(one), "--recipe", "hts"])
    assert refused.exit_code == 2 and "RUNS or --recipe, got both" in refused.stderr
