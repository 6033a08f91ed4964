import pytest
import torch
from torch import nn

from training.errors import CheckpointError, RecipeError
from training.models.backbones import NETS, TAPS, BackboneConfig, build_backbone
from training.models.taps import tap
from training.models.weights import (
    adapt_input,
    load_exactly,
    read_weights,
    transfer,
)


def tiny(sees: str = "mv", classes: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(BackboneConfig(net="r3d_tiny", sees=sees), classes)


@pytest.mark.parametrize(
    ("net", "sees", "classes", "expected"),
    [
        ("r3d_18", "rgb", 400, 33_371_472),
        ("r3d_18", "rgb", 51, 33_192_435),
        ("r3d_18", "flow", 51, 33_183_027),
        ("r3d_18", "mv", 51, 33_183_027),
        ("r3d_tiny", "rgb", 12, 228_900),
        ("r3d_tiny", "mv", 12, 227_724),
        ("r3d_narrow", "rgb", 7, 904_887),
    ],
)
def test_parameter_counts(net, sees, classes, expected):
    model = build_backbone(BackboneConfig(net=net, sees=sees), classes)
    assert sum(weight.numel() for weight in model.parameters()) == expected


@pytest.mark.parametrize("net", sorted(NETS))
def test_taps_are_there_and_have_the_known_shapes(net):
    model = build_backbone(BackboneConfig(net=net, sees="flow"), 5).eval()
    with torch.no_grad(), tap(model, *TAPS[net]) as features:
        logits = model(torch.zeros(2, 2, 8, 32, 48))
    assert logits.shape == (2, 5)
    widths = {"r3d_18": 64, "r3d_narrow": 16, "r3d_tiny": 8}
    wide = widths[net]
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "stem": (2, wide, 8, 16, 24),
        "layer1": (2, wide, 8, 16, 24),
        "layer2": (2, 2 * wide, 4, 8, 12),
        "layer3": (2, 4 * wide, 2, 4, 6),
        "layer4": (2, 8 * wide, 1, 2, 3),
        "avgpool": (2, 8 * wide, 1, 1, 1),
    }


def test_taps_leave_nothing_behind():
    model = tiny()
    with pytest.raises(ZeroDivisionError), tap(model, "layer1", "layer2"):
        1 / 0  # noqa: B018
    with pytest.raises(AttributeError, match="layer9"), tap(model, "layer1", "layer9"):
        pass
    assert not any(module._forward_hooks for module in model.modules())


def test_unknown_nets_and_modalities_are_refused():
    with pytest.raises(RecipeError, match="a net among r3d_18, r3d_narrow, r3d_tiny"):
        BackboneConfig(net="resnet")
    with pytest.raises(RecipeError, match="a modality among rgb, flow, mv, got depth"):
        BackboneConfig(sees="depth")


def test_weights_of_flow_are_weights_for_vectors():
    flow, mv = (
        tiny("flow"),
        build_backbone(BackboneConfig(net="r3d_tiny", sees="mv"), 4),
    )
    fitted = transfer(mv, flow.state_dict())
    assert not fitted.kept and not fitted.adapted
    assert len(fitted.copied) == len(mv.state_dict())
    assert all(map(torch.equal, mv.state_dict().values(), flow.state_dict().values()))


def test_first_layer_is_adapted_and_the_report_says_so():
    flow, rgb = tiny("flow"), tiny("rgb", classes=6)
    before = rgb.fc.weight.clone()
    fitted = transfer(rgb, flow.state_dict(), exclude=("layer4",))
    assert fitted.adapted == ("stem.0.weight",)
    assert "fc.weight" in fitted.kept and "layer4.conv1.0.weight" in fitted.kept
    assert torch.equal(rgb.fc.weight, before)
    assert torch.equal(rgb.layer1.conv1[0].weight, flow.layer1.conv1[0].weight)
    assert "adapted: stem.0.weight; not taken: layer4" in fitted.text()


def test_adapted_layer_answers_alike_to_the_same_in_all_channels():
    weight = torch.randn(5, 2, 3, 3, 3)
    wide = adapt_input(weight, 3)
    assert wide.shape == (5, 3, 3, 3, 3)
    torch.testing.assert_close(wide.sum(dim=1), weight.sum(dim=1))


def test_weights_of_another_net_are_refused_with_what_does_not_fit():
    with pytest.raises(
        CheckpointError, match=r"x: fc.weight: expected \(4, 64\), got \(6, 64\)"
    ):
        load_exactly(tiny(), tiny(classes=6).state_dict(), what="x")
    state = tiny().state_dict()
    del state["fc.bias"]
    with pytest.raises(CheckpointError, match="1 tensors missing, 0 unknown .*fc.bias"):
        load_exactly(tiny(), state, what="x")


def test_files_that_are_no_weights_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.raises(CheckpointError, match="there is no file"):
        read_weights(path)
    path.write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match="expected weights saved by a training"):
        read_weights(path)
    torch.save({"weights": [1, 2]}, path)
    with pytest.raises(CheckpointError, match="expected named tensors"):
        read_weights(path)
    torch.save(tiny(), path)  # a whole pickled object: would have to be executed
    with pytest.raises(CheckpointError, match="expected weights saved by a training"):
        read_weights(path)
