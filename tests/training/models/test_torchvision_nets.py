"""torchvision's video networks of attention and of separable convolutions."""

import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights
from torchvision.ops import StochasticDepth

from training.data.clip_config import ClipConfig
from training.errors import RecipeError
from training.experiments.teach import TeachRecipe
from training.models.backbones import (
    NETS,
    BackboneConfig,
    build_backbone,
    check_clip,
    net_named,
)
from training.models.sizes import tap_shapes, without_numbers
from training.models.taps import Taps, tap
from training.models.torchvision3d import seeing
from training.models.weights import first_layer, transfer

VIDEO = ("s3d", "mvit_v1_b", "mvit_v2_s", "swin3d_t", "swin3d_b")
SMALLEST = {"size": (2, 32, 32)}


@pytest.fixture
def undrawn(monkeypatch):
    """First weights are not drawn, which takes long where there are shapes only."""
    monkeypatch.setattr(nn.init, "trunc_normal_", lambda weight, **options: weight)


@pytest.mark.parametrize("net", VIDEO)
def test_tensors_are_torchvisions(net, undrawn):
    """Names and shapes, so that its weights fit; only the first layer follows channels."""
    with torch.device("meta"):
        theirs = get_model(net, weights=None)
    wanted = {name: value.shape for name, value in theirs.state_dict().items()}
    count = get_model_weights(net)["KINETICS400_V1"].meta["num_params"]
    assert sum(weight.numel() for weight in theirs.parameters()) == count
    flow = without_numbers(BackboneConfig(net=net, sees="flow"), 400)
    found = {name: value.shape for name, value in flow.state_dict().items()}
    (changed,) = {name for name, _ in found.items() ^ wanted.items()}
    assert changed == first_layer(flow)
    assert found[changed] == (wanted[changed][0], 2, *wanted[changed][2:])
    assert set(net_named(net).torchvision) == {
        weights.name for weights in get_model_weights(net)
    }


@pytest.mark.parametrize("net", ("mvit_v2_s", "swin3d_t"))
def test_the_published_network_is_computed(net, undrawn):
    """With three channels and the same weights, logits are torchvision's."""
    torch.manual_seed(0)
    more = SMALLEST if net.startswith("mvit") else {}
    theirs = get_model(net, weights=None, num_classes=5).eval()
    if more:  # torchvision fixes the size
        theirs.pos_encoding.spatial_size = (8, 8)
        theirs.pos_encoding.temporal_size = 1
    ours = build_backbone(BackboneConfig(net=net, **more), 5).eval()
    fitted = transfer(ours, theirs.state_dict(), but=())
    assert not fitted.missing and not fitted.adapted
    clips = torch.randn(1, 3, 2, 32, 32)
    with torch.no_grad(), tap(ours, net_named(net).taps[-1]) as features:
        torch.testing.assert_close(ours(clips), theirs(clips))
    assert features[net_named(net).taps[-1]].shape == (1, 768, 1, 1, 1)


def test_features_of_swin_are_maps_of_channels_first(undrawn):
    size = {"frames": 4, "height": 64, "width": 96}
    swin = tap_shapes(BackboneConfig(net="swin3d_t"), **size)
    assert swin == {
        "patch_embed": (96, 2, 16, 24),
        "features.0": (96, 2, 16, 24),
        "features.2": (192, 2, 8, 12),
        "features.4": (384, 2, 4, 6),
        "features.6": (768, 2, 2, 3),
        "avgpool": (768, 1, 1, 1),
    }
    norm = tap_shapes(BackboneConfig(net="swin3d_t"), **size, names=("norm",))
    assert norm == {"norm": (768, 2, 2, 3)}


def test_features_of_mvit_are_maps_of_channels_first(undrawn):
    config = BackboneConfig(net="mvit_v2_s", size=(4, 64, 96), sees="mv")
    mvit = tap_shapes(config, frames=4, height=64, width=96)
    assert mvit == {
        "conv_proj": (96, 2, 16, 24),
        "blocks.0": (96, 2, 16, 24),
        "blocks.2": (192, 2, 8, 12),
        "blocks.13": (384, 2, 4, 6),
        "blocks.15": (768, 2, 2, 3),
    }
    size = {"frames": 4, "height": 64, "width": 96}
    assert tap_shapes(config, **size, names=("norm",)) == {"norm": (768, 2 * 2 * 3)}


