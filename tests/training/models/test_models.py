import math

import pytest
import torch
from torch import Tensor, nn

from training.errors import RecipeError
from training.models.backbones import (
    CHANNELS,
    NETS,
    BackboneConfig,
    build_backbone,
    check_length,
    net_named,
)
from training.models.clarifai import ResponseNorm
from training.models.layers2d import Grid, stacked
from training.models.sizes import tap_shapes, without_numbers
from training.models.taps import tap

SMALL = [
    "r3d_narrow",
    "r3d_tiny",
    "resnext3d_narrow",
    "resnext3d_tiny",
    "clarifai_narrow",
    "clarifai_tiny",
    "vgg_narrow",
    "vgg_tiny",
]


@pytest.mark.parametrize(
    ("net", "sees", "frames", "classes", "expected"),
    [
        ("r3d_18", "rgb", 1, 400, 33_371_472),
        ("r3d_18", "rgb", 1, 51, 33_192_435),
        ("r3d_18", "flow", 1, 51, 33_183_027),
        ("r3d_18", "mv", 1, 51, 33_183_027),
        ("mc3_18", "rgb", 1, 400, 11_695_440),
        ("mc3_18", "rgb", 1, 51, 11_516_403),
        ("r2plus1d_18", "rgb", 1, 400, 31_505_325),
        ("r2plus1d_18", "rgb", 1, 51, 31_326_288),
        ("r3d_tiny", "rgb", 1, 12, 228_900),
        ("r3d_tiny", "mv", 1, 12, 227_724),
        ("r3d_narrow", "rgb", 1, 7, 904_887),
        ("resnext3d_101", "rgb", 1, 400, 48_340_816),
        ("resnext3d_101", "rgb", 1, 101, 47_728_165),
        ("resnext3d_101", "rgb", 1, 51, 47_625_715),
        ("resnext3d_101", "flow", 1, 400, 48_318_864),
        ("resnext3d_101", "flow", 1, 101, 47_706_213),
        ("resnext3d_101", "mv", 1, 51, 47_603_763),
        ("resnext3d_50", "rgb", 1, 101, 26_072_613),
        ("resnet3d_101", "rgb", 1, 101, 85_452_069),
        ("clarifai", "rgb", 1, 101, 90_627_813),
        ("clarifai", "rgb", 1, 51, 90_525_363),
        ("clarifai", "flow", 10, 101, 90_715_813),
        ("clarifai", "mv", 10, 51, 90_613_363),
        ("clarifai_narrow", "mv", 10, 12, 3_915_756),
        ("resnext3d_narrow", "rgb", 1, 12, 877_692),
        ("vgg_narrow", "mv", 10, 12, 1_286_260),
        ("clarifai_tiny", "mv", 10, 12, 231_932),
        ("resnext3d_tiny", "rgb", 1, 12, 269_508),
        ("vgg_tiny", "mv", 10, 12, 225_440),
        ("grid", "mv", 1, 12, 381_132),
        ("grid_tiny", "mv", 1, 12, 214_668),
        ("grid_attention", "mv", 1, 12, 809_356),
        ("grid_attention_tiny", "mv", 1, 12, 157_836),
        ("vgg16", "rgb", 1, 101, 134_674_341),
        ("vgg16", "flow", 10, 101, 134_684_133),
    ],
)
def test_parameter_counts(net, sees, frames, classes, expected):
    model = without_numbers(BackboneConfig(net=net, sees=sees, frames=frames), classes)
    assert sum(weight.numel() for weight in model.parameters()) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("conv1.0", 94_176),
        ("conv2.0", 614_656),
        ("conv3.0", 1_180_160),
        ("conv4.0", 2_359_808),
        ("conv5.0", 2_359_808),
        ("fc6.0", 75_501_568),
        ("fc7.0", 8_390_656),
        ("fc8", 206_949),
    ],
)
def test_parameter_counts_of_clarifai_by_layer(part, expected):
    model = without_numbers(BackboneConfig(net="clarifai", sees="mv", frames=10), 101)
    layer = model.get_submodule(part)
    assert sum(weight.numel() for weight in layer.parameters()) == expected


def test_clarifai_has_a_slope_per_channel_for_motion_only():
    counts = {}
    for sees in ("rgb", "mv"):
        model = without_numbers(BackboneConfig(net="clarifai", sees=sees), 101)
        slopes = [m for m in model.modules() if isinstance(m, nn.PReLU)]
        counts[sees] = sum(slope.weight.numel() for slope in slopes)
    assert counts == {"rgb": 0, "mv": 8_032}


