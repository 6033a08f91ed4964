"""Runtimes of a network: ONNX Runtime, or PyTorch."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from motion_shards.cores import worker_cores
from motion_shards.plain_text import first_line

from ..errors import CheckpointError, MachineError

if TYPE_CHECKING:
    from torch import nn


class Backend(Protocol):
    """A network that scores clips."""

    runtime: str
    """Name of the runtime and its version, for people."""

    def logits(self, clips: np.ndarray) -> np.ndarray:
        """(B, C, T, H, W) float32 -> (B, K) float64.

        Raises:
            CheckpointError: the network does not take such clips.
        """
        ...


class OnnxBackend:
    """A network in ONNX, run by ONNX Runtime on the CPU."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """
        Args:
            threads: of one inference; None: all cores.

        Raises:
            CheckpointError: the file is not a network of this kind.
            MachineError: ONNX Runtime is not installed.
        """
        runtime = onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or worker_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # fatal ones: errors are raised
        if not path.is_file():
            raise CheckpointError(f"{path}: expected a network in ONNX, got no file")
        try:
            self._session = runtime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise CheckpointError(
                f"{path}: expected a network in ONNX, got something else"
                f" ({first_line(error)[:200]})"
            ) from error
        self._path = path
        names = [each.name for each in self._session.get_inputs()]
        if names != ["clips"]:
            raise CheckpointError(f"{path}: expected one input, clips, got {names}")
        self.runtime = f"ONNX Runtime {runtime.__version__}"

    def logits(self, clips: np.ndarray) -> np.ndarray:
        try:
            found = self._session.run(None, {"clips": np.ascontiguousarray(clips)})
            return np.asarray(found[0], np.float64)
        except Exception as error:  # of its own kinds, that of a wrong shape among them
            raise CheckpointError(
                f"{self._path}: expected a network that takes clips {clips.shape}"
                f" ({first_line(error)[:200]})"
            ) from error


class TorchBackend:
    """A network of PyTorch."""

    def __init__(
        self, network: "nn.Module", *, device: str = "cpu", threads: int | None = None
    ) -> None:
        """
        Args:
            network: in evaluation mode.
            device: "cpu" or "cuda".
            threads: of one inference on a CPU, for the whole process; None: unchanged.
        """
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        self._torch, self._device = torch, torch.device(device)
        self._network = network.to(self._device)
        self.runtime = f"PyTorch {torch.__version__}"

    def logits(self, clips: np.ndarray) -> np.ndarray:
        inputs = self._torch.from_numpy(np.ascontiguousarray(clips))
        with self._torch.inference_mode():
            found = self._network(inputs.to(self._device))
        values: np.ndarray = found.double().cpu().numpy()
        return values


def onnxruntime() -> Any:
    """The module `onnxruntime`.

    Raises:
        MachineError: it is not installed.
    """
    try:
        import onnxruntime as module
    except ImportError as error:
        raise MachineError(
            "a model in ONNX needs ONNX Runtime: pip install onnxruntime"
        ) from error
    return module
