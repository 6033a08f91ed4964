"""What is said of a training before it starts."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import tiny_recipe as tiny
import torch
from moving_store import videos, write_store
from tiny_runs import Told, taught

from pipeline.store import Store
from training.commands.contexts import larger_recipe
from training.data.dataset import Clips, frames_of
from training.errors import RecipeError
from training.recipes import at_size, get_recipe, recipe_names
from training.runs import expected_hours as ahead
from training.runs.batches import report_waiting
from training.runs.expected_hours import (
    expected_hours,
    large_frames_notice,
    small_frames_notice,
)
from training.runs.machine import Machine, gpu_workers


def test_small_recipes_on_large_frames_are_told(store, tmp_path):
    """Frames of 48x64 are twice 24: not yet much larger."""
    clip = tiny.teach("flow").clip
    assert small_frames_notice(store, clip, "use MORE") is None
    told = small_frames_notice(store, replace(clip, grid_short_px=20), "use MORE")
    assert told is not None and "frames of 64x48 px are scaled to 24x20 px" in told
    assert told.endswith(": use MORE")
    for large in ("dtmv_medium", "r3d_rgb"):
        clip_of_it = get_recipe(large).settings.clip
        assert small_frames_notice(store, clip_of_it, "use MORE") is None
    demo = Store(write_store(tmp_path / "demo", videos(), dataset="demo"))
    assert (
        small_frames_notice(demo, replace(clip, grid_short_px=20), "use MORE") is None
    )


def test_a_recipe_for_larger_frames_is_one_that_can_be_typed():
    """Whatever was typed: --recipe dtmv --size small, dtmv_small, or one of one size."""
    assert "--recipe dtmv_medium (112x112 px" in larger_recipe(get_recipe("dtmv_small"))
    for name in recipe_names():
        told = larger_recipe(get_recipe(name))
        if typed := re.search(r"--recipe (\S+)", told):
            assert get_recipe(typed[1]).size.name == "medium"
            assert get_recipe(typed[1]).system is get_recipe(name).system
        else:
            assert get_recipe(name).system.named
            assert "a recipe that has --size medium" in told


def test_hours_are_epochs_times_clips_times_a_step(monkeypatch):
    """A teacher only looks: a third of what the student costs."""
    monkeypatch.setattr(ahead, "step_seconds", lambda *_, **__: 0.3)
    settings = replace(get_recipe("r3d_flow_medium").settings, epochs=100)
    given = {"clips": 900, "classes": 5, "machine": Machine()}
    net = settings.model
    told = expected_hours(settings, (net,), **given)
    assert told is not None
    assert told.startswith("about 7.5 hours on this machine (100 epochs of 900 clips")
    told = expected_hours(settings, (net, net), **given)
    assert told is not None and told.startswith("about 10 hours")
    assert expected_hours(replace(settings, epochs=1), (net,), **given) is None


def test_a_step_is_tried_without_a_trace(store, tmp_path, monkeypatch):
    """The same weights with the hours told and without."""
    plain = taught(store, tmp_path / "plain")
    monkeypatch.setattr(ahead, "LONG", 0.0)
    reporter = Told()
    told = taught(store, tmp_path / "told", reporter=reporter)
    assert any(line.startswith("mv: about ") for line in reporter.lines)
    first, second = (
        torch.load(run.path("model.pt"), weights_only=True) for run in (plain, told)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_size_is_the_recipes_or_there_is_a_line():
    assert (
        at_size("dtmv", "medium") == at_size("dtmv_medium", "medium") == "dtmv_medium"
    )
    assert at_size("hts", "paper") == "hts"
    assert at_size("r3d", "small") == "r3d_small"
    with pytest.raises(
        RecipeError, match="--size small, or none, .* dtmv_small, got pa"
    ):
        at_size("dtmv_small", "paper")
    with pytest.raises(RecipeError, match="no --size medium with the recipe demo"):
        at_size("demo", "medium")
    assert at_size("demo", "small") == "demo"


def test_frames_that_are_stored_too_large_are_reported(store):
    """48 px are 1.5 times the 32 px that a crop of 28 px needs."""
    clip = get_recipe("r3d_rgb").settings.clip
    small = replace(clip, crop_px=(28, 40))
    told = large_frames_notice(store, small, waited=0.25)
    assert told is not None and told.startswith("25% of the time was spent waiting")
    assert "frames of 64x48 px are decoded for 40x28 px" in told
    assert told.endswith("--short-side 32`")
    assert large_frames_notice(store, small, waited=0.09) is None
    assert large_frames_notice(store, replace(clip, crop_px=(40, 40)), waited=1) is None
    assert (
        large_frames_notice(store, replace(small, grid_short_px=33), waited=1) is None
    )
    assert large_frames_notice(store, replace(small, grid_short_px=32), waited=1)
    enlarged = replace(small, grid_short_px=20, crop_px=(33, 40))
    assert large_frames_notice(store, enlarged, waited=1) is None


def test_a_smaller_store_is_not_advised_where_it_has_fewer_vectors(store):
    clip = replace(get_recipe("r3d_rgb").settings.clip, crop_px=(28, 40), length=2)
    state = SimpleNamespace(waited=1.0, seconds=2.0)
    for modalities, times in ((["flow"], 1), (["mv"], 0), (["flow", "mv"], 0)):
        said: list[str] = []
        frames = frames_of(store, clip, memory_bytes=0)
        clips = Clips(frames, store.videos()[:1], modalities, clip, seed=0)
        report_waiting(state, clips, said.append, "flow")
        assert len(said) == times


def test_all_cores_but_two_read_clips_for_gpus():
    assert [gpu_workers(cores) for cores in (1, 2, 3, 16, 96)] == [1, 1, 1, 14, 32]
    assert gpu_workers(16, 4) == 3
