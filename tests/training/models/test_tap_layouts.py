"""Where the channels are in the output of a layer, and layers of which nobody knows."""

import pytest
import torch
from torch import nn

from training.data.clip_config import ClipConfig
from training.errors import RecipeError
from training.experiments.extract_features import dimension_of_tap
from training.models.backbones import BackboneConfig, build_backbone
from training.models.taps import as_map, tap

GRID = BackboneConfig(net="grid_attention_tiny", sees="mv")
CELLS = ClipConfig(length=6, cells=(8, 12))
"""Clips of 3 x 2 x 3 tokens."""


class Mixed(nn.Module):
    """A convolution of (B, 6, H, W), and a linear layer in between that nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.outer = nn.Conv2d(6, 6, 1)

    def forward(self, x):
        return self.outer(self.inner(x.movedim(1, -1)).movedim(-1, 1))


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Linear(5, 6), (2, 4, 3, 5), (2, 6, 4, 3)),
        (nn.LayerNorm(5), (2, 4, 5), (2, 5, 4)),
        (nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 5)), (2, 5, 5), None),
        (nn.Conv2d(5, 6, 1), (2, 5, 4, 6), (2, 6, 4, 6)),
        (nn.Sequential(nn.BatchNorm2d(5)), (2, 5, 4, 5), (2, 5, 4, 5)),
        (Mixed(), (2, 6, 4, 6), (2, 6, 4, 6)),
        (nn.GELU(), (2, 4, 5), (2, 4, 5)),
        (nn.Linear(5, 6), (2, 5), (2, 6)),
    ],
)
def test_channels_come_second(module, shape, expected):
    x = torch.randn(shape)
    found = as_map(module, module(x))
    assert found.shape == (expected or shape)
    if expected is None:  # as many tokens as channels: which axis is seen in the values
        assert torch.equal(found, module(x).transpose(1, 2))


def test_attention_gives_tokens_and_its_weights():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    with tap(nn.ModuleDict({"at": attention}), "at") as features:
        found, _ = attention(*[torch.randn(2, 5, 8)] * 3)
    assert torch.equal(features["at"], found.transpose(1, 2))


def features_of(name: str) -> int:
    model = build_backbone(GRID, 3)
    return dimension_of_tap(model, name, GRID, CELLS, torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "count"),
    [("blocks.1", 64), ("blocks.0.layers.0", 128), ("stem", 64), ("features", 64)],
)
def test_features_of_attention_on_the_grid_have_its_width(name, count):
    assert features_of(name) == count


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blocks.0.layers.1", "expected a tap that has weights"),
        (
            "blocks.0.space",
            r"features of each clip, got blocks.0.space, .* \(6, 64, 6\)",
        ),
    ],
)
def test_layers_without_a_known_axis_of_channels_or_rows_of_clips_are_refused(
    name, message
):
    with pytest.raises(RecipeError, match=message):
        features_of(name)
