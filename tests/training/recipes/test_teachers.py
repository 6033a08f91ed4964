"""Several teachers of one student: which recipes they are, and what a recipe says of them."""

from dataclasses import replace

import pytest

from training.commands.recipe_page import recipe_text
from training.errors import RecipeError
from training.recipes import get_recipe, to_distill
from training.recipes.change import parse_changes
from training.recipes.changes import with_changes
from training.recipes.files import own_recipe
from training.recipes.toml_recipes import from_toml, to_toml


def changed(name: str, *changes: str):
    return with_changes(get_recipe(name), parse_changes(changes))


def test_another_recipe_becomes_a_further_teacher_that_sees_the_students_clips():
    made = changed("dtmv_small", "teacher_rgb=r3d_rgb_small", "clip.crop_px=48,64")
    assert made.settings.teacher_names == ("flow", "rgb")
    assert made.settings.roles == tuple(made.needs) == ("teacher", "teacher_rgb")
    rgb = made.needs["teacher_rgb"].settings
    assert rgb.clip.crop_px == (48, 64) and rgb.clip.length == 10
    assert (
        rgb.model
        == made.settings.other_teachers[0]
        == get_recipe("r3d_rgb_small").settings.model
    )
    assert rgb.epochs == get_recipe("r3d_rgb_small").settings.epochs
    assert made.changes == ("teacher_rgb=r3d_rgb_small", "clip.crop_px=48,64")
    taps = made.settings.terms["deep"].taps
    assert taps[0] == "conv3:flow.conv3" and len(taps) == 5
    back = with_changes(
        made, parse_changes(["teacher_rgb=off", "clip.crop_px=104,144"])
    )
    assert back.settings.terms == get_recipe("dtmv_small").settings.terms
    assert back.needs.keys() == {"teacher"}


def test_teachers_of_one_modality_are_counted_and_keep_what_is_theirs():
    made = changed(
        "grid_small",
        "teacher_flow2=r3d_flow_small",
        "teacher_weights.flow2=3",
        "terms.own=SoftTargets",
        "terms.own.teacher=flow2",
    )
    assert made.settings.teacher_names == ("flow", "flow2")
    assert made.settings.entries_of_teachers() == {
        "flow": 10
    }  # the other one sees all 16
    other = with_changes(made, parse_changes(["teacher=r3d_rgb_small"])).settings
    assert other.teacher_names == ("rgb", "flow")
    assert (
        other.teacher_weights == {"flow": 3.0} and other.terms["own"].teacher == "flow"
    )
    assert other.entries_of_teachers() == {}


def test_the_first_teacher_may_be_another_net_whose_terms_are_left_out():
    """All changes are put in at once: the terms do not fit the new teacher."""
    with pytest.raises(RecipeError, match="expected taps of teacher r3d_tiny"):
        changed("dtmv_small", "teacher=r3d_flow_small", "init=none")
    made = changed(
        "dtmv_small", "teacher=r3d_flow_small", "terms.deep=off", "init=none"
    )
    assert made.settings.teacher.net == "r3d_tiny"
    assert made.needs["teacher"].settings.clip.length == made.settings.clip.length == 10


def test_a_net_of_a_further_teacher_is_changed_in_both():
    for change in (
        "other_teachers.0.net=r3d_narrow",
        "teacher_rgb:model.net=r3d_narrow",
    ):
        made = changed("grid_small", "teacher_rgb=r3d_rgb_small", change)
        assert made.settings.other_teachers[0].net == "r3d_narrow"
        assert made.needs["teacher_rgb"].settings.model.net == "r3d_narrow"


def test_what_changes_nothing_is_no_change():
    assert changed("grid_small", "teacher=flow") == get_recipe("grid_small")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ("teacher_flow=r3d_flow_small",),
            "expected teacher_flow2=r3d_flow_small, as it",
        ),
        (
            ("teacher_rgb=off",),
            "a further teacher of grid_small to leave out .it has none",
        ),
        (("teacher=off",), "a further teacher of grid_small to leave out"),
        (("teacher_rgb=frame_flow_small",), "of one network that learns from labels"),
        (("teacher_rgb=r3d_rgbsmall",), "did you mean r3d_rgb_small"),
        (
            ("teacher_weights.flow=2",),
            "where there are several teachers, got flow with",
        ),
        (
            ("terms.soft.teacher=rgb",),
            "term soft: expected a teacher among flow, got rgb",
        ),
        (
            ("teacher_rgb=rgb", "teacher_weights.mv=2"),
            "expected teacher_weights of flow, rgb, of 0 or more, got mv 2",
        ),
        (("teacher_rgb=rgb", "teacher_weights.rgb=-1"), "of 0 or more, got rgb -1"),
        (
            ("teacher_rgb=rgb", "teacher_weights.rgb=0", "teacher_weights.flow=0"),
            "a teacher with a weight other than 0",
        ),
    ],
)
def test_teachers_that_do_not_fit_are_named(changes, message):
    with pytest.raises(RecipeError, match=message):
        changed("grid_small", *changes)


def test_a_page_and_a_file_of_several_teachers():
    changes = ("teacher_rgb=r3d_rgb_small", "teacher_weights.flow=3")
    page = recipe_text("grid_small", changes=(*changes, "terms.soft.teacher=rgb"))
    assert "  teachers  mean of their softmax scores: 0.75 flow + 0.25 rgb\n" in page
    assert (
        "  teacher_rgb r3d_tiny sees rgb" in page and "SoftTargets of rgb alone" in page
    )
    assert "  also " not in page and "  also " not in recipe_text("grid_small")
    made = changed("grid_small", *changes, "teacher_rgb:epochs=7")
    text = to_toml(made)
    assert "[needs.teacher_rgb]" in text and 'from = "r3d_rgb_small"' in text
    found = from_toml(text)
    assert found.settings == made.settings and found.needs == made.needs


def test_a_file_adds_a_teacher():
    text = (
        'from = "grid_small"\nname = "two"\nteacher_weights = {flow = 2}\n'
        '[needs.teacher_rgb]\nfrom = "r3d_rgb_small"\nepochs = 40\n'
    )
    made = from_toml(text)
    assert made.settings.teacher_weights == {"flow": 2.0} and made.name == "two"
    assert made.needs["teacher_rgb"].settings.epochs == 40
    with pytest.raises(RecipeError, match="no recipe 'lab.py:rgb'"):  # never run
        from_toml(text.replace("r3d_rgb_small", "lab.py:rgb"))


def test_a_recipe_of_several_teachers_keeps_them():
    two = get_recipe("grid_tiny").settings.taught_by("flow", "rgb")
    own = own_recipe(two, name="mine")
    assert tuple(own.needs) == ("teacher", "teacher_rgb")
    assert to_distill(own, (), "mv").needs == own.needs
    one = to_distill(own, ("rgb",))
    assert one.settings.teacher_names == ("rgb",) and one.needs.keys() == {"teacher"}
    with pytest.raises(RecipeError, match="expected `needs` with teacher_rgb"):
        own_recipe(two, name="mine2", needs={"teacher": own.needs["teacher"]})
    assert replace(two, teacher_weights={"rgb": 2.0}).teacher_weights == {"rgb": 2.0}
