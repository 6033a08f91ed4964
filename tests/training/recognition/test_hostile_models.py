"""Model folders that somebody made to do harm, or damaged: one line, and no answer."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.store.sealing import write_sealed
from training.errors import CheckpointError, RunError
from training.export.folder import export_model
from training.recognition import Recognizer
from training.recognition.contract import Contract, Fusion, read_contract, read_labels
from training.run_files.json_dataclasses import to_json

CLIP = "v_right_g02.mp4"


@pytest.fixture
def folder(model_of, tmp_path) -> Path:
    return export_model(model_of("mv_tiny"), tmp_path / "model").folder


def signed(folder: Path, contract: Contract) -> None:
    """Write a contract whose checksums are right."""
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in contract.files or {}
        if (folder / name).is_file()
    }
    write_sealed(folder / "contract.json", to_json(replace(contract, files=files)))


def with_onnx(folder: Path, axes: tuple[int, ...], *, factor=1.0, shape=None) -> None:
    """Give the folder a network whose logits are means over these axes of its clips."""
    contract = read_contract(folder)
    (stream,) = contract.streams
    axes_of = numpy_helper.from_array(np.array(axes), "axes")
    factor_of = numpy_helper.from_array(np.float32(factor), "factor")
    nodes = [
        helper.make_node("ReduceMean", ["clips", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "factor"], ["logits"]),
    ]
    clips = helper.make_tensor_value_info(
        "clips", TensorProto.FLOAT, shape or ["B", *stream.input_shape]
    )
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [clips], [logits], [axes_of, factor_of])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    onnx.save(made, folder / "model.onnx")
    signed(
        folder,
        replace(
            contract,
            streams=(replace(stream, onnx="model.onnx"),),
            files={**(contract.files or {}), "model.onnx": ""},
        ),
    )


def test_onnx_of_another_network_gives_no_answer(folder, videos):
    clip = videos / "right" / CLIP
    with_onnx(folder, (2, 3, 4))  # (B, 2): as many as there are classes
    assert Recognizer(folder, runtime="onnx")(clip).scores.sum() == pytest.approx(1)
    for options, told in (
        ({"axes": (1, 3, 4)}, r"expected a network that gives \(\d+, 2\) scores"),
        ({"axes": (0, 1, 2, 3, 4)}, r"gives \(\d+, 2\) scores, got \(\)"),
        ({"axes": (2, 3)}, r"gives \(\d+, 2\) scores"),
        ({"axes": (2, 3, 4), "factor": np.nan}, "expected finite scores"),
        ({"axes": (2,), "shape": ["B", 5, 7]}, "expected a network that takes clips"),
        ({"axes": (2, 3, 4), "shape": [1, 2, 1, 1, 1]}, "takes clips"),
    ):
        with_onnx(folder, **options)
        with pytest.raises(CheckpointError, match=told) as caught:
            Recognizer(folder, runtime="onnx")(clip)
        assert "\n" not in str(caught.value)


def test_labels_of_another_number_of_classes_give_no_answer(folder, videos):
    with_onnx(folder, (2, 3, 4))
    contract = read_contract(folder)
    for names in ("down\n", "down\nright\nup\n"):
        (folder / "labels.txt").write_text(names)
        signed(folder, contract)
        with pytest.raises(CheckpointError, match=r"gives \(\d+, [13]\) scores"):
            Recognizer(folder, runtime="onnx")(videos / "right" / CLIP)


def test_labels_are_a_file_of_the_folder_even_where_no_checksum_is_given(
    folder, tmp_path
):
    contract = read_contract(folder)
    files = {n: h for n, h in (contract.files or {}).items() if n != "labels.txt"}
    signed(folder, replace(contract, files=files))
    path = folder / "labels.txt"
    path.write_bytes(b"down\r\nright\r\n")
    assert read_labels(folder) == ("down", "right")
    path.write_text("down\nright")  # cut off, perhaps within a name
    with pytest.raises(RunError, match="labels.txt: expected a line end"):
        read_contract(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RunError, match="labels.txt: expected a file, got something"):
        read_contract(folder)
    path.unlink()
    elsewhere = tmp_path / "labels.txt"
    elsewhere.write_text("down\nright\n")
    path.symlink_to(elsewhere)
    with pytest.raises(RunError, match="labels.txt: expected a file of the model, got"):
        read_contract(folder)


def test_numbers_that_no_model_has_are_refused(folder):
    contract = read_contract(folder)
    (stream,) = contract.streams
    small = dict(stream.clip)
    large = {
        "clip": small | {"crop_px": [64000, 64000]},
        "input_shape": (*stream.input_shape[:2], 64000, 64000),
    }
    for changes, told in (
        ({"version": 0}, "expected a contract of version 1 or less, got 0"),
        ({"version": 2}, "got 2: a newer version of this program wrote it"),
        ({"min_known_share": 1.5}, "min_known_share: expected a number from 0 to 1"),
        ({"min_known_share": -0.5}, "min_known_share: expected a number from 0 to 1"),
        ({"streams": (replace(stream, **large),)}, "expected clips of at most"),
        (
            {"streams": (replace(stream, clip=small | {"grid_short_px": 5000}),)},
            "expected grid_short_px of at most 4096, got 5000",
        ),
    ):
        signed(folder, replace(contract, **changes))
        with pytest.raises(RunError, match=told):
            read_contract(folder)


def test_weights_of_a_fusion_are_as_training_allows_them():
    both = {"streams": 2, "classes": 3}
    assert Fusion(on="softmax", weights=(0.0, 2.0)).fits(**both)
    for weights in ((-0.5, 1.5), (0.0, 0.0), (1.0,), (1.0, 1.0, 1.0), ()):
        assert not Fusion(on="softmax", weights=weights).fits(**both)
    layers = {"on": "softmax", "layers": "collaborative", "rounds": 1}
    assert Fusion(weights=(1.0, 1.0), **layers).fits(**both)
    assert not Fusion(weights=(1.0,) * 3, **layers).fits(streams=3, classes=3)