def shapes(net: str, clip: tuple[int, ...], *, also: tuple[str, ...] = (), **config):
    """Name -> shape without the batch, of the taps and `also`."""
    found = BackboneConfig(net=net, **config)
    assert clip[0] == CHANNELS[found.sees]
    frames, height, width = clip[1:]
    names = (*net_named(net).taps, *also)
    return tap_shapes(found, frames=frames, height=height, width=width, names=names)


@pytest.mark.parametrize(
    ("frames", "side", "lengths", "sides"),
    [
        (16, 112, (16, 16, 8, 4, 2), (56, 56, 28, 14, 7)),
        (24, 112, (24, 24, 12, 6, 3), (56, 56, 28, 14, 7)),
        (25, 112, (25, 25, 13, 7, 4), (56, 56, 28, 14, 7)),
        (25, 224, (25, 25, 13, 7, 4), (112, 112, 56, 28, 14)),
    ],
)
def test_stages_of_r3d_18(frames, side, lengths, sides):
    stages = ("stem", "layer1", "layer2", "layer3", "layer4")
    widths = (64, 64, 128, 256, 512)
    expected = {
        stage: (width, length, px, px)
        for stage, width, length, px in zip(stages, widths, lengths, sides, strict=True)
    }
    found = shapes("r3d_18", (3, frames, side, side))
    assert found == expected | {"avgpool": (512, 1, 1, 1)}
    assert shapes("r2plus1d_18", (2, frames, side, side), sees="flow") == found


def test_stages_of_mc3_18_keep_all_frames():
    found = shapes("mc3_18", (2, 16, 112, 112), sees="mv")
    assert found["layer4"] == (512, 16, 7, 7)


@pytest.mark.parametrize(
    ("frames", "lengths"), [(16, (16, 8, 8, 4, 2, 1)), (64, (64, 32, 32, 16, 8, 4))]
)
def test_stages_of_resnext3d_101(frames, lengths):
    stages = ("stem", "maxpool", "layer1", "layer2", "layer3", "layer4")
    widths, sides = (64, 64, 256, 512, 1024, 2048), (56, 28, 28, 14, 7, 4)
    expected = {
        stage: (width, length, px, px)
        for stage, width, length, px in zip(stages, widths, lengths, sides, strict=True)
    }
    found = shapes("resnext3d_101", (3, frames, 112, 112), also=("maxpool",))
    assert found == expected | {"avgpool": (2048, 1, 1, 1)}


def test_stages_of_clarifai():
    pools = ("pool1", "pool2", "pool5")
    assert shapes("clarifai", (2, 10, 224, 224), sees="mv", frames=10, also=pools) == {
        "conv1": (96, 109, 109),
        "pool1": (96, 54, 54),
        "conv2": (256, 26, 26),
        "pool2": (256, 13, 13),
        "conv3": (512, 13, 13),
        "conv4": (512, 13, 13),
        "conv5": (512, 13, 13),
        "pool5": (512, 6, 6),
        "fc6": (4096,),
        "fc7": (2048,),
    }


def test_stages_of_vgg16():
    assert shapes("vgg16", (3, 1, 224, 224)) == {
        "conv1": (64, 224, 224),
        "conv2": (128, 112, 112),
        "conv3": (256, 56, 56),
        "conv4": (512, 28, 28),
        "conv5": (512, 14, 14),
        "fc6": (4096,),
        "fc7": (4096,),
    }


def test_narrow_nets_see_their_whole_grid_at_the_crop_they_are_made_for():
    flat = {"sees": "mv", "frames": 10}
    found = shapes("clarifai_tiny", (2, 10, 40, 56), also=("pool5", "grid"), **flat)
    assert found["pool5"] == found["grid"] == (64, 3, 4)
    assert found["fc6"] == (128,) and found["fc7"] == (64,)
    found = shapes("vgg_tiny", (2, 10, 40, 56), also=("features", "avgpool"), **flat)
    assert found["features"] == found["avgpool"] == (64, 2, 2)
    found = shapes("clarifai_narrow", (2, 10, 112, 112), also=("pool5", "grid"), **flat)
    assert found["pool5"] == found["grid"] == (128, 7, 7)
    also = ("features", "avgpool")
    found = shapes("vgg_narrow", (2, 10, 112, 112), also=also, **flat)
    assert found["features"] == found["avgpool"] == (128, 4, 4)
    found = shapes("resnext3d_tiny", (2, 16, 40, 56), sees="mv")
    assert found["stem"] == (8, 16, 20, 28) and found["layer4"] == (256, 1, 2, 2)


OF_ATTENTION = {net for net in NETS if net.startswith(("mvit", "swin"))}
"""Those of tests/training/models/test_torchvision_nets.py."""


OF_CELLS = {net for net in NETS if NETS[net].cells}
"""Those of tests/training/models/test_grid_nets.py."""


