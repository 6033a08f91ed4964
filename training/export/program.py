"""A network -> a program of torch.export or ONNX that takes any number of clips, checked.

ONNX needs the libraries onnx and onnxscript: pip install 'motion-shards[export]'.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from motion_shards.extras import EXPORT
from motion_shards.plain_text import first_line

from ..errors import MachineError, RunError
from ..run_files.writing import not_written, write_bytes

OPSET = 20
"""Version of ONNX's operators."""
MOST_CLIPS = 4096
"""Largest batch of an exported program."""
TOLERANCE = 1e-4
"""Largest difference of an output, as a share of the largest output where that is above 1."""
MOST_BYTES = 2_000_000_000
"""Limit of a file of ONNX."""


def exported_program(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """A network as a graph.

    Args:
        model: in evaluation mode.
        example: (B, C, T, H, W) with B of 2 or more.

    Raises:
        RunError: the network does what torch.export does not take, as a batch that
            decides which operations are done.
    """
    clips = torch.export.Dim("clips", min=1, max=MOST_CLIPS)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(model, (example,), dynamic_shapes=({0: clips},))
    except Exception as error:
        raise RunError(
            "expected a network that torch.export takes:"
            f" {type(error).__name__}: {first_line(error)[:300]}"
        ) from error


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a program for `torch.export.load`.

    Raises:
        WriteError: it cannot be written.
    """
    try:
        torch.export.save(program, path)
    except OSError as error:
        raise not_written(path, error) from error


def check_program(path: Path, model: nn.Module, clips: Tensor) -> float:
    """The largest difference between a saved program and the network, on clips.

    Raises:
        RunError: it is above the tolerance.
    """
    with torch.no_grad():
        found = torch.export.load(path).module()(clips)
        return _checked(found.numpy(), model(clips).numpy(), what=path.name)


def require_onnx() -> None:
    """
    Raises:
        MachineError: a library is missing.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(name)
        except ImportError:
            raise MachineError(
                f"--format onnx needs {name}: {EXPORT.install}"
            ) from None


def save_onnx(
    program: torch.export.ExportedProgram, path: Path, *, output: str
) -> None:
    """Write a program as ONNX: input "clips" (B, C, T, H, W) float32, one output.

    Args:
        output: its name.

    Raises:
        RunError: the graph has operations that ONNX lacks, or the file would be too large.
        WriteError: it cannot be written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = torch.onnx.export(
                program,
                dynamo=True,
                input_names=["clips"],
                output_names=[output],
                opset_version=OPSET,
                verbose=False,
            )
        model = found.model_proto
    except Exception as error:
        raise RunError(
            "expected a network that ONNX has the operations of:"
            f" {type(error).__name__}: {first_line(error)[:300]}"
        ) from error
    if model.ByteSize() > MOST_BYTES:
        raise RunError(
            f"{path.name}: expected at most {MOST_BYTES >> 20} MB of ONNX, got"
            f" {model.ByteSize() >> 20} MB"
        )
    del model.metadata_props[:]
    for node in model.graph.node:  # stack traces and paths of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    write_bytes(path, model.SerializeToString())


def check_onnx(path: Path, model: nn.Module, clips: Tensor, *, output: str) -> float:
    """The largest difference between a file of ONNX in onnxruntime and the network.

    Raises:
        RunError: it is above the tolerance, or does not run.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), providers=["CPUExecutionProvider"]
        )
        (found,) = session.run([output], {"clips": clips.numpy()})
    except Exception as error:
        raise RunError(
            f"{path.name}: expected a model that onnxruntime runs: {first_line(error)[:300]}"
        ) from error
    with torch.no_grad():
        return _checked(found, model(clips).numpy(), what=path.name)


def _checked(found: np.ndarray, expected: np.ndarray, *, what: str) -> float:
    differ = float(np.abs(found - expected).max()) if found.size else np.inf
    largest = max(float(np.abs(expected).max()), 1.0)
    if found.shape != expected.shape or not differ <= TOLERANCE * largest:
        raise RunError(
            f"{what}: expected the outputs of PyTorch, up to {TOLERANCE:g} of the largest"
            f" ({largest:.3g}), got a difference of {differ:.2g}"
        )
    return differ
