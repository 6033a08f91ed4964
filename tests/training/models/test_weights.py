import pytest
import torch
from torch import nn

from training.engine.checkpoint import save_weights
from training.errors import CheckpointError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.weights import (
    Fitted,
    adapt_input,
    belongs,
    load_exactly,
    read_weights,
    transfer,
)


def tiny(sees: str = "mv", classes: int = 4, net: str = "r3d_tiny") -> nn.Module:
    return build_backbone(BackboneConfig(net=net, sees=sees), classes)


def test_weights_of_flow_are_weights_for_vectors():
    flow, mv = tiny("flow"), tiny("mv")
    fitted = transfer(mv, flow.state_dict())
    assert not fitted.missing and not fitted.adapted and not fitted.unused
    assert len(fitted.copied) == len(mv.state_dict())
    assert all(map(torch.equal, mv.state_dict().values(), flow.state_dict().values()))


def test_teacher_initialisation_copies_slopes_and_head():
    config = {"net": "clarifai_tiny", "frames": 10}
    flow = build_backbone(BackboneConfig(sees="flow", **config), 4)
    mv = build_backbone(BackboneConfig(sees="mv", **config), 4)
    with torch.no_grad():
        flow.conv1[1].weight.fill_(0.1)
    transfer(mv, flow.state_dict())
    assert torch.equal(mv.conv1[1].weight, torch.full((24,), 0.1))
    assert torch.equal(mv.fc8.weight, flow.fc8.weight)


def test_first_layer_is_adapted_and_the_report_says_so():
    flow, rgb = tiny("flow"), tiny("rgb", classes=6)
    before = rgb.fc.weight.clone()
    fitted = transfer(rgb, flow.state_dict())
    assert fitted.adapted == ("stem.0.weight",)
    assert fitted.missing == ("fc.weight", "fc.bias")
    assert torch.equal(rgb.fc.weight, before)
    assert torch.equal(rgb.layer1.conv1[0].weight, flow.layer1.conv1[0].weight)
    assert "adapted: stem.0.weight; not taken: fc" in fitted.text()


def test_only_the_first_layer_is_adapted():
    wide, own = tiny(), tiny()
    state = wide.state_dict()
    deep = "layer3.conv1.0.weight"
    state[deep] = torch.zeros(32, 5, 3, 3, 3)  # 16 there
    before = own.state_dict()[deep].clone()
    assert transfer(own, state).missing == (deep,)
    assert torch.equal(own.state_dict()[deep], before)


def test_the_report_is_one_short_line():
    fitted = Fitted(
        ("a",), ("b",), tuple(f"c{i}" for i in range(9)), ("old.weight", "old.bias")
    )
    assert fitted.text() == (
        "1 tensors copied; adapted: b; not taken: c0, c1, c2, c3, c4, c5 and 3 more;"
        " left over: old.weight, old.bias"
    )


def test_adapted_layer_answers_alike_to_the_same_in_all_channels():
    torch.manual_seed(0)
    weight = torch.randn(5, 2, 3, 3, 3)
    wide = adapt_input(weight, 3)
    assert wide.shape == (5, 3, 3, 3, 3)
    torch.testing.assert_close(wide.sum(dim=1), weight.sum(dim=1))
    torch.testing.assert_close(wide[:, 2], weight.mean(dim=1) * 2 / 3)


def test_plainly_adapted_layer_has_the_mean_in_every_channel():
    weight = torch.tensor([[1.0, 2.0, 6.0]])[..., None, None]
    assert adapt_input(weight, 20, scale="plain").flatten().tolist() == [3.0] * 20
    rgb = build_backbone(BackboneConfig(net="vgg_tiny"), 4)
    flow = build_backbone(BackboneConfig(net="vgg_tiny", sees="flow", frames=10), 4)
    fitted = transfer(flow, rgb.state_dict(), scale="plain")
    assert fitted.adapted == ("features.0.weight",) and not fitted.missing
    mean = rgb.features[0].weight.mean(dim=1)
    torch.testing.assert_close(flow.features[0].weight[:, 19], mean)


def test_weights_of_another_net_are_refused_with_what_does_not_fit():
    with pytest.raises(
        CheckpointError, match=r"x: fc.weight: expected \(4, 64\), got \(6, 64\)"
    ):
        load_exactly(tiny(), tiny(classes=6).state_dict(), what="x")
    state = tiny().state_dict()
    del state["fc.bias"]
    with pytest.raises(CheckpointError, match="1 tensors missing, 0 unknown .*fc.bias"):
        load_exactly(tiny(), state, what="x")


def test_all_but_the_head_must_fit():
    model = tiny()

    def check(state):
        return transfer(model, state, but=("fc",), what="x")

    assert check(tiny(classes=9).state_dict()).missing == ("fc.weight", "fc.bias")
    state = tiny("rgb").state_dict()
    assert check(state).adapted == ("stem.0.weight",)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    old = {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    check(old)  # as torch 0.4 saved them
    with pytest.raises(
        CheckpointError,
        match=r"x: weights of another net: \d+ of 74 tensors fit; stem.0.weight:"
        r" expected \(8, 2, 3, 7, 7\), got \(16, 2, 3, 7, 7\)",
    ):
        check(tiny(net="r3d_narrow").state_dict())
    del old["layer2.conv1.1.bias"]
    with pytest.raises(
        CheckpointError, match=r"layer2.conv1.1.bias: expected \(16,\), got none"
    ):
        check(old)
    with pytest.raises(
        CheckpointError, match=r"layer5.weight: expected no such tensor, got \(3,\)"
    ):
        check(state | {"layer5.weight": torch.zeros(3)})
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert "layer2.conv1.1.bias" in transfer(model, old).missing


def test_files_that_are_no_weights_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.raises(CheckpointError, match="there is no file"):
        read_weights(path)
    path.write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match="expected weights saved by a training"):
        read_weights(path)
    torch.save(tiny().state_dict(), path)
    with pytest.raises(CheckpointError, match="the hash at its end is missing"):
        read_weights(path)
    save_weights(path, {"weights": [1, 2]})
    with pytest.raises(CheckpointError, match="expected named tensors"):
        read_weights(path)
    save_weights(path, tiny())  # a whole pickled object: would have to be executed
    with pytest.raises(CheckpointError, match="expected weights saved by a training"):
        read_weights(path)


def test_weights_are_exactly_those_of_the_network():
    """Neither a tensor more nor another type of numbers."""
    state = tiny().state_dict()
    for wrong, message in (
        (
            state | {"more": torch.zeros(1)},
            r"0 tensors missing, 1 unknown \(first: more",
        ),
        (state | {"fc.bias": state["fc.bias"].double()}, "float32, got torch.float64"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_exactly(tiny(), wrong, what="x")


def test_a_part_is_a_whole_name():
    assert belongs("conv1", ("fc", "conv1")) and belongs("conv1.0.weight", ("conv1",))
    assert not belongs("conv10.weight", ("conv1",))
    assert not belongs("conv1.0.weight", ("conv",))