@pytest.mark.parametrize("net", sorted(NETS.keys() - OF_ATTENTION - OF_CELLS))
def test_every_net_sees_rgb_and_motion_at_other_sizes(net):
    config = {"frames": 5} if net_named(net).dim == 2 else {}
    first, second = (5, 64, 80), (5, 96, 64)
    if net == "s3d":
        first, second = (14, 224, 240), (16, 240, 224)
    found = shapes(net, (3, *first), sees="rgb", **config)
    assert set(found) == set(net_named(net).taps)
    assert set(shapes(net, (2, *second), sees="mv", **config)) == set(found)


@pytest.mark.parametrize("net", [*SMALL, "mc3_18"])
def test_taps_are_what_the_net_goes_on_with(net):
    """A tapped tensor must not change afterwards, as by a ReLU in place, and it must
    carry a gradient to the layers before it."""
    torch.manual_seed(0)
    config = BackboneConfig(net=net, sees="rgb")
    model = build_backbone(config, 5)
    then: dict[str, Tensor] = {}

    def remember(name: str):
        return lambda module, inputs, output: then.update({name: output.clone()})

    for name in net_named(net).taps:
        model.get_submodule(name).register_forward_hook(remember(name))
    with tap(model, *net_named(net).taps) as features:
        logits = model(torch.randn(2, 3, 1 if net_named(net).dim == 2 else 4, 40, 56))
    assert logits.shape == (2, 5)
    assert list(features) == list(net_named(net).taps)
    for name, value in features.items():
        assert torch.equal(value, then[name]), name
        assert value.min() >= 0 and value.max() > 0, name
    (logits.sum() + sum(value.mean() for value in features.values())).backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_taps_of_motion_are_after_the_learned_slope():
    torch.manual_seed(0)
    model = build_backbone(
        BackboneConfig(net="clarifai_tiny", sees="mv", frames=10), 5
    ).eval()
    with torch.no_grad(), tap(model, "conv1", "conv1.0", "fc7", "fc7.0") as features:
        model(torch.randn(2, 2, 10, 40, 56))
    for name in ("conv1", "fc7"):
        before = features[f"{name}.0"]
        assert (before < 0).any()
        expected = torch.where(before < 0, 0.25 * before, before)
        torch.testing.assert_close(features[name], expected)


def test_taps_of_a_stack_of_another_length_are_refused():
    config = BackboneConfig(net="clarifai_tiny", sees="mv", frames=10)
    with pytest.raises(RecipeError, match="that stack to 20 channels"):
        tap_shapes(config, frames=16, height=40, width=56)


def test_taps_leave_nothing_behind():
    model = build_backbone(BackboneConfig(net="r3d_tiny"), 4)
    with pytest.raises(ZeroDivisionError), tap(model, "layer1", "layer2"):
        1 / 0  # noqa: B018
    with pytest.raises(AttributeError, match="layer9"), tap(model, "layer1", "layer9"):
        pass
    assert not any(module._forward_hooks for module in model.modules())


def test_frames_are_stacked_before_channels():
    fields = torch.tensor([[[1.0, 2, 3], [10, 20, 30]]])[..., None, None]  # u, v
    assert stacked(fields, 6).flatten().tolist() == [1, 10, 2, 20, 3, 30]
    with pytest.raises(RecipeError, match=r"stack to 20 channels, got \(1, 2, 3, 1, 1"):
        stacked(fields, 20)


def test_dropout_follows_the_modality_unless_it_is_given():
    def rates(**config):
        model = without_numbers(BackboneConfig(**config), 5)
        return [m.p for m in model.modules() if isinstance(m, nn.Dropout)]

    assert rates(net="clarifai", sees="rgb") == [0.5, 0.5]
    assert rates(net="clarifai", sees="flow") == [0.9, 0.8]
    assert rates(net="vgg16", sees="rgb") == [0.5, 0.5]
    assert rates(net="vgg16", sees="mv") == [0.9, 0.8]
    assert rates(net="vgg16", sees="mv", dropout=(0.0, 0.1)) == [0.0, 0.1]


def test_response_norm_by_hand():
    """The sum of squares of the five nearest channels, times alpha over five."""
    for k in (1.0, 2.0):
        config = BackboneConfig(net="clarifai_tiny", lrn_k=k)
        norm = build_backbone(config, 5).norm1
        x = torch.zeros(1, 7, 1, 1)
        x[0, :, 0, 0] = torch.arange(1.0, 8.0) * 10
        middle = 40 / (k + 5e-4 / 5 * (400 + 900 + 1600 + 2500 + 3600)) ** 0.75
        assert norm(x)[0, 3].item() == pytest.approx(middle)


