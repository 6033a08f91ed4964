"""Networks of motion vectors on their own grid."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from training.errors import RecipeError
from training.models.backbones import (
    NETS,
    BackboneConfig,
    build_backbone,
    check_clip,
    net_named,
)
from training.models.grid import MeanAndLargest, ResidualBlock, StackingStem
from training.models.grid_attention import FactorisedBlock, positions
from training.models.taps import tap

OF_CELLS = sorted(net for net in NETS if NETS[net].cells)


def built(net: str, classes: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(BackboneConfig(net=net, sees="mv"), classes).eval()


@pytest.mark.parametrize("net", OF_CELLS)
@pytest.mark.parametrize("size", [(16, 32, 43), (7, 13, 18), (1, 5, 6)])
def test_any_number_of_intervals_and_cells(net, size):
    model = built(net)
    with torch.no_grad(), tap(model, *net_named(net).taps) as features:
        logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5) and logits.isfinite().all()
    assert features["features"].shape == (2, model.fc.in_features)


@pytest.mark.parametrize("net", OF_CELLS)
def test_all_weights_learn(net):
    model = built(net).train()
    model(torch.randn(2, 3, 8, 13, 18)).square().sum().backward()
    assert all(w.grad is not None and w.grad.any() for w in model.parameters())


@pytest.mark.parametrize("net", OF_CELLS)
def test_what_moves_and_when_is_seen(net):
    """The order of time, the sign of u and v, where it is, and whether it is known."""
    model = built(net)
    torch.manual_seed(1)
    clip = torch.randn(1, 3, 8, 12, 16)
    clip[:, 2] = 1
    unknown, mirrored = clip.clone(), clip.clone()
    unknown[:, 2, 4:] = 0
    mirrored[:, 0] *= -1
    with torch.no_grad():
        first = model(clip)
        for other in (clip.flip(2), clip.flip(4), unknown, mirrored):
            assert (model(other) - first).abs().max() > 1e-5


def test_a_block_is_3d_convolutions_of_the_same_kernels():
    torch.manual_seed(0)
    block = ResidualBlock(6, 10, stride=(2, 2)).eval()
    for norm in (block.norm1, block.norm2, block.norm3):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 6, 5, 7, 9)

    def normed(values, norm):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        return values * scale.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1)

    in_space = block.space.weight[:, :, None]
    inner = F.conv3d(x, in_space, stride=(1, 2, 2), padding=(0, 1, 1))
    in_time = block.time.weight[..., None]
    inner = F.conv3d(
        normed(inner, block.norm1).relu(), in_time, stride=(2, 1, 1), padding=(1, 0, 0)
    )
    short = F.avg_pool3d(x, 2, ceil_mode=True)
    short = F.conv3d(short, block.project.weight[..., None])
    expected = (normed(inner, block.norm2) + normed(short, block.norm3)).relu()
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_the_first_convolution_sees_consecutive_intervals_as_one():
    torch.manual_seed(0)
    stem = StackingStem(3, 4, entries=2, stride=1).eval()
    x = torch.randn(1, 3, 5, 6, 7)
    weight = stem.convolution.weight
    scale = (1 + stem.norm.eps) ** -0.5
    for time, (early, late) in enumerate([(0, 1), (2, 3), (4, 4)]):
        pair = torch.cat((x[:, :, early], x[:, :, late]), dim=1)  # u, v, known; again
        expected = F.conv2d(pair, weight, padding=1).relu() * scale
        torch.testing.assert_close(stem(x)[:, :, time], expected)


def test_the_mean_and_the_largest_mean_over_time():
    x = torch.zeros(1, 1, 2, 2, 2)
    x[0, 0, :, 0, 1] = torch.tensor([4.0, 8.0])
    assert MeanAndLargest()(x).tolist() == [[1.5, 6.0]]


def test_attention_stays_in_a_time_then_in_a_position():
    """A token that changes reaches those of its time, and those of these positions."""
    torch.manual_seed(0)
    block = FactorisedBlock(12, 2)
    x = torch.randn(1, 3, 4, 12)
    other = x.clone()
    other[0, 1, 2, ::2] += 1
    with torch.no_grad():
        moved = (block(other) - block(x)).abs().amax(dim=-1)[0] > 1e-6
        block.space.out_proj.weight.zero_()
        along = (block(other) - block(x)).abs().amax(dim=-1)[0] > 1e-6
    assert moved.all()
    assert along.nonzero().tolist() == [[0, 2], [1, 2], [2, 2]]


def test_every_position_has_waves_of_its_own():
    found = positions((3, 4, 5), 64)
    assert found.shape == (3, 4, 5, 64)
    assert len(found.flatten(0, 2).unique(dim=0)) == 60
    assert found[1, 0, 0, 0] == pytest.approx(0.8414710)  # sin 1
    assert found[0, 2, 0, 20] == pytest.approx(0.9092974)  # sin 2, the second axis
    assert not found[..., 60:].any()


def test_cells_are_for_vectors_and_nets_of_cells_for_cells():
    with pytest.raises(RecipeError, match="expected grid to see mv, whose own grid"):
        BackboneConfig(net="grid", sees="flow")
    grid = BackboneConfig(net="grid", sees="mv")
    assert grid.channels == 3
    check_clip(grid, 16, (13, 18), cells=True)
    with pytest.raises(RecipeError, match="expected clips with cells"):
        check_clip(grid, 16, (112, 112), cells=False)
    painted = BackboneConfig(net="r3d_tiny", sees="mv")
    with pytest.raises(RecipeError, match="without cells for r3d_tiny, .* 13x18 cells"):
        check_clip(painted, 16, (13, 18), cells=True)
    teacher = BackboneConfig(net="r3d_tiny", sees="flow")
    check_clip(teacher, 16, (40, 56), cells=True)
