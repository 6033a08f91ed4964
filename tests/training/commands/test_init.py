"""`--init` as typed: weights of every source, their scaling, and what is said of them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torchvision.models.video import R3D_18_Weights

from training.commands.cli import main
from training.data.normal import IMAGENET, KINETICS, MARS
from training.models.backbones import BackboneConfig, build_backbone
from training.recipes import get_recipe, to_distill, to_teach
from training.recipes.change import parse_changes
from training.recipes.changes import with_changes
from training.recipes.first_weights import init_changes
from training.runs.record import Run


@pytest.fixture
def data(store, tmp_path, monkeypatch) -> Path:
    """A data folder with one store, as users have it."""
    shutil.copytree(store.folder, tmp_path / "stores" / "moving")
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def done(*arguments: str):
    told = call(*arguments, "--json")
    assert told.exit_code == 0, told.output
    return told.stderr, Run(Path(json.loads(told.stdout)["run"]))


def begun(recipe, weights: str, *texts: str, of_teacher: bool = False):
    changes, line = init_changes(
        recipe, weights, parse_changes(texts), of_teacher=of_teacher
    )
    return with_changes(recipe, changes), line


def of_rgb(clip) -> dict:
    return {"rgb_mean": clip.rgb_mean, "rgb_std": clip.rgb_std}


def rgb(normal) -> dict:
    return {"rgb_mean": normal["rgb_mean"], "rgb_std": normal["rgb_std"]}


def state_of(net: str, sees: str, classes: int = 9) -> dict:
    return build_backbone(BackboneConfig(net=net, sees=sees), classes).state_dict()


def test_torchvision_by_name_scales_frames_as_torchvision_does():
    found, line = begun(
        to_teach(get_recipe("mv_small"), "rgb"),
        "torchvision:KINETICS400_V1",
        "model.net=r3d_18",
        "model.frames=1",
    )
    preset = R3D_18_Weights.KINETICS400_V1.transforms()
    clip = found.settings.clip
    assert (clip.rgb_mean, clip.rgb_std) == (tuple(preset.mean), tuple(preset.std))
    assert of_rgb(clip) == rgb(KINETICS) and clip.rgb_order == "rgb"
    assert found.settings.model.weights == "torchvision:KINETICS400_V1"
    assert line.endswith("clips scaled as for them")
    motion = begun(to_teach(get_recipe("r3d"), "mv"), "torchvision:KINETICS400_V1")[0]
    assert motion.settings.clip == to_teach(get_recipe("r3d"), "mv").settings.clip
    image, _ = begun(get_recipe("vgg_frame"), "torchvision:IMAGENET1K_V1")
    assert of_rgb(image.settings.clip) == rgb(IMAGENET)


def test_files_of_mars_and_of_torchvision_are_known_by_their_names(tmp_path):
    ours = state_of("resnext3d_tiny", "rgb")
    names = {"stem.0": "conv1", "stem.1": "bn1"}
    theirs = {}
    for name, value in ours.items():
        part = ".".join(name.split(".")[:2])
        theirs[f"module.{names.get(part, part)}{name.removeprefix(part)}"] = value
    path = tmp_path / "mars.pth"
    torch.save({"state_dict": theirs, "arch": "resnext-101"}, path)
    recipe = get_recipe("resnext_rgb_medium")
    net = "model.net=resnext3d_tiny"
    found, line = begun(recipe, str(path), net)
    assert of_rgb(found.settings.clip) == rgb(MARS)
    assert found.settings.clip.motion_gain == recipe.settings.clip.motion_gain
    assert "mars.pth" in line
    kept, line = begun(recipe, str(path), net, "clip.rgb_mean=0.1,0.2,0.3")
    assert kept.settings.clip.rgb_mean == (0.1, 0.2, 0.3)
    assert kept.settings.clip.rgb_std == MARS["rgb_std"]
    assert line.endswith("but clip.rgb_mean as given")

    for sees, first, gain in (("flow", 2, 127.5), ("flow", 3, 5.0)):
        theirs["module.conv1.weight"] = torch.zeros(4, first, 3, 7, 7)
        torch.save({"state_dict": theirs}, path)
        flow = begun(to_teach(recipe, sees), str(path), net)[0].settings.clip
        assert (flow.motion_gain, of_rgb(flow)) == (gain, of_rgb(recipe.settings.clip))

    torch.save(state_of("r3d_18", "rgb"), tmp_path / "r3d.pth")
    found, _ = begun(get_recipe("r3d_rgb"), str(tmp_path / "r3d.pth"))
    assert of_rgb(found.settings.clip) == rgb(KINETICS)


def test_a_student_and_a_teacher_begin_with_their_own():
    recipe = to_distill(get_recipe("demo"), ("flow",), "mv")
    assert recipe.settings.init == "teacher"
    net = "student.net=r3d_18"
    found, _ = begun(recipe, "torchvision:KINETICS400_V1", net)
    assert (found.settings.init, found.settings.teacher.weights) == ("none", None)
    assert found.settings.student.weights == "torchvision:KINETICS400_V1"
    assert found.needs["teacher"] == recipe.needs["teacher"]
    taught, _ = begun(
        recipe, "torchvision:KINETICS400_V1", "teacher.net=r3d_18", "init=none",
        of_teacher=True,
    )  # fmt: skip
    expert = taught.needs["teacher"].settings.model
    assert (expert.net, expert.weights) == ("r3d_18", "torchvision:KINETICS400_V1")
    assert taught.settings.student.weights is None
    frames = to_distill(get_recipe("mars_medium"))
    found, _ = begun(frames, "torchvision:KINETICS400_V1", net)
    assert of_rgb(found.settings.clip) == rgb(KINETICS)
    assert found.needs["teacher"] == frames.needs["teacher"], "it sees no frames"


def test_weights_of_a_run_a_file_and_safetensors_begin_a_training(data):
    teach = ("teach", "--recipe", "tiny", "--set", "epochs=1")
    _, first = done(*teach, "--modality", "flow")
    gain = str(first.setting("clip")["motion_gain"] * 2)
    _, other = done(*teach, "--modality", "flow", "--set", f"clip.motion_gain={gain}")
    frozen = ("--set", "optim.learning_rate=0", "--set", "optim.weight_decay=0")
    said, run = done(*teach, "--modality", "mv", "--init", str(other.folder), *frozen)
    assert f"first weights of the run {other.folder.name}, clips scaled" in said
    assert f"first weights: {other.folder / 'model.pt'}: " in said
    assert "tensors copied" in said
    assert run.setting("clip")["motion_gain"] == float(gain)
    ours, theirs = (
        torch.load(one.path("model.pt"), weights_only=True) for one in (run, other)
    )
    assert torch.equal(ours["stem.0.weight"], theirs["stem.0.weight"])
    assert run.config().first_weights is not None
    told = call(*teach, "--modality", "mv", "--init", str(other.folder), *frozen)
    assert "complete, nothing to do" in told.stderr

    path = data / "w.safetensors"
    header, end, parts = {}, 0, []
    for name, value in state_of("r3d_tiny", "rgb").items():
        parts.append(value.contiguous().numpy().tobytes())
        kind = "F32" if value.is_floating_point() else "I64"
        offsets = [end, end + len(parts[-1])]
        header[name] = {"dtype": kind, "shape": [*value.shape], "data_offsets": offsets}
        end = offsets[1]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
    said, _ = done(*teach, "--modality", "mv", "--init", str(path))
    assert "adapted: stem.0.weight; not taken: fc.weight, fc.bias" in said


def test_what_cannot_be_begun_from_is_one_line(data):
    empty, other = data / "empty", data / "other.pth"
    empty.mkdir()
    torch.save(state_of("resnext3d_tiny", "flow"), other)
    code = data / "code.pth"
    torch.save({"x": Path("a")}, code)
    teach = ("teach", "--recipe", "tiny", "--modality", "mv", "--init")
    for arguments, message in (
        ((*teach, str(data / "no.pth")), "expected a file of weights, but there is no"),
        ((*teach, str(empty)), "expected a file of weights, but there is no file"),
        ((*teach, str(other)), "weights of another net"),
        ((*teach, str(code)), "got a damaged file, or one with more than tensors"),
        ((*teach, "torchvision:V9"), "expected torchvision weights of r3d_tiny among"),
        (
            ("distill", "--recipe", "fts_m1_tiny", "--teacher-init", str(other)),
            "is not",
        ),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1, refused.output
        errors = [line for line in refused.stderr.splitlines() if "Error" in line]
        assert len(errors) == 1 and message in errors[0], refused.stderr
        assert "Traceback" not in refused.output


def test_weights_of_another_net_are_refused_before_anything_is_trained(data):
    path = data / "other.pt"
    torch.save(state_of("r3d_narrow", "mv"), path)
    for command in ("distill", "teach"):
        refused = call(command, "--recipe", "tiny", "--init", str(path))
        assert refused.exit_code == 1 and "weights of another net" in refused.stderr
    assert not list(data.rglob("recipe.json"))