def answer(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output, and the gradient of a weighted sum of it."""
    x = x.clone().requires_grad_()
    output = layer(x)
    (output * torch.arange(output.numel()).view(output.shape).cos()).sum().backward()
    assert x.grad is not None
    return output.detach(), x.grad


@pytest.mark.parametrize("k", [1.0, 2.0])
def test_response_norm_is_torchs(k):
    x = torch.randn(2, 9, 4, 5, generator=torch.Generator().manual_seed(0)) * 60
    theirs = answer(nn.LocalResponseNorm(5, 5e-4, 0.75, k), x)
    torch.testing.assert_close(answer(ResponseNorm(k), x), theirs)


@pytest.mark.parametrize("size", [(3, 4), (5, 7), (6, 8), (2, 3), (1, 1)])
def test_grid_is_torchs_adaptive_pooling(size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    theirs = answer(nn.AdaptiveAvgPool2d((3, 4)), x)
    torch.testing.assert_close(answer(Grid((3, 4)), x), theirs)


def test_grid_leaves_its_own_size_alone():
    x = torch.randn(1, 2, 3, 4)
    assert Grid((3, 4))(x) is x


@pytest.mark.gpu
@pytest.mark.parametrize("net", SMALL)
def test_nets_learn_in_the_deterministic_mode(net, monkeypatch):
    """torch raises where a gradient would not be the same twice."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    model = build_backbone(BackboneConfig(net=net), 5).cuda()
    torch.use_deterministic_algorithms(True)
    try:
        for size in ((40, 56), (64, 48)):
            clips = torch.randn(
                2, 3, 1 if net_named(net).dim == 2 else 4, *size, device="cuda"
            )
            model(clips).square().sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(weight.grad is not None for weight in model.parameters())


def test_unknown_nets_modalities_and_options_are_refused():
    with pytest.raises(
        RecipeError, match="a net among r3d_18, .*, got resnet: did you mean"
    ):
        BackboneConfig(net="resnet")
    with pytest.raises(RecipeError, match="a modality among rgb, flow, mv, got depth"):
        BackboneConfig(sees="depth")
    with pytest.raises(RecipeError, match="expected no frames for r3d_18, got 10"):
        BackboneConfig(net="r3d_18", frames=10)
    with pytest.raises(RecipeError, match="expected no lrn_k for vgg16, got 2.0"):
        BackboneConfig(net="vgg16", lrn_k=2.0)
    with pytest.raises(RecipeError, match="at least one frame, got 0"):
        BackboneConfig(net="vgg16", frames=0)
    with pytest.raises(RecipeError, match="dropout from 0 to 1"):
        BackboneConfig(net="vgg16", dropout=(0.5, 1.0))
    with pytest.raises(RecipeError, match="response or plain, got mean"):
        BackboneConfig(first_layer="mean")
    with pytest.raises(RecipeError, match="among IMAGENET1K_V1, got KINETICS400_V1"):
        BackboneConfig(net="vgg16", weights="torchvision:KINETICS400_V1")
    with pytest.raises(RecipeError, match="of clarifai among none, got DEFAULT"):
        BackboneConfig(net="clarifai", weights="torchvision:DEFAULT")


def test_clips_of_another_length_are_refused_for_2d_nets():
    check_length(BackboneConfig(net="r3d_18"), 25)
    check_length(BackboneConfig(net="vgg16", sees="mv", frames=10), 10)
    with pytest.raises(RecipeError, match="the 10 frames that vgg16 stacks, got 16"):
        check_length(BackboneConfig(net="vgg16", sees="mv", frames=10), 16)


def test_architecture_builds_the_same_net_again():
    config = BackboneConfig(
        net="clarifai_tiny", sees="mv", frames=10, lrn_k=2.0, dropout=(0.1, 0.2)
    )
    again = BackboneConfig(**config.architecture())
    first, second = (without_numbers(c, 4).state_dict() for c in (config, again))
    assert {n: t.shape for n, t in first.items()} == {
        n: t.shape for n, t in second.items()
    }
    assert again.lrn_k == 2.0


@pytest.mark.parametrize("net", ["r3d_narrow", "resnext3d_narrow"])
def test_first_weights_of_3d_nets_keep_the_size_of_gradients(net):
    """He's rule for what goes back: a variance of 2 / (outputs * kernel) per group."""
    torch.manual_seed(0)
    model = build_backbone(BackboneConfig(net=net), 5)
    for module in model.modules():
        if isinstance(module, nn.Conv3d) and module.weight.numel() > 10_000:
            back = module.out_channels * math.prod(module.kernel_size)
            assert module.weight.std().item() == pytest.approx(
                math.sqrt(2 / back), rel=0.05
            )
    assert model.fc.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert not model.fc.bias.any()
