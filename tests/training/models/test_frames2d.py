"""2D networks of images on the entries of a clip; those of timm through a stand-in."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from training.data.clip_config import ClipConfig
from training.errors import CheckpointError, RecipeError
from training.experiments.teach import TeachRecipe
from training.losses.terms import SoftTargets
from training.models import timm2d
from training.models.backbones import BackboneConfig, build_backbone, net_named
from training.models.frames2d import FrameNet, shifted, shifted_convolutions
from training.models.pretrained import first_weights
from training.models.sizes import tap_shapes, without_numbers
from training.models.taps import PooledFeatures, Taps
from training.steps.distill import Distill


def test_shift_by_hand():
    """Of 8 channels the first comes from the next entry, the second from the one before."""
    clips = torch.arange(1.0, 1 + 2 * 3 * 8).view(6, 8, 1, 1)  # two clips of 3 entries
    found = shifted(clips, 3)[:, :, 0, 0].tolist()
    assert found == [
        [9, 0, *range(3, 9)],
        [17, 2, *range(11, 17)],
        [0, 10, *range(19, 25)],
        [33, 0, *range(27, 33)],
        [41, 26, *range(35, 41)],
        [0, 34, *range(43, 49)],
    ]


def test_shift_has_the_gradient_of_a_permutation_with_zeros():
    clips = torch.randn(3, 8, 1, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: shifted(x, 3), clips)


class Plain(nn.Module):
    """A linear reading of one image of 1 pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, 2, bias=False)

    def forward(self, images):
        return self.fc(images.flatten(1))


def test_entries_are_stacked_or_averaged():
    clips = torch.tensor([[[1.0, 2, 3], [10, 20, 30]]])[..., None, None]  # u, v
    stack = FrameNet(Plain(6), channels=6, frames=3, over_time="stack")
    stack.net.fc.weight.data = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]])
    assert stack(clips).tolist() == [[1, 10]]
    mean = FrameNet(Plain(2), channels=2, frames=3, over_time="average")
    mean.net.fc.weight.data = torch.eye(2)
    assert mean(clips).tolist() == [[2, 20]]
    with pytest.raises(RecipeError, match="clips of 3 entries"):
        mean(clips[:, :, :2])


def test_every_block_of_a_resnet_sees_its_neighbours():
    torch.manual_seed(0)
    config = BackboneConfig(net="resnet18", sees="mv", frames=4, over_time="shift")
    model = build_backbone(config, 3).eval()
    assert len(shifted_convolutions(model.net)) == 8
    clips = torch.randn(1, 2, 4, 32, 32, requires_grad=True)
    given = {}
    block = model.net.layer2[1]
    block.register_forward_pre_hook(lambda m, x: given.update(block=x[0]))
    block.conv1.register_forward_hook(lambda m, x, y: given.update(conv=y))
    model(clips)
    expected = nn.functional.conv2d(
        shifted(given["block"], 4), block.conv1.weight, padding=1
    )
    torch.testing.assert_close(given["conv"], expected)
    assert config.architecture()["over_time"] == "shift"


def test_only_shifted_networks_depend_on_the_order_of_entries():
    torch.manual_seed(0)
    clips = torch.randn(1, 3, 4, 32, 32)
    for over_time, same in (("average", True), ("shift", False)):
        config = BackboneConfig(net="resnet18", frames=4, over_time=over_time)
        model = build_backbone(config, 3).eval()
        with torch.no_grad():
            there, back = model(clips), model(clips.flip(2))
        assert torch.allclose(there, back, atol=1e-5) == same


def test_shapes_and_channels_of_a_resnet():
    taps = {"net.layer1": 64, "net.layer2": 128, "net.layer3": 256, "net.layer4": 512}
    config = BackboneConfig(net="resnet18", sees="flow", frames=10)
    assert config.channels == 20
    found = tap_shapes(config, frames=10, height=64, width=96)
    expected = {
        name: (width, 64 >> i + 2, 96 >> i + 2)
        for i, (name, width) in enumerate(taps.items())
    }
    assert found == expected | {"net.avgpool": (512, 1, 1)}
    alone = BackboneConfig(net="resnet18", sees="flow", frames=10, over_time="average")
    assert alone.channels == 2
    shape = tap_shapes(alone, frames=10, height=64, width=64)["net.avgpool"]
    assert shape == (512, 10, 1, 1)


