"""Networks of files that a command names."""

import pytest
import torch

from training.data.clip_config import ClipConfig
from training.errors import RecipeError
from training.experiments.teach import TeachRecipe
from training.models import user_files, user_nets
from training.models.backbones import BackboneConfig, build_backbone, net_named
from training.models.sizes import tap_shapes
from training.models.user_nets import load_net, register_net

SOURCE = """
import torch
from torch import nn

print("runs", __name__)

class Small(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Conv3d(channels, 4, 3)
        self.fc = nn.Linear(4, classes)

    def forward(self, clips):
        return self.fc(self.stem(clips).mean((2, 3, 4)))

def small(channels, classes):
    return Small(channels, classes)

small.smallest = (3, 3, 3)

def broken(channels, classes):
    return Small(channels, "many")

def other(channels, classes):
    return 7

def blind(channels, classes):
    return nn.Conv3d(channels, classes, 1)
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(user_nets, "REGISTERED", {})
    monkeypatch.setattr(user_files, "FILES", {})
    monkeypatch.setattr(user_nets, "FILES", user_files.FILES)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(SOURCE)
    return path


def test_a_net_of_a_file(file):
    name = load_net(f"{file}:small")
    assert name == "nets.py:small"
    config = BackboneConfig(net=name, sees="mv")
    assert config.architecture()["net"] == "nets.py:small"
    assert net_named(name).taps == ("stem",) and net_named(name).head == "fc"
    assert build_backbone(config, 5)(torch.zeros(1, 2, 3, 4, 5)).shape == (1, 5)
    assert tap_shapes(config, frames=4, height=8, width=8) == {"stem": (4, 2, 6, 6)}
    with pytest.raises(RecipeError, match="least 3 frames of 3x3 .*for nets.py:small"):
        TeachRecipe(model=config, clip=ClipConfig(length=2, crop_px=(8, 8)))


def test_a_name_alone_runs_nothing(file, capsys, monkeypatch):
    monkeypatch.chdir(file.parent)
    for name in ("nets.py:small", f"{file}:small", "os:system", "nets:small"):
        with pytest.raises(RecipeError, match="a net (of a file|among)"):
            BackboneConfig(net=name)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "expected a function absent, found none"),
        ("broken", "nets.py:broken: expected a function .* TypeError"),
        ("other", "expected a torch.nn.Module of .* got int"),
        ("blind", "expected a network that ends in a linear layer"),
    ],
)
def test_functions_that_build_no_network_are_named(file, name, message):
    with pytest.raises(RecipeError, match=message) as caught:
        load_net(f"{file}:{name}")
    assert "\n" not in str(caught.value)


def test_files_that_fail_are_named(tmp_path):
    with pytest.raises(RecipeError, match="no.py: expected a Python file, found none"):
        load_net(f"{tmp_path}/no.py:small")
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(
        RecipeError, match="bad.py: ZeroDivisionError: division by zero"
    ):
        load_net(f"{tmp_path}/bad.py:small")
    with pytest.raises(RecipeError, match="expected FILE.py:function, got nets"):
        load_net("nets")


def test_taps_and_heads_of_a_registered_net_exist():
    def build(channels, classes):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, classes))

    register_net("a.py:net", build, taps=("0",), head="1")
    with pytest.raises(RecipeError, match="submodules as taps and head, got layer4"):
        register_net("a.py:net", build, taps=("layer4",))
    with pytest.raises(RecipeError, match="expected dim 2 or 3, got 4"):
        register_net("a.py:net", build, dim=4)
