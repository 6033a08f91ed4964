import math
from dataclasses import replace

import pytest
import tiny_recipe as tiny
import torch
from tiny_runs import job_on, taught
from torch import Tensor

from training.errors import RecipeError
from training.experiments.distill import distill
from training.losses.attention import AttentionTransfer, attention
from training.losses.connected import DeeplyConnectedL2
from training.losses.gram import GramMatching
from training.losses.relational import DIST, RelationalKD
from training.losses.terms import FeatureMSE, MultiLevelMAE, Outputs, SoftTargets
from training.models.backbones import BackboneConfig
from training.models.sizes import tap_shapes

TERM = AttentionTransfer(taps=("layer1",))


def seen(features: Tensor) -> Outputs:
    return Outputs(torch.zeros(len(features), 2), {"layer1": features})


def test_by_hand():
    """Squares 3 and 4 are 3/5 and 4/5 at length 1; the teacher has 4/5 and 3/5."""
    ours = torch.tensor([[[math.sqrt(3), 2.0]]])
    theirs = torch.tensor([[[2.0, math.sqrt(3)]]])
    assert TERM(seen(ours), seen(theirs)).item() == pytest.approx(1 / 25)


def test_channels_add_up_so_their_number_may_differ():
    ours = torch.tensor([[[1.0, 2.0], [math.sqrt(2), 0.0]]])  # 1 + 2 and 4 + 0
    theirs = torch.tensor([[[2.0, math.sqrt(3)]]])
    assert TERM(seen(ours), seen(theirs)).item() == pytest.approx(1 / 25)


def test_size_sign_and_order_of_channels_do_not_matter():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 2, 4, 4, generator=generator)
    theirs = torch.randn(2, 5, 2, 4, 4, generator=generator)
    expected = TERM(seen(ours), seen(theirs))
    other = -7 * ours[:, [2, 0, 1]]
    torch.testing.assert_close(TERM(seen(other), seen(theirs)), expected)
    assert TERM(seen(ours.flip(4)), seen(theirs)) != expected


def test_maps_have_length_one_and_silence_stays_silent():
    maps = attention(torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]]))
    assert maps.square().sum(1).tolist() == pytest.approx([1, 0])


def test_gradient_is_that_of_the_loss():
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 3, 4, dtype=torch.float64, generator=generator)
    theirs = torch.randn(2, 2, 4, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(
        lambda x: TERM(seen(x), seen(theirs)), ours.requires_grad_()
    )


def test_other_positions_and_pooled_features_are_refused():
    for shapes in ((1, 2, 4), (1, 2, 5)), ((1, 2), (1, 2)):
        ours, theirs = (seen(torch.zeros(shape)) for shape in shapes)
        with pytest.raises(RecipeError, match="layer1: .* with the same positions"):
            TERM(ours, theirs)


def test_one_position_is_refused_as_every_network_attends_to_it():
    one = attention(torch.rand(3, 5, 1, 1, 1))
    assert torch.equal(one, torch.ones(3, 1))
    ours, theirs = (seen(torch.rand(3, width, 1, 1, 1)) for width in (5, 7))
    with pytest.raises(RecipeError, match="layer1: .* several positions"):
        TERM(ours, theirs)
    clip = replace(tiny.CLIP, length=2, crop_px=(8, 8), grid_short_px=None)
    term = AttentionTransfer(taps=("layer2", "layer4"))
    recipe = replace(tiny.distill("flow", "mv"), clip=clip, terms={"at": term})
    with pytest.raises(RecipeError, match="^term at, layer4: .* several positions"):
        recipe.check_shapes()


def test_nets_of_different_widths_train_together(store, tmp_path):
    wide = BackboneConfig(net="r3d_narrow", sees="flow")
    expert = taught(
        store, tmp_path / "teacher", recipe=replace(tiny.teach("flow"), model=wide)
    )
    job = job_on(store, tmp_path, out=tmp_path / "student")
    recipe = replace(
        tiny.distill("flow", "mv"),
        teacher=wide,
        terms={"soft": SoftTargets(), "attention": AttentionTransfer(weight=1.0)},
    )
    epochs = [
        line
        for line in distill(recipe, job, teacher=expert).metrics()
        if line["kind"] == "epoch"
    ]
    assert all(line["attention"] > 0 for line in epochs) and len(epochs) == 2


@pytest.mark.parametrize(
    "term", [FeatureMSE(), MultiLevelMAE(), GramMatching(), DeeplyConnectedL2()]
)
def test_terms_of_equal_shapes_refuse_other_widths(term):
    student = BackboneConfig(net="r3d_tiny", sees="mv")
    recipe = replace(
        tiny.distill("flow", "mv"),
        teacher=BackboneConfig(net="r3d_narrow", sees="flow"),
        terms={"match": replace(term, taps=("layer4",))},
    )
    channels = tap_shapes(student, frames=4, height=20, width=24)["layer4"][0]
    message = (
        r"^term match, layer4: expected features of one shape, or an adapter,"
        rf" got student \({channels}, 1, 2, 2\), teacher \({2 * channels}, 1, 2, 2\)$"
    )
    with pytest.raises(RecipeError, match=message):
        recipe.check_shapes()
    replace(recipe, terms={"match": replace(term, taps=("layer4",), adapter="conv")})


def test_attention_of_a_layer_without_positions_is_refused_before_training():
    clip = replace(tiny.CLIP, length=4, crop_px=(64, 64), grid_short_px=None)
    nets = {
        role: BackboneConfig(net="clarifai_tiny", sees=sees, frames=4)
        for role, sees in (("teacher", "flow"), ("student", "mv"))
    }
    term = AttentionTransfer(taps=("conv5", "fc6"))
    recipe = replace(tiny.distill("flow", "mv"), clip=clip, terms={"at": term}, **nets)
    with pytest.raises(RecipeError, match="^term at, fc6: .* same positions, got"):
        recipe.check_shapes()


@pytest.mark.parametrize("term", [RelationalKD(taps=("layer4",)), DIST()])
def test_relations_between_clips_need_no_shape(term):
    replace(
        tiny.distill("flow", "mv"),
        teacher=BackboneConfig(net="r3d_narrow", sees="flow"),
        terms={"relations": term},
    ).check_shapes()
