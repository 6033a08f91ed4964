"""Every recipe's training, every baseline's and every term takes a step."""

import inspect
import pkgutil
from dataclasses import replace
from importlib import import_module

import pytest
import torch

import training.losses
from training.data.clip_config import ClipConfig
from training.data.order import ClipPosition
from training.errors import RecipeError
from training.experiments.distill_recipe import DistillRecipe
from training.experiments.motion_teacher_recipe import MotionTeacherRecipe
from training.experiments.student import student_step
from training.experiments.teach import TeachRecipe
from training.losses.terms import Term
from training.models.backbones import CHANNELS, BackboneConfig, build_backbone
from training.models.motion_backbone import build_motion_backbone
from training.models.sizes import without_numbers
from training.recipes import get_recipe, recipe_names
from training.runs.config import TrainConfig
from training.steps.gradients import balanced_weight, gradient_norms
from training.steps.labels import Supervised

CLASSES = 3
DISTILLED = {
    name: settings
    for name in recipe_names()
    if isinstance(settings := get_recipe(name).settings, DistillRecipe)
}


def batch_of(clip: ClipConfig, *, clips: int = 2) -> dict[str, torch.Tensor]:
    """Clips of noise, in every modality."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, channels in CHANNELS.items():
        if name == "mv" and clip.cells:
            channels = 3
        shape = (clips, channels, clip.length, *clip.size_of(name))
        made[name] = torch.rand(shape, generator=generator)
    return made | {"label": torch.arange(clips) % CLASSES}


def step_of(settings: TrainConfig, build) -> torch.nn.Module:
    if isinstance(settings, TeachRecipe):
        model = build(settings.model, CLASSES)
        return Supervised(model, sees=settings.model.sees)
    assert isinstance(settings, DistillRecipe)
    student = build(settings.student, CLASSES)
    experts = [build(one, CLASSES).eval() for one in settings.teachers]
    if isinstance(settings, MotionTeacherRecipe):
        found = build_motion_backbone(settings.motion, experts[0], settings.clip)
        experts = [found.eval()]
    batch = batch_of(settings.clip, clips=1)
    device = next(student.parameters()).device
    example = {name: value[0].to(device) for name, value in batch.items()}
    return student_step(settings, student, experts, {ClipPosition(0, 0, 0): example})


@pytest.mark.parametrize(
    "name",
    [
        *sorted(n for n in DISTILLED if n.endswith("_small")),
        *("dtmv_medium", "ds_medium", "fts_medium"),
    ],
)
def test_a_student_and_its_baseline_take_a_step(name):
    """As `distill --baseline` does, with two clips of noise."""
    settings = DISTILLED[name]
    for one in (settings, settings.scratch()):
        torch.manual_seed(0)
        step, batch = step_of(one, build_backbone).train(), batch_of(one.clip)
        if one.gradients_at:
            norms = gradient_norms(step, batch, at=one.gradients_at)
            for term, share in one.balance.items():
                step.weights[term] = balanced_weight(norms, term, share=share)
        output = step(batch)
        output.loss.backward()
        assert torch.isfinite(output.loss)


@pytest.mark.parametrize("name", ["flow2d", "frame", "r3d_rgb", "resnext_flow"])
def test_a_medium_network_takes_a_step(name):
    settings = get_recipe(f"{name}_medium").settings
    torch.manual_seed(0)
    step = step_of(settings, build_backbone).train()
    output = step(batch_of(settings.clip))
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert settings.clip.crop_px == (112, 112)


@pytest.mark.parametrize("name", sorted(DISTILLED))
def test_a_baseline_weighs_no_loss_that_it_has_not(name):
    """At every size, without numbers: what is balanced are losses of the step."""
    settings = DISTILLED[name]
    scratch = settings.scratch()
    assert scratch.balance == {} and scratch.gradients_at is None
    assert (scratch.epochs, scratch.held_out) == (settings.epochs, settings.held_out)
    assert (scratch.model, scratch.clip) == (settings.student, settings.clip)
    step = step_of(settings, without_numbers)
    assert settings.balance.keys() <= step.weights.keys()


def test_balancing_a_loss_that_is_not_there_is_refused_early():
    given = {"gradients_at": "fc6", "balance": {"deep": 0.5}}
    with pytest.raises(RecipeError, match="as it learns from labels.* got deep"):
        TeachRecipe(model=BackboneConfig(net="r3d_tiny"), **given)
    with pytest.raises(RecipeError, match=r"of the recipe \(soft\), got deep"):
        replace(
            DISTILLED["tiny"], terms={"soft": DISTILLED["tiny"].terms["soft"]}, **given
        )


def terms() -> list[type]:
    """All classes of training.losses that are terms."""
    found = {
        kind
        for module in pkgutil.iter_modules(training.losses.__path__)
        for kind in vars(import_module(f"training.losses.{module.name}")).values()
        if inspect.isclass(kind)
        and kind.__module__.startswith("training.losses")
        and kind is not Term
        and hasattr(kind, "equal")
    }
    return sorted(found, key=lambda kind: kind.__name__)


def test_there_are_the_terms_of_the_field():
    assert {
        "SoftTargets",
        "FeatureMSE",
        "AttentionTransfer",
        "RelationalKD",
        "DIST",
    } <= {kind.__name__ for kind in terms()}


@pytest.mark.parametrize("kind", terms(), ids=lambda kind: kind.__name__)
def test_a_student_learns_by_each_term_alone(kind):
    term = kind() if not kind().taps else kind(taps=("layer4",))
    settings = replace(DISTILLED["tiny"], terms={"only": term}, label_weight=0.0)
    settings.check_shapes()
    torch.manual_seed(0)
    step = step_of(settings, build_backbone).train()
    found = step(batch_of(settings.clip, clips=3))  # of three clips, angles
    assert found.loss.item() > 0
    found.loss.backward()
    grown = [w.grad for w in step.student.parameters() if w.grad is not None]
    assert any(gradient.abs().max() > 0 for gradient in grown)
