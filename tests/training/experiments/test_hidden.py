"""Motion without labels, end to end, and collaboration, at size tiny on a tiny store."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_store import videos, write_store
from tiny_recipe import tiny_context
from tiny_runs import StopAt, Told
from tiny_runs import weights as weights_of

from pipeline.store import Store
from training.commands.train import run_evaluate
from training.errors import (
    CheckpointError,
    DataError,
    Interrupted,
    RecipeError,
    RunError,
)
from training.experiments.collaborate import collaborate
from training.experiments.hidden import hidden
from training.experiments.motion import motion, stored_px
from training.models.motion_backbone import MotionBackbone, MotionConfig
from training.recipes import get_recipe
from training.recipes.run import run_recipe
from training.runs import expected_hours
from training.runs.context import RunContext
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.runs.trained import trained_model
from training.scoring.scores import Scores


@pytest.fixture(scope="module")
def context(store, tmp_path_factory) -> RunContext:
    runs = tmp_path_factory.mktemp("hidden")
    return tiny_context(store, runs, fused_by_held_out=True)


@pytest.fixture(scope="module")
def together(context) -> Run:
    """Complete, with all it needs beside it."""
    return run_recipe(get_recipe("hts_cln_tiny"), context)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[RunContext, dict[str, Run]]:
    """A store whose snippets are several batches, and the runs that attend there."""
    folder = tmp_path_factory.mktemp("many")
    made = videos(groups=26, tested=2)
    store = Store(write_store(folder / "moving", made))
    context = tiny_context(store, folder / "runs", fused_by_held_out=True)
    chosen = get_recipe("vgg_frame_tiny")
    runs = {
        role: run_recipe(chosen, replace(context, seed=seed))
        for role, seed in (("first", 0), ("second", 1))
    }
    return context, runs


def test_nothing_is_chosen_by_what_a_stream_has_learned(many, tmp_path):
    """The streams of two seeds hold out different videos."""
    context, needed = many
    settings = get_recipe("hts_cln_tiny").settings
    run = collaborate(settings, context.job("c", out=tmp_path / "c"), **needed)
    learned = [
        set(json.loads(one.path("learned_from.json").read_text()))
        for one in needed.values()
    ]
    held = set(Scores.load(run.path("scores_held_out.npz")).ids)
    assert held and not held & (learned[0] | learned[1])
    assert learned[0] != learned[1]


def test_heads_of_the_streams_take_their_own_features_only(many, tmp_path):
    context, needed = many
    settings = replace(get_recipe("hts_cln_tiny").settings, tap="fc6")
    job = context.job("c", out=tmp_path / "c")
    with pytest.raises(RecipeError, match="expected the tap fc7, .* got fc6"):
        collaborate(settings, job, **needed)
    assert not (tmp_path / "c").exists()
    collaborate(replace(settings, heads="new"), job, **needed)


def of(context: RunContext, name: str) -> Run:
    return run_recipe(get_recipe(name), context)


def weights(run: Run) -> dict:
    return trained_model(run)[0].state_dict()


def test_all_stages_are_there_once(together, context):
    names = {path.name for path in context.runs.iterdir()}
    assert names == {
        f"moving-{name}_tiny-split1-seed0"
        for name in ("vgg_frame", "vgg_flow", "motionnet", "hidden_temporal", "hts_cln")
    }


def test_motion_is_compared_with_the_stored_flow(together, context):
    told = of(context, "motionnet_tiny").results().flow
    assert told.videos == 4
    assert told.of_no_motion_px == pytest.approx(3, abs=0.3)  # how fast they move
    assert 0 < told.end_point_error_px < 4
    assert stored_px(context.store, 24) == 2.0 and stored_px(context.store, None) == 1.0


def test_motion_is_learned_from_a_store_of_one_class(tmp_path):
    made = [video for video in videos() if video.label == 0]
    store = Store(write_store(tmp_path / "one", made, classes=("left",)))
    job = tiny_context(store, tmp_path / "runs").job("motion")
    settings = replace(get_recipe("motionnet_tiny").settings, epochs=1)
    results = motion(settings, job).results()
    assert results.videos.train + results.videos.held_out == 4
    assert results.flow.end_point_error_px > 0
    with pytest.raises(DataError, match=r"at least two classes, but it has one \(left"):
        run_recipe(get_recipe("vgg_frame_tiny"), tiny_context(store, tmp_path / "runs"))


def test_motion_stopped_and_gone_on_is_the_same(together, context, tmp_path):
    settings = replace(get_recipe("motionnet_tiny").settings, batch_size=2)
    whole = motion(settings, context.job("m", out=tmp_path / "whole"))
    job = context.job("m", out=tmp_path / "stopped")
    with pytest.raises(Interrupted):
        motion(settings, replace(job, reporter=StopAt(4)))
    again = motion(settings, job)
    assert again.results().flow == whole.results().flow
    assert again.path("model.pt").read_bytes() == whole.path("model.pt").read_bytes()


def test_the_hidden_stream_sees_frames_only_and_is_judged_again(together, context):
    run = of(context, "hidden_temporal_tiny")
    model, sees = trained_model(run)
    assert isinstance(model, MotionBackbone) and sees.sees == "rgb"
    assert run.config().modalities == ("rgb",)
    before = Scores.load(run.path("scores_test.npz"))
    run_evaluate(
        run.folder,
        store=context.store.folder,
        part="test",
        machine=Machine(),
        reporter=SilentReporter(),
    )
    after = Scores.load(run.path("scores_test.npz"))
    np.testing.assert_allclose(after.logits, before.logits, rtol=1e-5, atol=1e-6)


def test_end_to_end_starts_from_both_and_moves_both(together, context, tmp_path):
    settings = get_recipe("hidden_temporal_tiny").settings
    still = replace(settings, optim=replace(settings.optim, learning_rate=0.0))
    given = {
        "motion": of(context, "motionnet_tiny"),
        "temporal": of(context, "vgg_flow_tiny"),
    }
    job = context.job("h", out=tmp_path / "run")
    start = weights(hidden(still, job, **given))
    flow_net = weights(given["temporal"])
    assert all(
        (start[f"net.{name}"] == value).all() for name, value in flow_net.items()
    )
    moved = weights(of(context, "hidden_temporal_tiny"))
    for name in ("estimator.encoder.0.0.weight", "net.features.0.weight"):
        assert not (moved[name] == start[name]).all()


def test_an_estimator_that_does_not_learn_needs_no_run(together, context, tmp_path):
    settings = get_recipe("hidden_temporal_tiny").settings
    fixed = replace(
        settings,
        motion=MotionConfig(estimator="tvl1", frames=5, learns=False),
        epochs=1,
    )
    job = context.job("m1", out=tmp_path / "run")
    run = hidden(fixed, job, motion=None, temporal=of(context, "vgg_flow_tiny"))
    assert run.results().test.videos == 4


def test_weights_of_another_net_say_what_did_not_fit(together, context, tmp_path):
    settings = get_recipe("hidden_temporal_tiny").settings
    job = context.job("x", out=tmp_path / "run")
    with pytest.raises(RunError, match="classifier .*'sees': 'flow'.*'sees': 'rgb'"):
        hidden(
            settings,
            job,
            motion=of(context, "motionnet_tiny"),
            temporal=of(context, "vgg_frame_tiny"),
        )
    with pytest.raises(CheckpointError, match="weights of another net: .* missing"):
        hidden(
            settings,
            job,
            motion=of(context, "vgg_flow_tiny"),
            temporal=of(context, "vgg_flow_tiny"),
        )


def test_both_heads_are_streams_for_adaptive_weights(together, context):
    # the same for every seed, so that a report takes seeds for one system
    assert (
        together.results().what
        == "collaboration of vgg_frame_tiny and hidden_temporal_tiny"
    )
    both = Scores.load(together.path("scores_test.npz"))
    heads = [
        Scores.load(together.path(f"scores_test_{name}.npz"))
        for name in ("spatial", "motion")
    ]
    mean = (heads[0].softmax + heads[1].softmax) / 2
    np.testing.assert_allclose(both.softmax, mean)
    for one in (both, *heads):
        assert one.groups == tuple(name[-3:] for name in one.ids)  # "left_g04"
    run = run_recipe(get_recipe("htsc_tiny"), context, needed={"first": together})
    assert run.results().what == "adaptive of hts_cln_tiny"
    assert set(run.results().fusion.weights) == {"left", "right"}
    assert Scores.load(run.path("scores_test.npz")).groups == both.groups


class StopIn(Told):
    """Something happens when so many steps of a stretch of work are done."""

    def __init__(self, stretch: str, at: int, what: Callable[[], None]) -> None:
        super().__init__()
        self.stretch, self.at, self.what = stretch, at, what
        self.begun: list[tuple[str, int]] = []

    def begin(self, title: str, total: int, done: int = 0) -> None:
        self.begun.append((title.rpartition(": ")[2], done))

    def step(self, done: int, text: str) -> None:
        if self.stretch in self.begun[-1][0] and done == self.at:
            self.what()


class Killed(BaseException):
    """The process is gone: nothing of ours gets to save."""


def kill() -> None:
    raise Killed


def ask_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("stretch", "at", "what", "ends", "goes_on"),
    [
        ("(train)", 1, ask_to_stop, Interrupted, ("features of 46 videos (train)", 1)),
        ("(train)", 3, kill, Killed, ("features of 46 videos (train)", 2)),
        ("(test)", 1, ask_to_stop, Interrupted, ("features of 46 videos (train)", 0)),
        ("layers", 2, ask_to_stop, Interrupted, ("collaborative layers", 2)),
        ("layers", 4, kill, Killed, ("collaborative layers", 3)),
    ],
)
def test_collaboration_stopped_and_gone_on_is_the_same(
    many, stretch, at, what, ends, goes_on, tmp_path
):
    context, needed = many
    settings = get_recipe("hts_cln_tiny").settings
    settings = replace(
        settings, learning=replace(settings.learning, batch_size=16, epochs=3)
    )
    often = replace(context.machine, checkpoint_seconds=0.0)  # as if minutes went by
    context = replace(context, machine=often)

    def run(name: str, reporter: Told) -> Run:
        job = context.job("c", out=tmp_path / name)
        return collaborate(settings, replace(job, reporter=reporter), **needed)

    whole = run("whole", StopIn("never", 0, kill))
    with pytest.raises(ends):
        run("parts", StopIn(stretch, at, what))
    left = {path.name for path in (tmp_path / "parts").iterdir()}
    assert "features_first_train.f32" in left and "results.json" not in left
    reporter = StopIn("never", 0, kill)
    again = run("parts", reporter)
    assert reporter.begun[0] == goes_on
    assert not list(again.folder.glob("features_*"))
    assert weights_of(again).keys() == weights_of(whole).keys()
    assert all(
        torch.equal(value, weights_of(whole)[name])
        for name, value in weights_of(again).items()
    )
    for file in sorted(whole.folder.glob("scores_*.npz")):
        ours, theirs = (Scores.load(one.path(file.name)) for one in (again, whole))
        np.testing.assert_array_equal(ours.logits, theirs.logits)
    assert again.results().test == whole.results().test


def test_parts_of_another_split_are_refused(together, context, tmp_path):
    folder = write_store(tmp_path / "s", videos(), splits={"1": "lists", "2": "lists"})
    other = Store(folder)
    elsewhere = replace(context, store=other, split="2", runs=tmp_path / "runs")
    needed = {
        "first": of(context, "vgg_frame_tiny"),
        "second": of(context, "vgg_frame_tiny"),
    }
    with pytest.raises(
        RunError, match="a run on split 2, got split 1: it may know the"
    ):
        run_recipe(get_recipe("hts_cln_tiny"), elsewhere, needed=needed)


def test_clips_longer_than_every_video_are_refused(context):
    with pytest.raises(
        DataError, match="at least 11 frames for the .* longest .* has 8"
    ):
        run_recipe(get_recipe("motionnet_small"), context)


def test_the_hours_of_motion_and_of_both_are_told_without_a_trace(
    together, context, tmp_path, monkeypatch
):
    monkeypatch.setattr(expected_hours, "LONG", 0.0)
    reporter = Told()
    job = replace(context.job("m", out=tmp_path / "m"), reporter=reporter)
    told = motion(get_recipe("motionnet_tiny").settings, job)
    settings = get_recipe("hidden_temporal_tiny").settings
    needed = {"motion": told, "temporal": of(context, "vgg_flow_tiny")}
    both = hidden(settings, replace(job, out=tmp_path / "h"), **needed)
    lines = [line for line in reporter.lines if "on this machine (" in line]
    assert [line.partition(":")[0] for line in lines] == ["motion", "end to end"]
    for run, name in ((told, "motionnet_tiny"), (both, "hidden_temporal_tiny")):
        plain = weights_of(of(context, name))
        assert all(torch.equal(v, plain[k]) for k, v in weights_of(run).items())
