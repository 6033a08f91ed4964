from itertools import product

import pytest

from training.errors import RecipeError
from training.experiments.teach import TeachRecipe
from training.recipes import (
    SYSTEMS,
    baseline_of,
    default_name,
    get_recipe,
    to_distill,
    to_teach,
)
from training.run_files.settings_json import as_json
from training.runs.config import TrainConfig

MODALITIES = ("rgb", "flow", "mv")


ANY_MODALITY = sorted(SYSTEMS["r3d"].recipes)


@pytest.mark.parametrize("name", [*ANY_MODALITY, "dtmv_small", "ds_medium", "fts"])
def test_a_distillation_has_every_pair_and_fits_itself(name):
    chosen = get_recipe(name)
    for teacher, student in product(MODALITIES, MODALITIES):
        asked = to_distill(chosen, (teacher,), student)
        settings = asked.settings
        assert (settings.teacher.sees, settings.student.sees) == (teacher, student)
        expert = asked.needs["teacher"].settings
        assert expert == to_teach(chosen, teacher).settings
        assert expert.model == settings.teacher
        assert expert.clip.length == settings.clip.length
        assert expert.clip.motion_gain == settings.clip.motion_gain
    assert as_json(chosen.settings)["is"] == "DistillRecipe"
    assert 10 < len(chosen.line) < 95


def test_runs_are_named_by_modalities_that_the_recipe_does_not_say():
    for name, teachers, student, label, needed in (
        ("demo", (), None, "flow-to-mv", ("demo", "flow")),
        ("demo", ("rgb",), "mv", "rgb-to-mv", ("demo", "rgb")),
        ("dtmv", (), None, "", ("flow2d", "")),
        ("dtmv", ("flow",), "mv", "", ("flow2d", "")),
        ("dtmv", ("rgb",), None, "rgb-to-mv", ("flow2d", "rgb")),
        ("dtmv", ("rgb", "flow"), None, "flow+rgb-to-mv", ("flow2d", "")),
    ):
        asked = to_distill(get_recipe(name), teachers, student)
        assert (asked.name, asked.label) == (name, label)
        teacher = asked.needs["teacher"]
        assert (teacher.name, teacher.label) == needed
    assert asked.needs["teacher_rgb"].label == "rgb"
    assert [one.sees for one in asked.settings.teachers] == ["flow", "rgb"]
    for name, modality, told in (
        ("demo", None, ("demo", "flow")),
        ("dtmv_small", None, ("flow2d_small", "")),
        ("mv", None, ("mv", "")),
        ("mv", "rgb", ("mv", "rgb")),
    ):
        taught = to_teach(get_recipe(name), modality)
        assert (taught.name, taught.label) == told


@pytest.mark.parametrize("name", ANY_MODALITY)
def test_a_baseline_has_as_many_steps_as_the_student(name):
    student = to_distill(get_recipe(name), ("flow",), "rgb")
    baseline = baseline_of(student)
    scratch, settings = baseline.settings, student.settings
    assert (baseline.name, baseline.label) == (name, "rgb-scratch")
    assert not baseline.needs
    assert isinstance(scratch, TeachRecipe)
    assert scratch.model == settings.student
    assert (scratch.epochs, scratch.batch_size, scratch.optim, scratch.clip) == (
        settings.epochs,
        settings.batch_size,
        settings.optim,
        settings.clip,
    )


def test_defaults_follow_size_and_modalities():
    assert default_name("small") == "dtmv_small"
    assert default_name("small", student="rgb") == "ds_small"
    assert default_name("paper") == "dtmv"
    assert default_name("paper", teach="flow") == to_teach(get_recipe("dtmv")).name
    assert to_teach(get_recipe("dtmv")).name == "flow2d"


def test_demo_clips_are_never_mirrored():
    assert not to_teach(get_recipe("demo"), "flow").settings.clip.flip


def test_unknown_recipe_is_refused_with_a_near_name():
    with pytest.raises(RecipeError, match="no recipe 'dtmw': did you mean dtmv"):
        get_recipe("dtmw")


def test_senseless_courses_are_refused():
    with pytest.raises(RecipeError, match="at least 1 epoch and batches of 2 clips"):
        TrainConfig(epochs=0)
