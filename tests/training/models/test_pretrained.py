"""Released weights have their names and shapes here, and numbers of one value each."""

from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model, vgg16
from torchvision.models.vgg import make_layers
from torchvision.transforms import _presets

from training.data.normal import IMAGENET, KINETICS, MARS
from training.errors import CheckpointError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.pretrained import first_weights


def thin(model: nn.Module) -> dict[str, Tensor]:
    """A state dict of the same names and shapes that takes no room in a file."""
    return {
        name: torch.tensor(0.5 + place).to(tensor.dtype).expand(tensor.shape)
        for place, (name, tensor) in enumerate(model.state_dict().items())
    }


def on_meta(net: str, classes: int, **config) -> nn.Module:
    with torch.device("meta"):
        return build_backbone(BackboneConfig(net=net, **config), classes)


def released(net: str, classes: int, **config) -> dict[str, Tensor]:
    """What 3D-ResNets-PyTorch or MARS would save of a deep 3D net: their names, from
    several GPUs, without the counters that torch did not have yet."""
    renamed = {}
    for name, tensor in thin(on_meta(net, classes, **config)).items():
        if not name.endswith("num_batches_tracked"):
            theirs = name.replace("stem.0.", "conv1.").replace("stem.1.", "bn1.")
            renamed[f"module.{theirs}"] = tensor
    return renamed


@pytest.mark.parametrize("net", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_3d_nets_have_the_tensors_of_torchvision(net):
    with torch.device("meta"):
        theirs = get_model(net, weights=None).state_dict()
    ours = on_meta(net, 400).state_dict()
    assert {n: t.shape for n, t in ours.items()} == {
        n: t.shape for n, t in theirs.items()
    }


def test_vgg16_has_the_tensors_of_torchvision():
    with torch.device("meta"):
        theirs = vgg16(weights=None).state_dict()
    ours = on_meta("vgg16", 1000).state_dict()
    assert [(n, t.shape) for n, t in ours.items()] == [
        (n, t.shape) for n, t in theirs.items()
    ]


def test_vgg_answers_as_torchvision_does():
    torch.manual_seed(0)
    config = BackboneConfig(net="vgg_tiny")
    ours = build_backbone(config, 7).eval()
    plan = [12, "M", 24, "M", 48, 48, "M", 64, 64, "M", 64, 64, "M"]
    theirs = make_layers(plan)
    theirs.load_state_dict(
        {
            n.removeprefix("features."): t
            for n, t in ours.state_dict().items()
            if "features" in n
        }
    )
    picture = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours.features(picture), theirs(picture))


def test_torchvision_weights_come_from_its_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    state = thin(on_meta("mc3_18", 400))
    path = folder / "mc3_18-a90a0ba3.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    config = BackboneConfig(
        net="mc3_18", sees="flow", weights="torchvision:KINETICS400_V1"
    )
    model = build_backbone(config, 5)
    fitted = first_weights(model, config)
    assert fitted.adapted == ("stem.0.weight",)
    assert fitted.missing == ("fc.weight", "fc.bias")
    name = "layer3.0.conv1.0.weight"
    assert torch.equal(model.state_dict()[name], state[name])
    torch.testing.assert_close(
        model.stem[0].weight, state["stem.0.weight"][:, :2] * 3 / 2
    )


def test_a_download_that_fails_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def cut_off(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", cut_off)
    config = BackboneConfig(net="mc3_18", weights="torchvision:KINETICS400_V1")
    with pytest.raises(CheckpointError) as caught:
        first_weights(build_backbone(config, 5), config)
    line = str(caught.value)
    assert "could not be downloaded or read (<urlopen error no route to host>)" in line
    assert "mc3_18-a90a0ba3.pth elsewhere and give the file's path as weights" in line
    assert "\n" not in line

    cached = tmp_path / "hub" / "checkpoints" / "mc3_18-a90a0ba3.pth"
    cached.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="or read .*mc3_18-a90a0ba3.pth else"):
        first_weights(build_backbone(config, 5), config)


