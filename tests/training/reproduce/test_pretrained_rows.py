"""Rows that start from weights of others: not run without these, trained with them."""

import hashlib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from moving_store import videos, write_store
from tiny_recipe import tiny_context

from pipeline.store import Store
from training.commands.cli import main
from training.data.normal import MARS
from training.errors import CheckpointError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.named_weights import KNOWN, lacking
from training.models.pretrained import first_weights, unobtainable
from training.recipes import SYSTEMS, get_recipe
from training.recipes.run import run_recipe
from training.reproduce.plan import Holdings, plan
from training.reproduce.run import reproduce
from training.runs.config import TrainConfig
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.runs.trained import trained_model

MACHINE = {"device": "cpu", "precision": "float32", "workers": 0}
DEMO = Holdings("demo", ("rgb", "flow", "mv"), 24)


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """$VIDEO_DATA with an empty folder of weights."""
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path


def put(data: Path, net: str, name: str, *, seed: int = 1, **config) -> Path:
    """Weights of a net of 9 classes, as 3D-ResNets-PyTorch saves them."""
    torch.manual_seed(seed)
    state = build_backbone(BackboneConfig(net=net, **config), 9).state_dict()
    path = data / "weights" / f"{net}-{name}.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    return path


def planned(paper: str):
    return plan(paper, size="small", seeds=(0,), splits=("1",), store=DEMO)


def test_a_row_without_its_weights_is_not_run_and_says_what_to_do(data):
    why = planned("all").not_run
    assert why["frame_imagenet"] == why["frame_imagenet_dtmv"]
    published = lacking(get_recipe("frame_imagenet").settings.model)
    assert (
        "clarifai-imagenet.pth (learned on ImageNet: CNN-M-2048, VGG_CNN" in published
    )
    assert why["frame_imagenet"] == (
        "needs weights imagenet of clarifai_tiny; put them at"
        f" {data}/weights/clarifai_tiny-imagenet.pth (learned on ImageNet)"
    )
    assert why["ds_kinetics"].startswith("needs weights kinetics_flow of r3d_tiny; put")
    put(data, "r3d_tiny", "kinetics_flow", sees="flow")
    why = planned("ds").not_run
    assert why["ds_kinetics"].startswith("needs weights kinetics_mars of r3d_tiny; put")
    assert "resnext_flow_kinetics" not in why
    for name in ("kinetics_mars", "kinetics_rgb"):
        put(data, "r3d_tiny", name)
    made = planned("ds")
    assert {"mars_rgb_kinetics", "ds_attention_kinetics", "ds_kinetics_whole"} <= (
        made.recipe_of.keys()
    )
    assert {
        name for name, reason in made.not_run.items() if "weights" in reason
    } == set()


@pytest.fixture
def small_store(data) -> Store:
    return Store(write_store(data / "stores" / "moving", videos(groups=5, tested=2)))


def test_the_command_lists_it_and_ends_well(data, small_store):
    options = ["--size", "tiny", "--seeds", "1", "--rows", "frame,frame_imagenet"]
    done = CliRunner().invoke(main, ["reproduce", "dtmv", *options])
    assert done.exit_code == 0, done.output
    report = (
        data / "runs" / "moving-reproduce-dtmv-tiny-split1" / "report.md"
    ).read_text()
    listed = report.partition("## Not run")[2]
    assert (
        "| frame_imagenet | needs weights imagenet of clarifai_tiny; put them at"
        in listed
    )


