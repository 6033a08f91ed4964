"""Time that the networks of a model take on this machine, for its card."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from motion_shards.cores import processor_name

from ..recognition.backends import Backend, OnnxBackend, TorchBackend
from ..recognition.contract import Stream

RUNS = 5


def network_speeds(
    folder: Path, streams: Sequence[Stream], models: Sequence[nn.Module]
) -> list[str]:
    """A line for each network: seconds for a clip on one core, batch 1.

    ONNX is measured where it was written, else PyTorch.

    Args:
        folder: with the files that the streams name.
    """
    threads = torch.get_num_threads()
    try:
        return [
            _line(stream, _backend(folder, stream, model))
            for stream, model in zip(streams, models, strict=True)
        ]
    finally:
        torch.set_num_threads(threads)


def _backend(folder: Path, stream: Stream, model: nn.Module) -> Backend:
    if stream.onnx is None:
        return TorchBackend(model, threads=1)
    return OnnxBackend(folder / stream.onnx, threads=1)


def _line(stream: Stream, backend: Backend) -> str:
    clip = np.zeros((1, *stream.input_shape), np.float32)
    backend.logits(clip)
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        backend.logits(clip)
        seconds.append(time.perf_counter() - began)
    each, entries = median(seconds), stream.input_shape[1]
    return (
        f"The network {stream.name} takes {1000 * each:.3g} ms for a clip of {entries}"
        f" entries, {entries / each:,.0f} per second: one core of {processor_name()},"
        f" {backend.runtime}, median of {RUNS} clips"
    )
