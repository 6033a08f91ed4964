"""A student whose teacher finds flow in the student's frames: FTSnet's module M1."""

from dataclasses import replace

import pytest
import torch
from tiny_recipe import tiny_context

from training.commands.train import run_distill
from training.errors import RecipeError
from training.experiments.student import student_step
from training.models.backbones import build_backbone
from training.models.tvl1 import TVL1Flow
from training.recipes import get_recipe, to_distill, to_teach
from training.runs.record import Run
from training.runs.trained import trained_model

RECIPE = get_recipe("fts_m1_tiny")


@pytest.fixture(scope="module")
def student(store, tmp_path_factory) -> Run:
    """Trained by the command's own way, after the teacher and what it starts from."""
    context = tiny_context(store, tmp_path_factory.mktemp("m1"))
    return run_distill(RECIPE, context, out=None)


def test_only_frames_are_read_and_every_stage_is_trained(student):
    assert student.config().modalities == ("rgb",)
    results = student.results()
    assert (
        results.test.videos > 0 and results.what == "rgb from labels and a flow teacher"
    )
    (teacher,) = results.teachers
    assert teacher.run == "moving-r3d_layer_tiny-split1-seed0"
    assert sorted(one.name for one in student.folder.parent.iterdir()) == [
        "moving-fts_m1_tiny-split1-seed0",
        "moving-r3d_flow_tiny-split1-seed0",
        teacher.run,
    ]


def test_the_target_is_the_feature_of_the_flow_between_the_students_frames(student):
    """Computed apart: TV-L1 of the frames, over 20 px, times the gain, into the net."""
    settings, teacher = (
        RECIPE.settings,
        Run(student.folder.parent / "moving-r3d_layer_tiny-split1-seed0"),
    )
    expert, sees = trained_model(teacher)
    assert sees.sees == "rgb"
    step = student_step(settings, build_backbone(settings.student, 2), [expert])
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(2, 3, settings.clip.length, 24, 32, generator=generator)
    found = step.teacher({"rgb": frames}).features["avgpool"]
    pixels = expert.stored_px
    fields = (
        (TVL1Flow()(frames) * pixels).clamp(-20, 20) / 20 * settings.clip.motion_gain
    )
    assert fields.shape[2] == settings.clip.length - 1
    net, pooled = expert.net, []
    net.avgpool.register_forward_hook(lambda *said: pooled.append(said[-1]))
    net(fields)
    torch.testing.assert_close(found.flatten(1), pooled[0].flatten(1))
    loss = step({"rgb": frames, "label": torch.tensor([0, 1])}).loss
    loss.backward()
    assert not any(weight.grad is not None for weight in expert.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"student": replace(RECIPE.settings.student, sees="mv")},
            "student that sees rgb",
        ),
        (
            {"teacher": replace(RECIPE.settings.teacher, sees="rgb")},
            "sees motion, .* got rgb",
        ),
        ({"init": "teacher"}, "other first weights than its own"),
        (
            {"motion": replace(RECIPE.settings.motion, frames=9)},
            "clips of 9 frames, got 5",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(RecipeError, match=message):
        replace(RECIPE.settings, **changes)


def test_its_modalities_are_its_own():
    assert to_distill(RECIPE, ("flow",), "rgb") == RECIPE
    for teachers, student in ((("rgb",), None), ((), "mv"), (("flow", "rgb"), None)):
        with pytest.raises(
            RecipeError, match="no other --teacher or --student with fts"
        ):
            to_distill(RECIPE, teachers, student)
    with pytest.raises(RecipeError, match="r3d_layer_tiny is for `training motion`"):
        to_teach(RECIPE)
