"""The first stage: the GPU, its driver and modes, the machine, the versions of libraries."""

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata

from motion_shards.cores import processor_name, usable_cores
from motion_shards.extras import CUDA
from motion_shards.plain_text import printable, size_text
from pipeline.flow.errors import FlowError

from .rows import Device, Fact, Row
from .settings import Settings

SMI_FIELDS = {
    "driver_version": "driver",
    "compute_mode": "compute mode",
    "mig.mode.current": "MIG",
    "persistence_mode": "persistence mode",
    "ecc.mode.current": "ECC",
    "clocks.max.sm": "highest clock",
    "clocks.sm": "clock now",
    "power.limit": "power limit",
    "temperature.gpu": "temperature, °C",
    "pcie.link.gen.current": "PCIe generation now",
    "pcie.link.width.current": "PCIe lanes",
}
"""Fields of `nvidia-smi --query-gpu`, and their names here."""
SMI_SECONDS = 8.0

PACKAGES = (
    "motion-shards",
    "numpy",
    "numba",
    "numba-cuda",
    "cuda-bindings",
    "nvidia-nvvm",
    "nvidia-nvjitlink",
    "torch",
    "torchvision",
    "av",
    "opencv-contrib-python",
)

MPS_PIPES = "CUDA_MPS_PIPE_DIRECTORY"
MPS_FOLDER = "/tmp/nvidia-mps"

USED_BYTES = 1 << 30
"""Memory in use by others from which on it is worth a word."""


def facts(settings: Settings) -> Iterator[Row]:
    """The device comes last: where it cannot be used, what explains it is there already.

    Raises:
        FlowError: no GPU that can be used.
    """
    yield Fact(name="processor", value=processor_name())
    yield Fact(name="cores", value=f"{usable_cores():g} usable")
    yield Fact(name="python", value=platform.python_version())
    for package in PACKAGES:
        yield Fact(name=package, value=_version(package))
    yield from _from_smi()
    yield _mps()
    yield from _from_driver()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _from_smi() -> Iterator[Fact]:
    """Modes and clocks, by the driver's own program: its interface does not give all."""
    command = ["nvidia-smi", f"--query-gpu={','.join(SMI_FIELDS)}"]
    command += ["--format=csv,noheader", "--id=0"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if visible:
        command[-1] = f"--id={visible}"
    try:
        answer = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=SMI_SECONDS
        )
    except OSError as error:
        yield Fact(name="nvidia-smi", value=error.strerror or "cannot be run")
        return
    except subprocess.TimeoutExpired:
        said = f"no answer in {SMI_SECONDS:.0f} s"
        yield Fact(name="nvidia-smi", value=said, concern="the GPU may hang: see dmesg")
        return
    line = (answer.stdout.strip().splitlines() or [""])[0]
    values = [value.strip() for value in line.split(",")]
    if answer.returncode or len(values) != len(SMI_FIELDS):
        said = printable((answer.stdout + answer.stderr).strip()[:200])
        yield Fact(name="nvidia-smi", value=said or "no answer")
        return
    for (name, label), value in zip(SMI_FIELDS.items(), values, strict=True):
        value = printable(value)
        yield Fact(name=label, value=value, concern=concern_about(name, value))


def concern_about(field: str, value: str) -> str:
    """The consequence of a mode of the GPU for what is measured; empty if none."""
    match field, value:
        case "mig.mode.current", "Enabled":
            return "speeds are those of a slice of the GPU"
        case "compute_mode", "Exclusive_Process":
            return "one process at a time: several workers cannot share the GPU"
        case "compute_mode", "Prohibited":
            return "no process may use the GPU: nvidia-smi -c DEFAULT"
        case "persistence_mode", "Disabled":
            return "the first process after a pause waits seconds for the driver"
    return ""


def _mps() -> Fact:
    folder = os.environ.get(MPS_PIPES, MPS_FOLDER)
    if os.path.exists(os.path.join(folder, "control")):
        concern = "processes share one context: an error of one can end all"
        return Fact(name="MPS", value="running", concern=concern)
    return Fact(name="MPS", value="not running")


def _from_driver() -> Iterator[Row]:
    """CUDA version of the driver, and the device once a context could be made on it."""
    if not CUDA.installed:
        raise FlowError(CUDA.needed_by("pipeline bench gpu"))
    from pipeline.flow.cuda import calls
    from pipeline.flow.cuda.driver import Gpu

    version = calls.call(calls.driver(), "cuDriverGetVersion")
    yield Fact(
        name="CUDA of the driver", value=f"{version // 1000}.{version % 1000 // 10}"
    )
    gpu = Gpu()
    try:
        free = gpu.free_bytes()
        device = Device(
            name=printable(gpu.name),
            capability=".".join(map(str, gpu.capability)),
            multiprocessors=gpu.multiprocessors,
            memory_bytes=gpu.total_bytes(),
            free_bytes=free,
        )
        used = device.memory_bytes - free
        yield device
    finally:
        gpu.close()
    if used > USED_BYTES:
        yield Fact(
            name="memory in use",
            value=size_text(used),
            concern="another process uses the GPU: speeds may be too low",
        )
