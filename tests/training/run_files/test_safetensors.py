"""Files of safetensors: one that the library wrote, and damaged ones."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
import torch

from training.errors import CheckpointError
from training.run_files.safetensors import read_safetensors

OF_THE_LIBRARY = b64decode(
    "gAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJuIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOltdLC"
    "JkYXRhX29mZnNldHMiOlswLDhdfSwiYS53ZWlnaHQiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIsM10sImRhdGFfb2Zm"
    "c2V0cyI6WzgsMzJdfSwiZW1wdHkiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsM10sImRhdGFfb2Zmc2V0cyI6WzMyLD"
    "MyXX0sImIiOnsiZHR5cGUiOiJCRjE2Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzRdfSwiaGFsZiI6eyJk"
    "dHlwZSI6IkYxNiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzM0LDM4XX0sImZsYWciOnsiZHR5cGUiOiJCT09MIi"
    "wic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbMzgsNDBdfX0gICAHAAAAAAAAAAAAAAAAAAA/AACAPwAAwD8AAABAAAAg"
    "QAA/AD4AwAEA"
)
"""Written by safetensors.torch.save, with metadata."""

THERE = {
    "n": torch.tensor(7),
    "a.weight": torch.tensor([[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]),
    "empty": torch.zeros(0, 3),
    "b": torch.tensor([0.5], dtype=torch.bfloat16),
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "flag": torch.tensor([True, False]),
}


def test_a_file_of_the_library(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(OF_THE_LIBRARY)
    found = read_safetensors(path)
    assert found.keys() == THERE.keys()
    for name, value in THERE.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def written(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype="F32", shape=(1,), offsets=(0, 4)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry(offsets=(0, 8))},
        {"a": entry(offsets=(4, 8))},
        {"a": entry(shape=(2,))},
        {"a": entry(shape=(-1,))},
        {"a": entry(shape=(True,))},
        {"a": entry(dtype="F8")},
        {"a": entry(), "b": entry()},
        {"a": {"dtype": "F32"}},
        {"a": 3},
        [],
        {},
    ],
)
def test_damaged_files_are_one_line(header, tmp_path):
    path = written(tmp_path / "w.safetensors", header, b"\0" * 4)
    with pytest.raises(CheckpointError, match="expected a file of safetensors, got a"):
        read_safetensors(path)


@pytest.mark.parametrize("cut", [0, 4, 20, len(OF_THE_LIBRARY) - 1])
def test_cut_files_are_one_line(cut, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(OF_THE_LIBRARY[:cut])
    with pytest.raises(CheckpointError, match="expected a file of safetensors"):
        read_safetensors(path)
    path.write_bytes(OF_THE_LIBRARY + b"0")
    with pytest.raises(CheckpointError, match="expected a file of safetensors"):
        read_safetensors(path)
