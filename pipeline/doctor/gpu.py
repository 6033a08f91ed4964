"""GPUs of this machine -> checks. Standard library only, but for torch.

What a driver may never answer is asked in a process of its own.
"""

import importlib
from collections.abc import Iterator

from motion_shards.extras import is_there
from motion_shards.plain_text import counted
from pipeline.executors import gpu_trial, gpus
from pipeline.executors.gpus import Gpus
from pipeline.executors.limited import run_limited

from .machine import Check

SMI = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,driver_version",
    "--format=csv,noheader",
)
SMI_SECONDS = 20


def checks() -> Iterator[Check]:
    """The GPUs, and flow on them."""
    found = gpus.find_gpus()
    yield from gpu(found)
    yield from gpu_flow(found)


def gpu(found: Gpus) -> Iterator[Check]:
    """`nvidia-smi` says whether there is one; torch says whether it can be used.

    Args:
        found: by the driver; where it counts none, torch is not asked: it might hang.
    """
    try:
        answer = run_limited({"": SMI}, seconds=SMI_SECONDS)[""]
    except FileNotFoundError:
        seen_by_driver = f"{len(found.names)}, and no nvidia-smi to say which"
        none = "none; flow and training run on the CPU"
        yield Check("gpu", "ok", seen_by_driver if found.names else none)
        return
    if answer.exit_code is None:
        said = f"nvidia-smi does not respond within {SMI_SECONDS} s"
        remedy = "see dmesg; a hanging GPU often needs a reboot"
        yield Check("gpu", "problem", said, remedy)
        return
    seen = answer.output.strip().splitlines()
    if answer.exit_code or not seen:
        lines = (answer.output + answer.errors).strip().splitlines() or ["no GPU"]
        yield Check("gpu", "warning", f"nvidia-smi: {lines[0]}", "check the driver")
        return
    if found.trouble and not found.names:
        yield Check(
            "gpu", "problem", f"{'; '.join(seen)}; {found.trouble}", "see dmesg"
        )
        return
    if not is_there("torch"):
        yield Check("gpu", "ok", f"{'; '.join(seen)}; no PyTorch to train on it")
        return
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        yield Check("gpu", "problem", str(error), "pip install torch")
        return
    if torch.cuda.is_available():
        yield Check("gpu", "ok", f"{'; '.join(seen)}; torch {torch.__version__}")
    else:
        built = torch.version.cuda or "no CUDA"
        yield Check(
            "gpu",
            "problem",
            f"{'; '.join(seen)}; torch {torch.__version__} ({built}) cannot use it",
            "update the driver"
            if torch.version.cuda
            else "install a torch with CUDA: pip install --force-reinstall torch",
        )


def gpu_flow(found: Gpus) -> Iterator[Check]:
    """Whether `pipeline extract` can compute flow on each GPU: a small pair is."""
    remedy = "until this is fixed the CPU computes the flow, many times slower"
    if found.trouble:
        yield Check("gpu flow", "warning", found.trouble, remedy)
    if not found.names:
        return
    troubles = gpu_trial.troubles_with_flow(found.names, "default")
    if troubles:
        yield Check("gpu flow", "warning", gpu_trial.in_words(troubles), remedy)
    if good := len(found.names) - len(troubles):
        said = f"as on the CPU, by a pair of frames on {counted(good, 'GPU')}"
        if found.room:
            room = counted(found.room, "worker")
            said += f"; each has room for {room} ({found.why})"
        yield Check("gpu flow", "ok", said)
