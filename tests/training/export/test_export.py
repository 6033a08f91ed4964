"""A model folder: its files, what may stand there before, and files that were changed."""

import hashlib
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from moving_store import videos
from untrained import extracted, untrained_run

from pipeline.store.sealing import write_sealed
from training.commands.cli import main
from training.errors import CheckpointError, RunError, WriteError
from training.export.folder import export_model
from training.recognition.contract import read_contract, read_labels
from training.recognition.from_run import contract_of, networks_of
from training.recognition.read_model import layers_from_folder, networks_from_folder
from training.recognition.run_layers import layers_of
from training.report.runs_table import runs_below
from training.run_files.json_dataclasses import to_json
from training.run_files.tensor_file import load_arrays, save_arrays
from training.runs.record import Run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return extracted(tmp_path_factory.mktemp("stores") / "moving", videos())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def student(store, runs) -> Run:
    return untrained_run("grid_tiny", store, runs)


@pytest.fixture
def model(student, tmp_path) -> Path:
    return export_model(student, tmp_path / "model").folder


def changed(folder: Path, **changes) -> None:
    """Write another contract, with a right checksum."""
    write_sealed(
        folder / "contract.json", to_json(replace(read_contract(folder), **changes))
    )


def with_stream(folder: Path, **changes) -> None:
    contract = read_contract(folder)
    changed(folder, streams=(replace(contract.streams[0], **changes),))


def test_a_folder_has_all_that_a_caller_needs(student, model):
    assert sorted(path.name for path in model.iterdir()) == [
        "README.md",
        "contract.json",
        "labels.txt",
        "model.safetensors",
        "recipe.json",
    ]
    contract, (own, labels) = read_contract(model), contract_of(student)
    assert read_labels(model) == labels == ("left", "right")
    stream = contract.streams[0]
    assert (stream.recipe, stream.weights) == ("recipe.json", "model.safetensors")
    bare = replace(stream, recipe=None, weights=None)
    assert replace(contract, files=None, streams=(bare,)) == own
    ((name, network),) = networks_from_folder(model)
    clips = torch.randn(2, *stream.input_shape)
    assert name == "mv"
    assert torch.equal(network(clips), networks_of(student)[0][1](clips))


def test_the_card_says_what_was_trained_on_what_and_how_well(student, model):
    text = " ".join((model / "README.md").read_text().split())
    top1, low, high = (100 * value for value in student.results().test.top1)
    for told in (
        "# grid_tiny of folder",
        "Recognises 2 classes of actions in videos: mv from labels and a flow teacher.",
        "Motion vectors: canonical: crf 18, keyint 12, preset veryfast",
        "mv: mv, grid_tiny, 212,738 parameters; clips of 4 intervals of 5 x 6 cells;",
        "2 clips of a video, 1 crop of each",
        "6 videos to train on, 2 held out to choose by, 4 to test.",
        f"top-1 {top1:5.1f} % ({low:.1f} to {high:.1f})".replace("  ", " "),
        "## Licence None is given.",
    ):
        assert told in text, told


def test_a_fusion_is_one_folder_of_all_its_streams(store, runs, tmp_path):
    run = untrained_run("hts_tiny", store, runs)
    model = export_model(run, tmp_path / "model").folder
    contract = read_contract(model)
    assert [one.weights for one in contract.streams] == [
        "vgg_frame_tiny/model.safetensors",
        "hidden_temporal_tiny/model.safetensors",
    ]
    assert contract.fusion.weights == (0.4, 0.6)
    assert "vgg_frame_tiny 0.40, hidden_temporal_tiny 0.60" in " ".join(
        (model / "README.md").read_text().split()
    )


def test_layers_of_a_fusion_are_written_and_read(store, runs, tmp_path):
    for name in ("ds_attention_tiny", "htsc_literal_tiny"):
        run = untrained_run(name, store, runs, fused_by_held_out=True, held_out=0.3)
        model = export_model(run, tmp_path / name).folder
        found = layers_from_folder(model, read_contract(model))
        expected = layers_of(run, contract_of(run)[0])
        assert found.keys() == expected.keys() and found
        assert all(np.array_equal(found[key], expected[key]) for key in found)
        save_arrays(model / "fusion.safetensors", {"strange": np.zeros(2, np.float32)})
        with pytest.raises(RunError, match="has changed since the model was exported"):
            layers_from_folder(model, read_contract(model))


