"""Trainings with every setting at once go on, to the bit, as if never stopped."""

from dataclasses import replace

import pytest
import torch
from small_trainings import CONFIG, OPTIM, adapted, joint, trained
from test_resume import equal, final
from tiny_runs import StopAt, job_on

from training.commands.recipe_page import _config
from training.engine import checkpoint
from training.errors import Interrupted, RecipeError
from training.experiments.motion import MotionRecipe
from training.run_files.settings_json import as_json
from training.runs.config import TrainConfig, open_data
from training.runs.train import _label_loss

EVERYTHING = replace(
    CONFIG,
    optim=replace(OPTIM, schedule="cosine", layer_decay=0.8, last_rate=0.01),
    ema_decay=0.7,
    label_smoothing=0.1,
    mixup=0.4,
    cutmix=0.6,
    sampling="classes",
    class_weights="balanced",
    gradient_checkpointing=True,
)
NAMES = (
    "ema_decay",
    "label_smoothing",
    "mixup",
    "cutmix",
    "sampling",
    "class_weights",
    "gradient_checkpointing",
)


@pytest.mark.parametrize("make", [adapted, joint])
def test_stopping_and_going_on_changes_nothing(store, tmp_path, make):
    config = EVERYTHING
    if make is joint:  # one head has more classes than the store
        config = replace(config, class_weights="none")
    whole = trained(store, tmp_path / "whole", make, config=config)
    expected = final(whole)
    ends = [line["step"] for line in expected["lines"] if line["kind"] == "epoch"]
    with pytest.raises(Interrupted):
        stop = StopAt(ends[0] + 1)
        trained(store, tmp_path / "run", make, config=config, reporter=stop)
    torch.manual_seed(99)
    run = trained(store, tmp_path / "run", make, config=config)
    assert equal(expected, final(run))
    states = [
        checkpoint.load(one.path("checkpoint.pt"))["average"] for one in (whole, run)
    ]
    assert equal(*states)
    assert int(states[0]["n_averaged"]) == ends[1]


def test_evaluated_weights_are_the_average(store, tmp_path):
    config = replace(CONFIG, ema_decay=0.7, select="last", epochs=1)
    run = trained(store, tmp_path / "run", adapted, config=config)
    state = checkpoint.load(run.path("checkpoint.pt"))
    weights = torch.load(run.path("model.pt"), weights_only=True)
    averaged = {
        name.removeprefix("module.0."): value
        for name, value in state["average"].items()
        if name.startswith("module.0.")
    }
    assert equal(weights, averaged)
    assert not equal(weights, dict(state["model"]))
    plain = trained(
        store, tmp_path / "plain", adapted, config=replace(config, ema_decay=None)
    )
    # averaging does not touch the training itself
    assert equal(final(plain)["model"], final(run)["model"])
    assert "average" not in checkpoint.load(plain.path("checkpoint.pt"))


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_their_own_are_recorded_and_defaults_are_not(name):
    assert name not in as_json(CONFIG)
    value = getattr(EVERYTHING, name)
    assert as_json(replace(CONFIG, **{name: value}))[name] == value


def test_each_setting_changes_the_training(store, tmp_path):
    config = replace(CONFIG, epochs=1, balance={}, gradients_at=None, validate_every=2)
    plain = final(trained(store, tmp_path / "plain", adapted, config=config))
    for name in ("mixup", "sampling"):
        one = replace(config, **{name: getattr(EVERYTHING, name)})
        changed = final(trained(store, tmp_path / name, adapted, config=one))
        assert not equal(changed["model"], plain["model"]), name
    again = replace(config, gradient_checkpointing=True)
    same = final(trained(store, tmp_path / "again", adapted, config=again))
    assert equal(same["model"], plain["model"])


def test_the_labels_loss_follows_the_settings(store, tmp_path):
    clips = open_data(CONFIG, job_on(store, tmp_path), ["mv"]).clips["train"]
    labels = [video.labels[0] for video in clips.videos]
    clips.videos = [v for v in clips.videos if v.labels[0] == 0] + clips.videos
    loss = _label_loss(EVERYTHING, clips)
    assert loss.smoothing == 0.1
    first, second = 2 * labels.count(0), labels.count(1)
    expected = [(first + second) / (2 * n) for n in (first, second)]
    assert loss.class_weights[""].tolist() == pytest.approx(expected)
    assert not _label_loss(CONFIG, clips).class_weights


def test_settings_of_their_own_are_on_the_recipes_page():
    also = [line for line in _config(EVERYTHING, {}) if line.startswith("  also ")]
    assert len(also) == 1 and "layer_decay 0.8" in also[0] and "mixup 0.4" in also[0]
    assert not [line for line in _config(CONFIG, {}) if line.startswith("  also ")]


def test_impossible_settings_are_refused():
    for name, value, message in (
        ("ema_decay", 1.0, "ema_decay from 0 to below 1, got 1"),
        ("label_smoothing", 1.0, "label_smoothing from 0 to below 1"),
        ("mixup", -1.0, "mixup and cutmix of 0 or more, got 0, -1 and 0"),
        ("sampling", "some", "sampling videos or classes, got some"),
        ("class_weights", "some", "class_weights none or balanced, got some"),
    ):
        with pytest.raises(RecipeError, match=message):
            TrainConfig(**{name: value})
    with pytest.raises(RecipeError, match="as a motion network learns without labels"):
        MotionRecipe(mixup=0.2)
