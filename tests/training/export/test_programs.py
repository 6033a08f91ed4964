"""Networks as ONNX and as programs of torch: the same outputs, or no file."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from moving import write_video
from moving_blobs import moving
from moving_store import videos
from torch import nn
from untrained import extracted, untrained_run
from without_extras import ended

from training.errors import MachineError, RunError
from training.export import program
from training.export.folder import export_model
from training.recognition import Recognizer
from training.recognition.contract import read_contract
from training.recognition.model import load_model
from training.runs.record import Run


class Small(nn.Module):
    """A sum over space and time, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.fc(clips.mean(dim=(2, 3, 4)))


class OfTwo(Small):
    """A network whose operations depend on the number of clips."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return super().forward(clips) * (1 if len(clips) == 2 else 2)


CLIPS = torch.randn(4, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def moved(model: nn.Module, by: float) -> nn.Module:
    other = Small()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.fc.bias += by
    return other.eval()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A network, and its two files."""
    folder, model = tmp_path_factory.mktemp("programs"), Small().eval()
    graph = program.exported_program(model, CLIPS[:2])
    program.save_program(graph, folder / "model.pt2")
    program.save_onnx(graph, folder / "model.onnx", output="logits")
    return model, folder


@pytest.mark.slow
def test_both_files_take_any_number_of_clips_and_give_the_same(small):
    model, folder = small
    for count in (1, 2, 3, 4):
        clips = CLIPS[:count]
        assert program.check_program(folder / "model.pt2", model, clips) == 0
        differ = program.check_onnx(
            folder / "model.onnx", model, clips, output="logits"
        )
        assert differ < 1e-6


@pytest.mark.slow
def test_an_output_that_differs_by_more_than_the_tolerance_is_refused(small):
    model, folder = small
    near, far = moved(model, 5e-5), moved(model, 2e-4)
    path = folder / "model.onnx"
    assert 4e-5 < program.check_onnx(path, near, CLIPS, output="logits") < 6e-5
    with pytest.raises(RunError, match="model.onnx: .*got a difference of 0.0002"):
        program.check_onnx(path, far, CLIPS, output="logits")
    with pytest.raises(RunError, match="model.pt2: .*got a difference of 0.0002"):
        program.check_program(folder / "model.pt2", far, CLIPS)
    large = CLIPS * 100  # of logits of 100, 1e-4 is 1e-2
    assert program.check_onnx(path, far, large, output="logits") < 1e-3


@pytest.mark.slow
def test_a_file_of_onnx_says_its_names_and_nothing_of_this_machine(small):
    import onnx

    path = small[1] / "model.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model)
    (given,), (output,) = model.graph.input, model.graph.output
    sides = [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim]
    assert given.name == "clips" and output.name == "logits"
    assert isinstance(sides[0], str) and sides[1:] == [2, 3, 4, 5]
    assert model.opset_import[0].version == program.OPSET
    assert str(Path(__file__).parent).encode() not in path.read_bytes()
    assert b"test_programs" not in path.read_bytes()


def test_a_network_that_depends_on_the_number_of_clips_is_one_line():
    with pytest.raises(RunError, match="expected a network that torch.export takes"):
        program.exported_program(OfTwo().eval(), CLIPS[:2])


def test_a_missing_library_is_named_with_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MachineError, match=r"onnxscript.*motion-shards\[export\]"):
        export_model(Run(tmp_path), tmp_path / "model", formats=("onnx",))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_is_written_in_all_formats_and_checked_on_its_clips(tmp_path):
    store = extracted(tmp_path / "moving", videos())
    run = untrained_run("grid_tiny", store, tmp_path / "runs")
    found = export_model(run, tmp_path / "model", formats=("folder", "onnx", "torch"))
    assert [line.split()[0] for line in found.checks] == ["`model.pt2`", "`model.onnx`"]
    assert all("on clips of folder" in line for line in found.checks)
    card = " ".join((found.folder / "README.md").read_text().split())
    assert found.checks[1] in card
    assert re.search(
        r"takes [\d.]+ ms for a clip of \d+ entries, .* ONNX Runtime", card
    )
    (stream,) = read_contract(found.folder).streams
    assert (stream.onnx, stream.program) == ("model.onnx", "model.pt2")
    video = write_video(tmp_path / "clip.mp4", moving(1, 12, (2, 1)))
    ours = Recognizer(found.folder, runtime="onnx")
    assert ours.model.streams[0].backend.runtime.startswith("ONNX Runtime")
    theirs = Recognizer(run.folder, runtime="torch", device="cpu")
    np.testing.assert_allclose(ours(video).scores, theirs(video).scores, atol=1e-6)
    line = ["training", "predict", str(found.folder), str(video), "--json"]
    ((_, out, _),) = ended(line)
    probabilities = {each["label"]: each["score"] for each in json.loads(out)["top"]}
    expected = theirs(video)
    named = [probabilities[name] for name in expected.classes]
    np.testing.assert_allclose(named, expected.scores, atol=1e-5)
    with (found.folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RunError, match="has changed since the model was exported"):
        Recognizer(found.folder, runtime="onnx")
    only = export_model(run, tmp_path / "only", formats=("torch",))
    assert sorted(only.files) == [
        "README.md",
        "contract.json",
        "labels.txt",
        "model.pt2",
    ]
    with pytest.raises(RunError, match="only: .* got a program of torch.export only: "):
        load_model(only.folder)


@pytest.mark.slow
def test_a_network_of_a_user_s_file_is_a_program_but_no_weights(tmp_path):
    from training.commands.cli import main

    code = tmp_path / "lab.py"
    code.write_text(
        "from torch import nn\n"
        "def net(channels, classes):\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(),"
        " nn.Linear(channels, classes))\n"
    )
    store = extracted(tmp_path / "moving", videos())
    folder = tmp_path / "run"
    arguments = ["--recipe", "mv_tiny", "--code", str(code), "--set", "epochs=1"]
    arguments += ["--set", "model.net=lab.py:net", "--set", "model.frames=1"]
    main(
        ["teach", "--store", str(store.folder), *arguments, "--out", str(folder)],
        standalone_mode=False,
    )
    with pytest.raises(RunError, match="--format onnx or torch for the network lab.py"):
        export_model(Run(folder), tmp_path / "model")
    found = export_model(Run(folder), tmp_path / "model", formats=("folder", "torch"))
    assert "model.pt2" in found.files and "model.safetensors" not in found.files
    contract = json.loads((found.folder / "contract.json").read_text())
    assert contract["streams"][0].get("recipe") is None
