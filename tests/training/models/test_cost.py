import pytest
import torch
from torch import nn
from torchvision.models import get_model_weights

from training.errors import RecipeError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.sizes import Cost, cost, cost_of, tap_shapes


def test_multiply_adds_by_hand():
    model = nn.Sequential(
        nn.Conv3d(2, 4, 3, padding=1, bias=False),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    found = cost_of(model, (2, 5, 6, 7))
    assert found.parameters == 2 * 4 * 27 + 4 * 3 + 3
    assert found.multiply_adds == 5 * 6 * 7 * 27 * 2 * 4 + 4 * 3
    assert model.training


def test_grouped_convolutions_cost_a_share():
    model = nn.Conv3d(8, 8, 3, padding=1, groups=4, bias=False)
    assert cost_of(model, (8, 2, 4, 4)).multiply_adds == 2 * 4 * 4 * 27 * 8 * 2


@pytest.mark.parametrize(
    ("net", "frames", "side", "classes"),
    [
        ("r3d_18", 16, 112, 400),
        ("mc3_18", 16, 112, 400),
        ("r2plus1d_18", 16, 112, 400),
        ("vgg16", 1, 224, 1000),
    ],
)
def test_costs_are_those_that_torchvision_states(net, frames, side, classes):
    stated = next(iter(get_model_weights(net))).meta
    found = cost(
        BackboneConfig(net=net), classes, frames=frames, height=side, width=side
    )
    assert found.parameters == stated["num_params"]
    assert found.multiply_adds / 1e9 == pytest.approx(stated["_ops"], abs=0.01)


def test_costs_of_the_narrow_nets():
    motion = {"sees": "mv", "frames": 10}
    size = {"height": 40, "width": 56}
    clarifai = cost(
        BackboneConfig(net="clarifai_tiny", **motion), 12, frames=10, **size
    )
    assert clarifai.parameters == 231_932
    assert clarifai.multiply_adds == pytest.approx(12e6, rel=0.05)
    r3d = cost(BackboneConfig(net="r3d_tiny"), 12, frames=16, **size)
    assert r3d.multiply_adds == pytest.approx(84e6, rel=0.05)


@pytest.mark.parametrize("measure", [cost, tap_shapes])
def test_clips_that_are_too_small_for_its_layers_are_refused(measure):
    config, classes = BackboneConfig(net="vgg16"), [5] if measure is cost else []
    with pytest.raises(
        RecipeError, match=r"that vgg16 takes, got 1 frames of 16x40: .*size is too"
    ):
        measure(config, *classes, frames=1, height=16, width=40)
    measure(config, *classes, frames=1, height=32, width=40)


def test_a_network_that_is_there_keeps_its_mode_and_numbers():
    model = build_backbone(BackboneConfig(net="r3d_tiny"), 4).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    cost_of(model, (3, 8, 40, 56))
    assert not model.training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


def test_told_in_one_line():
    assert Cost(33_192_435, 40_697_000_000).text() == (
        "33.19 M parameters, 40.70 G multiply-adds"
    )
