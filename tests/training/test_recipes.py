from itertools import product

import pytest

from training.engine.record import as_json
from training.errors import RecipeError
from training.jobs.course import Course
from training.jobs.teach import TeachRecipe
from training.recipes import FAMILIES, default_name, family

MODALITIES = ("rgb", "flow", "mv")


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_recipe_has_every_pair_and_fits_itself(name):
    known = family(name)
    for teacher, student in product(MODALITIES, MODALITIES):
        recipe = known.distill(teacher, student)
        assert (recipe.teacher.sees, recipe.student.sees) == (teacher, student)
        expert = known.teach(teacher)
        assert expert.model == recipe.teacher
        assert expert.clip.length == recipe.clip.length
        assert expert.clip.motion_gain == recipe.clip.motion_gain
    assert as_json(known.distill("flow", "mv"))["is"] == "DistillRecipe"
    assert 10 < len(known.line) < 90


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_baseline_has_as_many_steps_as_the_student(name):
    recipe = family(name).distill("flow", "rgb")
    scratch = recipe.scratch()
    assert isinstance(scratch, TeachRecipe)
    assert scratch.model == recipe.student
    assert (scratch.epochs, scratch.batch_size, scratch.optim, scratch.clip) == (
        recipe.epochs,
        recipe.batch_size,
        recipe.optim,
        recipe.clip,
    )


def test_defaults_follow_size_and_modalities():
    assert default_name("small") == "dtmv_small"
    assert default_name("small", student="rgb") == "ds_small"
    assert default_name("paper") == "dtmv"
    assert default_name("paper", teach="flow") == family("dtmv").teacher == "flow2d"


def test_demo_clips_are_never_mirrored():
    assert not family("demo").teach("flow").clip.flip


def test_unknown_recipe_is_refused_with_a_near_name():
    with pytest.raises(RecipeError, match="no recipe 'dtmw': did you mean dtmv"):
        family("dtmw")


def test_senseless_courses_are_refused():
    with pytest.raises(RecipeError, match="at least 1 epoch and batches of 2 clips"):
        Course(epochs=0)