def test_positions_of_tapped_tokens_are_those_of_the_clip():
    """Only the class token is dropped, and rows stay rows."""

    class Block(nn.Module):
        def forward(self, tokens):
            return tokens, (1, 2, 3)

    block = Block()
    tokens = torch.arange(7.0)[None, :, None].expand(1, 7, 4)
    _, features, _ = Taps(nn.Sequential(block), ["0"])(tokens)
    assert features["0"].shape == (1, 4, 1, 2, 3)
    assert features["0"][0, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("net", "size", "message"),
    [
        (
            "s3d",
            (12, 224, 224),
            "at least 13 frames of 209x209 .* for s3d, got 12 frames",
        ),
        ("s3d", (16, 208, 224), "at least 13 frames of 209x209 .* for s3d"),
        ("mvit_v1_b", (16, 112, 112), "of 16 frames of 224x224, which mvit_v1_b has"),
    ],
)
def test_clips_that_a_net_cannot_take_are_refused_in_the_recipe(net, size, message):
    clip = ClipConfig(length=size[0], crop_px=size[1:])
    with pytest.raises(RecipeError, match=message):
        TeachRecipe(model=BackboneConfig(net=net), clip=clip)


def test_the_smallest_clip_of_s3d_is_the_smallest(undrawn):
    config = BackboneConfig(net="s3d")
    smallest = NETS["s3d"].smallest
    check_clip(config, smallest[0], smallest[1:], cells=False)
    model = without_numbers(config, 5)
    assert model(torch.zeros(1, 3, *smallest, device="meta")).shape == (1, 5)
    for axis in range(3):
        less = [n - (i == axis) for i, n in enumerate(smallest)]
        with pytest.raises(RuntimeError, match="smaller than kernel size"):
            model(torch.zeros(1, 3, *less, device="meta"))


def test_an_mvit_of_another_size_has_other_positions(undrawn):
    check_clip(BackboneConfig(net="mvit_v1_b", **SMALLEST), 2, (32, 32), cells=False)
    config = BackboneConfig(net="mvit_v1_b", **SMALLEST)
    assert config.architecture()["size"] == [2, 32, 32]
    assert "size" not in BackboneConfig(net="mvit_v1_b").architecture()
    with pytest.raises(RecipeError, match="multiples of 32, .* got 2x48x32"):
        without_numbers(BackboneConfig(net="mvit_v1_b", size=(2, 48, 32)), 5)
    with pytest.raises(RecipeError, match="expected no size for swin3d_t"):
        BackboneConfig(net="swin3d_t", **SMALLEST)


def test_stochastic_depth_is_the_last_blocks(undrawn):
    def shares(net, **options):
        model = without_numbers(BackboneConfig(net=net, **options), 5)
        return [m.p for m in model.modules() if isinstance(m, StochasticDepth)]

    published = shares("swin3d_t")
    assert len(published) == 12 and published[-1] == 0.1
    assert shares("swin3d_t", stochastic_depth=0.1) == pytest.approx(published)
    assert shares("mvit_v2_s", stochastic_depth=0.3)[::15] == [0, 0.3]
    with pytest.raises(RecipeError, match="expected no stochastic_depth for r3d_18"):
        BackboneConfig(net="r3d_18", stochastic_depth=0.1)
    with pytest.raises(RecipeError, match="stochastic_depth from 0 to below 1, got 1"):
        BackboneConfig(net="swin3d_t", stochastic_depth=1.0)


def test_a_first_layer_of_other_channels_answers_alike():
    """Weights are drawn so that responses to noise have the spread of three channels."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv3d(3, 96, 4))
    before = stem[0].weight.detach().std().item() * 3**0.5
    seeing(2, stem, "0")
    assert stem[0].weight.shape == (96, 2, 4, 4, 4)
    assert stem[0].weight.std().item() * 2**0.5 == pytest.approx(before, rel=0.05)
