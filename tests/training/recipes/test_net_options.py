"""Another net of a recipe, with the options that follow from it."""

import pytest

from training.errors import RecipeError
from training.recipes import get_recipe
from training.recipes.change import parse_changes
from training.recipes.changes import with_changes


def changed(name: str, *changes: str):
    return with_changes(get_recipe(name), parse_changes(changes))


def test_a_3d_net_instead_of_a_stacking_one_has_no_frames():
    made = changed("mv_small", "model.net=r3d_narrow")
    assert made.settings.model.frames == 1
    assert made.changes == ("model.net=r3d_narrow", "model.frames=1")


def test_a_stacking_net_instead_of_a_3d_one_takes_the_whole_clip():
    found = changed("r3d_rgb_small", "model.net=resnet18", "clip.length=6")
    assert found.settings.model.frames == found.settings.clip.length == 6
    assert changed("r3d_rgb_small", "model.net=resnet18").settings.model.frames == 16
    given = ("model.net=resnet18", "model.frames=4", "clip.length=4")
    assert changed("r3d_rgb_small", *given).settings.model.frames == 4


def test_a_stacking_net_takes_all_entries_of_clips_of_another_length():
    assert changed("mv_small", "clip.length=6").settings.model.frames == 6
    other = changed("mv_small", "clip.length=6", "model.net=resnet18")
    assert other.settings.model.frames == 6
    assert changed("r3d_rgb_small", "clip.length=6").settings.model.frames == 1
    student = changed("grid_small", "clip.length=20", "student.net=grid_tiny")
    assert student.settings.student.frames == student.settings.teacher.frames // 10 == 1
    taught = changed("st_small", "clip.length=20")
    assert (taught.settings.student.frames, taught.settings.teacher.frames) == (20, 10)
    with pytest.raises(RecipeError, match=r"10 frames .* got 6: set clip\.length and"):
        changed("mv_small", "clip.length=6", "model.frames=10")


@pytest.mark.parametrize("change", ["teacher.net", "teacher:model.net"])
def test_a_teacher_of_another_net_has_its_options_in_both(change):
    made = changed("grid_small", f"{change}=r3d_narrow", "teacher:clip.length=16")
    needed = made.needs["teacher"].settings
    assert made.settings.teacher.frames == needed.model.frames == 1
    assert made.settings.teacher.net == needed.model.net == "r3d_narrow"


def test_options_that_are_given_are_not_changed():
    with pytest.raises(RecipeError, match="expected no frames for r3d_narrow, got 10"):
        changed("mv_small", "model.net=r3d_narrow", "model.frames=10")
    with pytest.raises(RecipeError, match="did you mean r3d_18"):
        changed("mv_small", "model.net=r3d18")