class Stem(Plain):
    """The same after a layer that changes nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.stem = nn.Identity()

    def forward(self, images):
        return super().forward(self.stem(images))


def test_features_of_entries_are_those_of_their_clip():
    """Two clips of two channels and three entries, which the tap gives back."""
    clips = torch.arange(12.0).view(2, 2, 3, 1, 1)
    model = FrameNet(Stem(2), channels=2, frames=3, over_time="average")
    _, features, _ = Taps(model, ["net.stem", "net.fc"])(clips)
    assert torch.equal(features["net.stem"], clips)
    assert features["net.fc"].shape == (2, 2, 3)
    mean = PooledFeatures(model, "net.stem")(clips)
    assert torch.equal(mean, clips.mean((2, 3, 4)))
    stack = FrameNet(Stem(6), channels=6, frames=3, over_time="stack")
    assert Taps(stack, ["net.stem"])(clips)[1]["net.stem"].shape == (2, 6, 1, 1)


def test_labels_that_reach_the_head_alone_see_the_mean_of_the_entries():
    clips = torch.arange(12.0).view(2, 2, 3, 1, 1)
    nets = [
        FrameNet(Plain(2), channels=2, frames=3, over_time="average") for _ in range(2)
    ]
    step = Distill(
        nets[0],
        nets[1],
        student_sees="mv",
        terms={"soft": SoftTargets()},
        labels_reach="head",
    )
    batch = {"mv": clips, "flow": clips, "label": torch.tensor([0, 1])}
    seen = step.seen(batch)[""]
    assert torch.allclose(seen.label_logits, seen.student.logits)


def test_features_of_transformers_of_timm_are_maps_of_channels_first():
    """Stages of (B, H, W, C), and of tokens (B, N, C) of which the first has no place."""

    class Stages(nn.Module):
        def __init__(self, outputs, prefix, output_fmt):
            super().__init__()
            self.stage = nn.Identity()
            self.outputs, self.num_prefix_tokens = outputs, prefix
            self.output_fmt = output_fmt
            self.feature_info = [{"module": "stage"}]

        def forward(self, images):
            return self.stage(self.outputs)

    pictures = torch.arange(24.0).view(1, 2, 3, 4)
    for outputs, prefix, output_fmt, expected in (
        (pictures, 0, "NHWC", pictures.permute(0, 3, 1, 2)),
        (pictures, 0, "NCHW", pictures),
        (pictures[0], 1, "NCHW", pictures[0, :, 1:].transpose(1, 2)),
    ):
        net = Stages(outputs, prefix, output_fmt)
        timm2d.mark_layouts(net)
        assert torch.equal(Taps(net, ["stage"])(None)[1]["stage"], expected)


def test_weights_of_an_image_network_fit(tmp_path):
    torch.manual_seed(0)
    theirs = resnet18(num_classes=7)
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    config = BackboneConfig(
        net="resnet18", sees="mv", frames=5, weights=str(tmp_path / "resnet18.pth")
    )
    model = build_backbone(config, 4)
    fitted = first_weights(model, config)
    assert fitted.adapted == ("net.conv1.weight",)
    assert set(fitted.missing) == {"net.fc.weight", "net.fc.bias"}
    mean = theirs.conv1.weight.mean(1, keepdim=True)
    torch.testing.assert_close(model.net.conv1.weight[:, 3:4], mean * 3 / 10)
    assert torch.equal(model.net.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)


def test_over_time_is_for_networks_of_images():
    with pytest.raises(RecipeError, match="expected no over_time for vgg16, got shift"):
        BackboneConfig(net="vgg16", over_time="shift")
    with pytest.raises(RecipeError, match="stack, average or shift, got later"):
        BackboneConfig(net="resnet18", over_time="later")
    with pytest.raises(RecipeError, match="clips of the 8 frames"):
        model = BackboneConfig(net="resnet18", frames=8, over_time="shift")
        TeachRecipe(model=model, clip=ClipConfig(length=16))


def created(
    name, *, num_classes=1000, in_chans=3, drop_path_rate=0.0, pretrained=False
):
    if pretrained:
        raise OSError("no network\nand more")
    if name == "square":
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, num_classes))
        net.pretrained_cfg, net.feature_info = {"classifier": "1"}, []
        return net
    net = resnet18(num_classes=num_classes)
    net.conv1 = nn.Conv2d(in_chans, 64, 7, 2, 3, bias=False)
    net.pretrained_cfg = {"classifier": "fc"}
    net.feature_info = [{"module": "act1"}, {"module": "layer1"}, {"module": "layer4"}]
    net.global_pool = nn.Identity()
    net.dropped = drop_path_rate
    return net


@pytest.fixture
def timm(monkeypatch):
    """What of timm is called, on a network of torchvision."""
    stand_in = SimpleNamespace(
        __version__="1.0",
        create_model=created,
        is_model=lambda name: name.partition(".")[0] in ("resnet18", "square"),
        list_models=lambda pretrained: (
            ["resnet18.a1_in1k", "resnet18.a2_in1k"]
            if pretrained
            else ["resnet18", "square"]
        ),
    )
    monkeypatch.setitem(sys.modules, "timm", stand_in)
    timm2d.timm_net.cache_clear()
    timm2d.check_size.cache_clear()
    yield stand_in
    timm2d.timm_net.cache_clear()
    timm2d.check_size.cache_clear()


def test_networks_of_timm(timm):
    config = BackboneConfig(
        net="timm:resnet18", sees="mv", frames=10, stochastic_depth=0.2
    )
    net = net_named(config.net)
    assert (net.head, net.taps) == (
        "net.fc",
        ("net.layer1", "net.layer4", "net.global_pool"),
    )
    model = without_numbers(config, 6)
    assert model.net.conv1.in_channels == 20 and model.net.fc.out_features == 6
    assert model.net.dropped == 0.2
    clips = torch.zeros(2, 2, 10, 32, 32, device="meta")
    assert model(clips).shape == (2, 6)
    weights = BackboneConfig(net="timm:resnet18", weights="timm:resnet18")
    with pytest.raises(CheckpointError, match=r"could not be .* \(no network\);"):
        first_weights(build_backbone(weights, 2), weights)


def test_crops_of_a_network_of_one_size_are_refused_in_the_recipe(timm):
    model = BackboneConfig(net="timm:square")
    TeachRecipe(model=model, clip=ClipConfig(length=1, crop_px=(32, 32)))
    with pytest.raises(RecipeError, match="crops that timm:square takes, got 32x40: "):
        TeachRecipe(model=model, clip=ClipConfig(length=1, crop_px=(32, 40)))


@pytest.mark.parametrize(
    ("name", "near"),
    {
        "resnet19": ": did you mean resnet18?",
        "hf-hub:a/b": "",
        "local-dir:/tmp": "",
        "resnet18.a/b": ": did you mean resnet18.a2_in1k or resnet18.a1_in1k?",
        "resnet18.a3_in1k": ": did you mean resnet18.a2_in1k or resnet18.a1_in1k?",
    }.items(),
)
def test_only_networks_of_timm_are_built(timm, name, near):
    """Its weights are known by name.tag."""
    with pytest.raises(RecipeError) as refused:
        BackboneConfig(net=f"timm:{name}")
    listed = "(timm.list_models(pretrained=True))" if "." in name else "list_models())"
    said = str(refused.value)
    assert "a network of timm 1.0 " in said and listed in said
    assert said.endswith(f", got timm:{name}{near}")


def test_without_timm_one_line_says_how_to_get_it(monkeypatch):
    timm2d.timm_net.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RecipeError, match=r"pip install 'motion-shards\[timm\]'"):
        BackboneConfig(net="timm:resnet50")
