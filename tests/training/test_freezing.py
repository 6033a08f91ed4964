from typing import Self

import pytest
import torch
from torch import nn

from training.engine.optim import OptimConfig, build_optimizer
from training.errors import RecipeError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.freezing import Frozen

STAGES = ("stem", "layer1", "layer2", "layer3")


class Step(nn.Module):
    """As a step uses it."""

    def __init__(self, model: nn.Module, freeze: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.frozen = Frozen(model, freeze)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.frozen.hold()
        return self

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.model(clips).square().sum()


def test_frozen_parts_stand_still_and_the_others_learn():
    torch.manual_seed(0)
    model = build_backbone(BackboneConfig(net="resnext3d_tiny", sees="flow"), 4)
    step = Step(model, STAGES)
    optimizer = build_optimizer(step, OptimConfig(learning_rate=0.1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(2):
        step.eval()
        step.train()
        optimizer.zero_grad()
        step(torch.randn(2, 2, 8, 40, 56)).backward()
        optimizer.step()
    moved = {
        name
        for name, tensor in model.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert {name.split(".")[0] for name in moved} == {"layer4", "fc"}
    assert "layer4.0.bn1.running_mean" in moved
    assert {name.split(".")[0] for name in before} == {*STAGES, "layer4", "fc"}


def test_frozen_weights_never_reach_the_optimizer():
    model = build_backbone(BackboneConfig(net="clarifai_tiny", sees="rgb"), 4)
    step = Step(model, ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6.0.bias"))
    optimizer = build_optimizer(step, OptimConfig())
    learning = {id(w) for group in optimizer.param_groups for w in group["params"]}
    names = {name for name, w in model.named_parameters() if id(w) in learning}
    assert names == {
        "fc6.0.weight",
        "fc7.0.weight",
        "fc7.0.bias",
        "fc8.weight",
        "fc8.bias",
    }
    assert set(step.frozen.names) | names == {n for n, _ in model.named_parameters()}


def test_modes_of_frozen_parts_only_are_held():
    model = build_backbone(BackboneConfig(net="r3d_tiny"), 4)
    step = Step(model, ("layer2",)).train()
    modes = {name: m.training for name, m in model.named_modules()}
    assert not any(mode for name, mode in modes.items() if name.startswith("layer2"))
    assert all(mode for name, mode in modes.items() if not name.startswith("layer2"))
    assert not step.eval().model.training


def test_nothing_frozen_is_fine():
    model = build_backbone(BackboneConfig(net="r3d_tiny"), 4)
    assert Frozen(model, ()).names == ()
    assert all(weight.requires_grad for weight in model.parameters())


def test_parts_that_are_not_there_are_refused():
    model = build_backbone(BackboneConfig(net="r3d_tiny"), 4)
    for part in ("layer5", "layer", "avgpool"):  # no weights in the last
        with pytest.raises(RecipeError, match=f"among stem, layer1, .* got {part}"):
            Frozen(model, ("stem", part))
    vgg = build_backbone(BackboneConfig(net="vgg_tiny"), 4)
    with pytest.raises(RecipeError, match="among features, classifier, got conv1"):
        Frozen(vgg, ("conv1",))


def test_something_must_learn():
    model = build_backbone(BackboneConfig(net="vgg_tiny"), 4)
    with pytest.raises(RecipeError, match="leave something to learn, got features, cl"):
        Frozen(model, ("features", "classifier"))
    assert all(weight.requires_grad for weight in model.parameters())