def test_with_weights_only_the_last_block_and_the_classifier_learn(data, small_store):
    files = {
        "flow": put(data, "r3d_tiny", "kinetics_flow", sees="flow"),
        "rgb": put(data, "r3d_tiny", "kinetics_mars", seed=2),
    }
    state = reproduce(
        "ds",
        size="tiny",
        seeds=(0,),
        store=small_store,
        splits=("1",),
        out=data / "runs" / "report",
        rows=("mars_kinetics", "ds_kinetics", "ds_kinetics_whole"),
        machine=MACHINE,
        reporter=SilentReporter(),
    )
    assert state.done == state.total == 4
    for name, sees in (
        ("resnext_flow_kinetics", "flow"),
        ("mars_kinetics", "rgb"),
        ("ds_kinetics", "rgb"),
        ("ds_kinetics_whole", "rgb"),
    ):
        run = Run(Path(state.runs[f"{name}_tiny@0"]))
        given = torch.load(files[sees])["state_dict"]
        learned = {
            key.split(".")[0]
            for key, tensor in trained_model(run)[0].state_dict().items()
            if tensor.shape != given[f"module.{key}"].shape
            or not torch.equal(tensor, given[f"module.{key}"])
        }
        whole = {"stem", "layer1", "layer2", "layer3", "layer4", "fc"}
        assert learned == (whole if "whole" in name else {"layer4", "fc"}), name
        hashed = hashlib.sha256(files[sees].read_bytes()).hexdigest()
        assert run.config().first_weights == (hashed,)


def test_other_weights_under_the_same_name_are_another_run(data, small_store):
    recipe, context = get_recipe("frame_imagenet_tiny"), tiny_context(small_store, data)
    with pytest.raises(
        CheckpointError, match="^needs weights imagenet of clarifai_tiny"
    ):
        run_recipe(recipe, context)
    put(data, "clarifai_tiny", "imagenet")
    first = run_recipe(recipe, context)
    assert run_recipe(recipe, context).folder == first.folder
    put(data, "clarifai_tiny", "imagenet", seed=2)
    assert run_recipe(recipe, context).folder != first.folder


def test_a_distillation_is_refused_before_its_teacher_is_trained(data, small_store):
    put(data, "r3d_tiny", "kinetics_flow", sees="flow")
    with pytest.raises(
        CheckpointError, match="^needs weights kinetics_mars of r3d_tiny"
    ):
        run_recipe(
            get_recipe("mars_kinetics_tiny"), tiny_context(small_store, data / "r")
        )
    assert not (data / "r").exists()


def test_tensors_named_as_in_caffe_fit_clarifainet(data):
    config = BackboneConfig(net="clarifai_tiny", weights="named:imagenet", lrn_k=2.0)
    torch.manual_seed(0)
    theirs = build_backbone(config, 1000).state_dict()
    path = data / "weights" / "clarifai_tiny-imagenet.pth"
    torch.save(
        {name.replace(".0.", "."): value for name, value in theirs.items()}, path
    )
    assert "conv1.weight" in torch.load(path) and "fc6.bias" in torch.load(path)
    model = build_backbone(config, 5)
    fitted = first_weights(model, config)
    assert fitted.missing == ("fc8.weight", "fc8.bias") and not fitted.unused
    assert torch.equal(model.conv5[0].weight, theirs["conv5.0.weight"])


def test_paper_size_is_fine_tuned_as_mars_is():
    for system in SYSTEMS.values():
        settings = get_recipe(system.name).settings if not system.named else None
        if not isinstance(settings, TrainConfig) or "kinetics" not in system.name:
            continue
        optim = settings.optim
        assert (optim.learning_rate, optim.weight_decay) == (1e-3, 1e-5), system.name
        if system.paper == "ds":
            assert settings.clip.rgb_mean == MARS["rgb_mean"], system.name
            assert settings.clip.motion_gain == 127.5
            of = "64_" if "64" in system.name else "_"
            assert settings.network.weights.startswith(f"named:kinetics{of}")
            assert settings.network.weights.removeprefix("named:") in KNOWN


def test_what_torchvision_cannot_give_is_a_reason(data, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(data / "torch"))

    def cut_off(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", cut_off)
    config = get_recipe("r3d_rgb_kinetics").settings.model
    why = unobtainable(config)
    assert why.startswith("needs weights torchvision:KINETICS400_V1: could not be down")
    assert why.endswith(f"or put it into {data}/torch/hub/checkpoints")
    assert lacking(config) == ""
    gone = BackboneConfig(net="r3d_tiny", weights=str(data / "no.pth"))
    assert unobtainable(gone).endswith("no.pth; there is no such file")
    (data / "no.pth").touch()
    assert unobtainable(gone) == "" == unobtainable(BackboneConfig(net="r3d_tiny"))