def test_streams_whose_scores_changed_are_no_model(store, runs, tmp_path):
    run = untrained_run("hts_tiny", store, runs)
    moved = tmp_path / "runs"
    shutil.copytree(runs, moved)
    one = "moving-vgg_frame_tiny-split1-seed0"
    other = "moving-hidden_temporal_tiny-split1-seed0"
    value = json.loads((run.folder / "recipe.json").read_text())
    value["machine"]["streams"] = f"{moved / one}, {moved / other}"
    del value["checksum"]
    (moved / run.folder.name / "recipe.json").write_text(json.dumps(value))
    export_model(Run(moved / run.folder.name), tmp_path / "good")
    shutil.copy(runs / other / "scores_test.npz", moved / one)
    with pytest.raises(RunError, match="the streams have changed since"):
        export_model(Run(moved / run.folder.name), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_same_run_is_written_again_and_another_only_with_force(
    student, store, runs, tmp_path
):
    folder = tmp_path / "models" / "mine"
    export_model(student, folder)
    (folder / "README.md").write_text("edited")
    export_model(student, folder)
    assert "grid_tiny" in (folder / "README.md").read_text()
    other = untrained_run("mv_tiny", store, runs)
    with pytest.raises(RunError, match="got another model .--force replaces it"):
        export_model(other, folder)
    assert read_contract(folder).name == "grid_tiny of folder"
    export_model(other, folder, force=True)
    assert read_contract(folder).name == "mv_tiny of folder"
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_folder_of_something_else_stays_as_it_is(student, model, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (model / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(model)
    for name, told in (
        ("notes", "a new folder, or one with a model, but it has a.txt"),
        ("model", "mine.txt is no file of it"),
        ("file", "got something else"),
        ("link", "got something else"),
    ):
        with pytest.raises(RunError, match=told):
            export_model(student, tmp_path / name, force=True)
    assert (model / "mine.txt").read_text() == "mine"
    assert (tmp_path / "notes" / "a.txt").exists()
    (tmp_path / "empty").mkdir()
    assert export_model(student, tmp_path / "empty").files["labels.txt"] == 11


def test_after_an_error_nothing_is_left_and_the_old_model_stays(
    student, model, monkeypatch
):
    (model / "README.md").write_text("the old one")

    def full(path, arrays):
        raise WriteError(f"{path}: cannot be written: no space left on device")

    monkeypatch.setattr("training.export.folder.save_arrays", full)
    with pytest.raises(WriteError, match="no space left") as caught:
        export_model(student, model)
    assert str(caught.value).startswith(f"{model / 'model.safetensors'}: ")
    assert (model / "README.md").read_text() == "the old one"
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_files_that_changed_are_one_line(model):
    def refused(told: str) -> None:
        with pytest.raises(RunError, match=told):
            networks_from_folder(model)

    labels = (model / "labels.txt").read_text()
    (model / "labels.txt").write_text("right\nleft\n")
    refused("labels.txt: the file has changed since the model was exported")
    (model / "labels.txt").write_text(labels)
    weights = load_arrays(model / "model.safetensors")
    weights["fc.bias"] = weights["fc.bias"] + 1
    save_arrays(model / "model.safetensors", weights)
    refused("model.safetensors: the file has changed")
    (model / "model.safetensors").unlink()
    refused("model.safetensors: expected a file of the model, but it is missing")
    text = (model / "contract.json").read_text()
    (model / "contract.json").write_text(
        text.replace('"fill": "previous"', '"fill": "zero"')
    )
    refused("contract.json: the file has changed")


def test_nothing_in_a_model_folder_runs_or_leads_out_of_it(model, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'attacked'}",)

    weights = model / "model.safetensors"
    before = weights.read_bytes()
    for bad in (pickle.dumps(Attack()), before[:100], b"\xff" * 64, b""):
        weights.write_bytes(bad)
        with pytest.raises(RunError, match="has changed"):
            networks_from_folder(model)
        files = dict(read_contract(model).files)
        del files["model.safetensors"]
        changed(model, files=files | {weights.name: hashlib.sha256(bad).hexdigest()})
        with pytest.raises(CheckpointError, match="expected a file of safetensors"):
            networks_from_folder(model)
    torch.save(Attack(), weights)
    changed(
        model,
        files=files | {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()},
    )
    with pytest.raises(CheckpointError, match="expected a file of safetensors"):
        networks_from_folder(model)
    assert not (tmp_path / "attacked").exists()
    (tmp_path / "outside").write_bytes(before)
    weights.unlink()
    weights.symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="expected a file of the model, got a link"):
        networks_from_folder(model)
    for name in ("../outside", "/etc/passwd", "a/../../outside", "..\\outside"):
        text = json.loads((model / "contract.json").read_text())
        text.pop("checksum", None)
        text["streams"][0]["weights"] = name
        (model / "contract.json").write_text(json.dumps(text))
        with pytest.raises(RunError, match="expected a file inside the folder"):
            networks_from_folder(model)


def with_recipe(model: Path, change) -> None:
    path = model / "recipe.json"
    value = json.loads(path.read_text())
    value.pop("checksum", None)
    change(value)
    path.write_text(json.dumps(value))
    files = dict(read_contract(model).files)
    files["recipe.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    changed(model, files=files)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"net": "evil.py:net"}, "expected a network that is known here, got evil.py"),
        ({"net": "r3d_tiny"}, "without cells for r3d_tiny"),
        ({"sees": "rgb"}, "expected grid_tiny to see mv"),
        ({"frames": 1 << 40}, "frames"),
        ({"weights": "torchvision:X"}, "expected torchvision weights"),
        ({"estimator": {"frames": 9}}, "expected rgb clips of 9 frames"),
        ({"unknown": 1}, "expected no setting 'unknown'"),
    ],
)
def test_a_network_that_is_not_that_of_the_stream_is_one_line(change, told, model):
    with_recipe(model, lambda value: value["network"].update(change))
    with pytest.raises(ValueError, match=told) as caught:
        networks_from_folder(model)
    assert "\n" not in str(caught.value)


def test_versions_classes_and_taps_that_do_not_fit_are_one_line(model):
    for change, told in (
        ({"version": 2}, "a newer version of this program wrote it"),
        ({"version": 1, "classes": 3}, "the 2 classes of the labels, got 3"),
        ({"classes": 2, "tap": "fc"}, "a tap exactly where the stream gives features"),
    ):
        with_recipe(model, lambda value, change=change: value.update(change))
        with pytest.raises(RunError, match=told):
            networks_from_folder(model)


def test_a_contract_whose_parts_do_not_fit_is_one_line(model):
    stream = read_contract(model).streams[0]
    for changes, told in (
        ({"input_shape": (3, 5, 5, 6)}, r"expected clips of \(3, 4, 5, 6\)"),
        ({"output": "features"}, "expected features exactly where layers take them"),
        ({"clip": {**stream.clip, "fill": "most"}}, "fill"),
        ({"recipe": None}, "expected a model with weights for PyTorch"),
    ):
        with_stream(model, **{"input_shape": stream.input_shape, **changes})
        with pytest.raises(ValueError, match=told):
            networks_from_folder(model)
        write_sealed(
            model / "contract.json",
            json.loads((model / "contract.json").read_text())
            | {"streams": [to_json(stream)]},
        )


def test_a_model_among_runs_is_no_run(student, tmp_path):
    shutil.copytree(student.folder, tmp_path / "runs" / "mine")
    export_model(student, tmp_path / "runs" / "model")
    assert [one.folder.name for one in runs_below(tmp_path / "runs")] == ["mine"]
    with pytest.raises(RunError, match="run"):
        export_model(Run(tmp_path / "runs" / "model"), tmp_path / "again")


def test_the_command_writes_a_model_where_it_says(student, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    said = CliRunner().invoke(main, ["export", str(student.folder)])
    assert said.exit_code == 0, said.output
    folder = tmp_path / "models" / student.folder.name
    assert said.stdout.startswith(f"{folder}: grid_tiny of folder\n  README.md")
    said = CliRunner().invoke(
        main, ["export", str(student.folder), "--to", str(tmp_path / "a"), "--json"]
    )
    assert json.loads(said.stdout)["files"]["labels.txt"] == len("left\nright\n")
    said = CliRunner().invoke(main, ["export", str(student.folder), "--format", "tf"])
    assert said.exit_code == 2 and "some of folder, onnx, torch, got tf" in said.output
