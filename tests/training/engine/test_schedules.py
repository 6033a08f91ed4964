"""Warm-up with cosine, rates by depth, averaged weights, recomputed activations."""

import copy
import math

import pytest
import torch
from torch import nn

from training.engine.average import Average
from training.engine.optim import (
    OptimConfig,
    Schedule,
    build_optimizer,
    layer_factors,
)
from training.engine.recompute import recompute
from training.errors import RecipeError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.blocks import blocks_of


def test_cosine_after_a_warm_up_by_hand():
    """10 steps, of which 2 rise to 0.4; then 8 from 0.4 to 0.04 along half a cosine."""
    config = OptimConfig(
        learning_rate=0.4, schedule="cosine", warm_up_steps=2, last_rate=0.1
    )
    weight = nn.Linear(1, 1)
    schedule = Schedule(build_optimizer(weight, config), config)
    rates = [schedule.before_step(step, 10) for step in range(11)]
    assert rates[:3] == pytest.approx([0.2, 0.4, 0.4])
    assert rates[4] == pytest.approx(0.04 + 0.36 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[6] == pytest.approx(0.22)
    assert rates[10] == pytest.approx(0.04)
    assert rates[2:] == sorted(rates[2:], reverse=True) and len(set(rates[2:])) == 9


def test_cosine_after_a_warm_up_of_all_steps_but_one():
    config = OptimConfig(learning_rate=1.0, schedule="cosine", warm_up_steps=3)
    schedule = Schedule(build_optimizer(nn.Linear(1, 1), config), config)
    rates = [schedule.before_step(step, 4) for step in range(5)]
    assert rates == pytest.approx([1 / 3, 2 / 3, 1, 1, 0])


RANGES = {
    "learning_rate": ((0, 1), (-0.1,)),
    "weight_decay": ((0, 1), (-0.1,)),
    "bias_rate": ((0, 2), (-0.1,)),
    "momentum": ((0, 0.99), (-0.1, 1)),
    "dampening": ((0, 1), (-0.1, 1.1)),
    "warm_up": ((0.01, 0.99), (0, 1)),
    "drop": ((0.01, 1), (0, 1.1)),
    "patience": ((0, 9), (-1,)),
    "gradient_clip": ((0.01, None), (0, -1)),
    "rates": (({"": 0},), ({"": -0.1},)),
    "layer_decay": ((0.01, 1), (0, 1.1)),
    "last_rate": ((0, 1), (-0.1, 1.1)),
    "accumulate": ((1, 2), (0,)),
    "warm_up_steps": ((0, 9), (-1,)),
}
"""Setting -> values at the ends of its range, and values beyond them."""


@pytest.mark.parametrize("name", RANGES)
def test_the_ranges_of_settings(name):
    right, wrong = RANGES[name]
    for value in right:
        assert getattr(OptimConfig(**{name: value}), name) == value
    for value in wrong:
        with pytest.raises(RecipeError, match=name.replace("warm_up_steps", "warm-up")):
            OptimConfig(**{name: value})


def test_cosine_without_more_falls_to_nothing():
    config = OptimConfig(learning_rate=1.0, schedule="cosine")
    schedule = Schedule(build_optimizer(nn.Linear(1, 1), config), config)
    assert [schedule.before_step(s, 4) for s in (0, 2, 4)] == pytest.approx([1, 0.5, 0])
    with pytest.raises(RecipeError, match="last_rate from 0 to 1, got 1 and 2"):
        OptimConfig(last_rate=2.0)
    with pytest.raises(RecipeError, match="layer_decay above 0 up to 1 .* got 0 and 0"):
        OptimConfig(layer_decay=0.0)


@pytest.mark.parametrize(
    ("net", "first", "last", "count"),
    [
        ("r3d_18", "stem", "fc", 10),  # 8 residual blocks
        ("vgg_tiny", "features.0", "classifier.6", 11),  # 8 convolutions, 3 linear
        ("clarifai_tiny", "conv1", "fc8", 8),
        ("resnet18", "net.conv1", "net.fc", 11),  # a norm of its own
        ("s3d", "features.0.0", "classifier", 15),
    ],
)
def test_blocks_of_networks(net, first, last, count):
    with torch.device("meta"):
        names = [n for n, _ in blocks_of(build_backbone(BackboneConfig(net=net), 5))]
    assert (names[0], names[-1], len(names)) == (first, last, count), names


class Stack(nn.Module):
    """Two blocks, a head, and a token in none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(2))
        self.blocks = nn.ModuleList([Block(), Block()])
        self.fc = nn.Linear(2, 2)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))


def test_rates_by_depth_by_hand():
    step = nn.Module()
    step.student, step.adapters = Stack(), nn.Linear(2, 3)
    config = OptimConfig(name="adamw", learning_rate=0.8, layer_decay=0.5)
    optimizer = build_optimizer(step, config, step.student)
    rates = {
        id(weight): group["lr"]
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    found = {name: rates[id(weight)] for name, weight in step.named_parameters()}
    expected = {"token": 0.2, "blocks.0": 0.2, "blocks.1": 0.4, "fc": 0.8}
    for name, rate in found.items():
        inside = name.removeprefix("student.")
        wanted = [r for n, r in expected.items() if inside.startswith(n)] or [0.8]
        assert rate == pytest.approx(wanted[0]), name
    before = Schedule(optimizer, config).before_step(0, 10)
    assert before == 0.8
    assert {round(g["lr"], 6) for g in optimizer.param_groups} == {0.2, 0.4, 0.8}


def test_decay_by_depth_multiplies_the_rates_by_name():
    step = nn.Module()
    step.student = Stack()
    factors = layer_factors(step.student, 0.5)
    assert factors[step.student.fc.weight] == 1
    config = OptimConfig(rates={"blocks.1": 0.1}, layer_decay=0.5, learning_rate=1.0)
    groups = build_optimizer(step, config, step.student).param_groups
    assert {round(group["lr"], 6) for group in groups} == {1.0, 0.25, 0.05}


def test_average_by_hand():
    """1, then .9 x 1 + .1 x 2, then .9 x 1.1 + .1 x 4; running values, too."""
    step = nn.Module()
    step.model = nn.BatchNorm1d(1)
    average = Average(step, 0.9)
    found = []
    for value in (1.0, 2.0, 4.0):
        step.model.weight.data.fill_(value)
        step.model.running_mean.fill_(10 * value)
        average.update()
        with average.in_use():
            found.append((step.model.weight.item(), step.model.running_mean.item()))
        assert step.model.weight.item() == value
    assert found == [
        pytest.approx((1, 10)),
        pytest.approx((1.1, 11)),
        pytest.approx((1.39, 13.9)),
    ]
    average.put()
    assert step.model.weight.item() == pytest.approx(1.39)


def test_average_in_use_leaves_the_weights_to_the_bit():
    torch.manual_seed(0)
    step = nn.Module()
    step.model = build_backbone(BackboneConfig(net="r3d_tiny"), 3)
    average = Average(step, 0.99)
    average.update()
    for weight in step.parameters():
        weight.data.mul_(1.1)
    average.update()
    before = copy.deepcopy(step.state_dict())
    with pytest.raises(ZeroDivisionError), average.in_use():
        assert not torch.equal(step.model.fc.weight, before["model.fc.weight"])
        1 / 0  # noqa: B018
    after = step.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(w.requires_grad for w in average.averaged.parameters())


@pytest.mark.parametrize("net", ["r3d_tiny", "clarifai_tiny"])
def test_recomputed_activations_change_nothing(net):
    """Neither gradients nor running values nor the random numbers that follow."""
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        model = build_backbone(BackboneConfig(net=net, dropout=None), 3).train()
        names = list(model.state_dict())
        if again:
            recompute(model)
        kept = 0

        def pack(value):
            nonlocal kept
            kept += value.numel()
            return value

        frames = 1 if net == "clarifai_tiny" else 4
        clips = torch.randn(2, 3, frames, 40, 48)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            loss = model(clips).square().sum()
        loss.backward()
        model(clips)
        gradients = [weight.grad for weight in model.parameters()]
        assert list(model.state_dict()) == names
        buffers = list(model.buffers())
        found.append((loss, gradients, buffers, torch.rand(3), kept))
    (loss, gradients, buffers, drawn, kept), other = found
    assert torch.equal(loss, other[0]) and torch.equal(drawn, other[3])
    assert all(map(torch.equal, gradients, other[1]))
    assert all(map(torch.equal, buffers, other[2]))
    if net == "r3d_tiny":
        assert other[4] < kept / 4