@pytest.mark.parametrize("old_format", [True, False])
@pytest.mark.parametrize("theirs", ["flow", "rgb"])
def test_checkpoints_of_mars_fit(tmp_path, theirs, old_format):
    net = "resnext3d_tiny"
    path = tmp_path / "Flow_Kinetics_16f.pth"
    state = released(net, 400, sees=theirs)
    whole = {"epoch": 85, "arch": "resnext-101", "state_dict": state, "optimizer": {}}
    torch.save(whole, path, _use_new_zipfile_serialization=not old_format)
    config = BackboneConfig(net=net, sees="flow", weights=str(path))
    model = build_backbone(config, 11)
    fitted = first_weights(model, config)
    counters = {n for n in model.state_dict() if n.endswith("num_batches_tracked")}
    assert set(fitted.missing) == {"fc.weight", "fc.bias"} | counters
    assert fitted.adapted == (() if theirs == "flow" else ("stem.0.weight",))
    assert not fitted.unused
    for ours, name in (
        ("stem.1.running_var", "module.bn1.running_var"),
        ("layer4.0.conv2.weight", "module.layer4.0.conv2.weight"),
        ("layer2.0.downsample.1.bias", "module.layer2.0.downsample.1.bias"),
    ):
        assert torch.equal(model.state_dict()[ours], state[name])


def test_a_head_of_as_many_classes_is_taken(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"state_dict": released("resnext3d_tiny", 51)}, path)
    config = BackboneConfig(net="resnext3d_tiny", weights=str(path))
    fitted = first_weights(build_backbone(config, 51), config)
    assert "fc.weight" in fitted.copied


def test_weights_of_our_own_names_fit_every_kind_of_net(tmp_path):
    path = tmp_path / "model.pt"
    for net in ("clarifai_tiny", "vgg_tiny", "r3d_tiny"):
        torch.save(build_backbone(BackboneConfig(net=net), 9).state_dict(), path)
        config = BackboneConfig(net=net, weights=str(path), first_layer="plain")
        model = build_backbone(config, 5)
        fitted = first_weights(model, config)
        assert len(fitted.missing) == 2 and not fitted.adapted  # the head


def test_no_weights_are_none():
    config = BackboneConfig(net="r3d_tiny")
    assert first_weights(build_backbone(config, 5), config) is None


def test_weights_of_another_net_are_refused(tmp_path):
    path = tmp_path / "model.pth"
    config = BackboneConfig(net="resnext3d_tiny", weights=str(path))
    model = build_backbone(config, 5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save(thin(on_meta("r3d_tiny", 400)), path)
    with pytest.raises(
        CheckpointError,
        match=r"model.pth: weights of another net: .* of 104 tensors fit; stem.0.weight:"
        r" expected \(8, 3, 7, 7, 7\), got \(8, 3, 3, 7, 7\)",
    ):
        first_weights(model, config)
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


def test_files_without_weights_are_refused(tmp_path):
    path = tmp_path / "model.pth"
    config = BackboneConfig(net="r3d_tiny", weights=str(path))
    model = build_backbone(config, 5)
    with pytest.raises(
        CheckpointError, match="a file of weights, but there is no file"
    ):
        first_weights(model, config)
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(CheckpointError, match="expected a file of weights, got a dam"):
        first_weights(model, config)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="expected named tensors"):
        first_weights(model, config)
    torch.save(model, path)  # would have to be executed
    with pytest.raises(CheckpointError, match="expected a file of weights, got a dam"):
        first_weights(model, config)
    broken = model.state_dict() | {"fc.bias": torch.full((5,), float("nan"))}
    torch.save(broken, path)
    with pytest.raises(CheckpointError, match=r"fc.bias: expected numbers, got"):
        first_weights(model, config)


def test_input_scales_are_those_the_weights_were_trained_on():
    video = _presets.VideoClassification(crop_size=(112, 112), resize_size=(128, 171))
    image = _presets.ImageClassification(crop_size=224)
    assert [tuple(video.mean), tuple(video.std)] == [
        KINETICS["rgb_mean"],
        KINETICS["rgb_std"],
    ]
    assert [tuple(image.mean), tuple(image.std)] == [
        IMAGENET["rgb_mean"],
        IMAGENET["rgb_std"],
    ]
    grey = (torch.tensor(128 / 255) - torch.tensor(MARS["rgb_mean"])) / torch.tensor(
        MARS["rgb_std"]
    )
    torch.testing.assert_close(grey, 128 - torch.tensor([114.7748, 107.7354, 99.4750]))
    assert MARS["motion_gain"] == 127.5
