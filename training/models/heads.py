"""One trunk, a head for each data set: classes of several data sets learned together."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import RecipeError


class TwoHeads(nn.Module):
    """A network whose last linear layer is there once for every data set.

    Takes data set -> (B, C, T, H, W), any numbers of clips, and gives data set ->
    (B, classes of this data set) logits. All clips go through the trunk together, so
    batch norm sees one batch.

    Source:
        Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action
        Recognition in Videos", NIPS 2014, section 6.
    """

    def __init__(self, model: nn.Module, classes: Mapping[str, int]) -> None:
        """
        Args:
            model: the trunk, and a last linear layer, which every head is like: its
                width, its bias, its spread of first weights.
            classes: data set -> number of its classes.

        Raises:
            RecipeError: no data set, or the model does not end in a linear layer.
        """
        super().__init__()
        if not classes:
            raise RecipeError("expected at least one data set, got none")
        self.head_name, last = split_head(model)
        self.trunk = with_module(model, self.head_name, nn.Identity())
        self.heads = nn.ModuleDict(
            {name: _head_like(last, count) for name, count in classes.items()}
        )

    def forward(self, clips: Mapping[str, Tensor]) -> dict[str, Tensor]:
        features = self.trunk(torch.cat(list(clips.values())))
        parts = features.split([len(value) for value in clips.values()])
        return {
            name: self.heads[name](part)
            for name, part in zip(clips, parts, strict=True)
        }

    def alone(self, name: str) -> nn.Module:
        """The trunk with one head, as a network of one data set.

        Takes (B, C, T, H, W); names of weights are those of the original network. The
        weights are shared: what one learns, the other knows.
        """
        return with_module(self.trunk, self.head_name, self.heads[name])


def split_head(model: nn.Module) -> tuple[str, nn.Linear]:
    """Name and layer of the last linear layer, which gives the logits.

    Raises:
        RecipeError: there is none.
    """
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    ]
    if not found or not found[-1][0]:
        raise RecipeError(
            "expected a network that ends in a linear layer, got"
            f" {type(model).__name__} without one"
        )
    return found[-1]


def with_module(model: nn.Module, name: str, module: nn.Module) -> nn.Module:
    """A copy of a network with another module under one name; everything else is shared.

    Only the modules on the path to that name are copied, and they hold the same
    parameters and buffers.
    """
    parent, _, rest = name.partition(".")
    other = copy.copy(model)
    other._modules = dict(model._modules)
    below = model.get_submodule(parent)
    other._modules[parent] = with_module(below, rest, module) if rest else module
    return other


def _head_like(last: nn.Linear, classes: int) -> nn.Linear:
    head = nn.Linear(last.in_features, classes, bias=last.bias is not None)
    with torch.no_grad():
        head.weight.copy_(torch.randn_like(head.weight) * last.weight.std())
        if head.bias is not None:
            head.bias.zero_()
    return head
