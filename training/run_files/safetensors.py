"""Files of safetensors -> tensors of torch. Nothing in them is executed."""

from pathlib import Path

import torch
from torch import Tensor

from .tensor_file import read_tensors

SUFFIX = ".safetensors"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU.

    Raises:
        CheckpointError: it is damaged or something else.
        RunError: it cannot be read.
    """
    found = {}
    for tensor in read_tensors(path):
        dtype = DTYPES[tensor.kind]
        values = torch.empty(0, dtype=dtype)
        if len(tensor.data):
            values = torch.frombuffer(tensor.data, dtype=dtype).clone()
        found[tensor.name] = values.reshape(tensor.shape)
    return found
