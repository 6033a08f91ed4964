"""Fused optimizers: the steps of the others, and states that go from one to another."""

import copy

import pytest
import torch
from torch import nn

from training.engine import optim
from training.engine.optim import OptimConfig, build_optimizer, fusable, load_optimizer

CONFIGS = {
    "sgd": OptimConfig(momentum=0.9, dampening=0.5, learning_rate=0.01, bias_rate=2.0),
    "adam": OptimConfig(name="adam", learning_rate=0.01),
    "adamw": OptimConfig(name="adamw", learning_rate=0.01, weight_decay=0.1),
}


def net(order: torch.memory_format = torch.contiguous_format) -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv3d(2, 3, 3), nn.Flatten(), nn.Linear(24, 2))
    made[0].weight.data = made[0].weight.data.contiguous(memory_format=order)
    return made


def steps(made: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int):
    for number in range(first, last):
        generator = torch.Generator().manual_seed(number)
        optimizer.zero_grad()
        made(torch.randn(2, 2, 4, 4, 4, generator=generator)).square().sum().backward()
        optimizer.step()


@pytest.fixture
def fused(monkeypatch):
    """torch has fused steps on a CPU, too."""
    monkeypatch.setattr(optim, "fusable", lambda weights: True)


def test_only_weights_on_a_gpu_are_fused():
    assert not fusable([torch.zeros(1)])
    assert not fusable([torch.zeros(1, device="meta")])
    for config in CONFIGS.values():
        groups = build_optimizer(net(), config).param_groups
        assert not any(group["fused"] for group in groups)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_fused_steps_are_those_of_the_others(config, monkeypatch):
    usual = net()
    steps(usual, build_optimizer(usual, config), 0, 4)
    monkeypatch.setattr(optim, "fusable", lambda weights: True)
    other = net()
    optimizer = build_optimizer(other, config)
    assert all(group["fused"] for group in optimizer.param_groups)
    steps(other, optimizer, 0, 4)
    assert not torch.equal(usual[0].weight, net()[0].weight)
    for mine, yours in zip(usual.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_state_is_loaded_whatever_order_its_weights_had(config, fused):
    """Moments in another order than their weights would be mixed up without an error."""
    whole = net(torch.channels_last_3d)
    optimizer = build_optimizer(whole, config)
    steps(whole, optimizer, 0, 2)
    saved = copy.deepcopy([whole.state_dict(), optimizer.state_dict()])
    steps(whole, optimizer, 2, 4)
    resumed = net()
    resumed.load_state_dict(saved[0])
    again = build_optimizer(resumed, config)
    load_optimizer(again, saved[1])
    steps(resumed, again, 2, 4)
    for mine, yours in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-4, atol=1e-6)


def test_a_state_does_not_decide_whether_steps_are_fused(monkeypatch):
    """As where a run of a GPU goes on without one; learning rates are those that were saved."""
    made = net()
    optimizer = build_optimizer(made, CONFIGS["adam"])
    steps(made, optimizer, 0, 1)
    optimizer.param_groups[0]["lr"] = 0.5
    saved = optimizer.state_dict()
    monkeypatch.setattr(optim, "fusable", lambda weights: True)
    again = build_optimizer(net(), CONFIGS["adam"])
    load_optimizer(again, saved)
    assert all(group["fused"] for group in again.param_groups)
    assert again.param_groups[0]["lr"] == 0.5
    for group in saved["param_groups"]:
        group["fused"] = True
    load_optimizer(optimizer, saved)
    assert not any(group["fused"] for group in optimizer.param_groups)


def test_where_torch_cannot_fuse_steps_they_are_not(fused, monkeypatch):
    class Refusing(torch.optim.SGD):
        def __init__(self, groups, fused=None, **given):
            if fused:
                raise RuntimeError("`fused=True` requires another device")
            super().__init__(groups, **given)

    monkeypatch.setattr(torch.optim, "SGD", Refusing)
    optimizer = build_optimizer(net(), CONFIGS["sgd"])
    assert isinstance(optimizer, Refusing)
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_a_state_of_other_weights_is_refused():
    optimizer = build_optimizer(net(), CONFIGS["sgd"])
    other = torch.optim.SGD([nn.Parameter(torch.zeros(1))]).state_dict()
    with pytest.raises(ValueError, match="parameter group"):
        load_optimizer(optimizer, other)
