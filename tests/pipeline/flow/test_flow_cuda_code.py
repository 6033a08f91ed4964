"""Kernels become machine code without a GPU, and once per machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.flow.cuda import control
from pipeline.flow.cuda.compiling import linked, machine_code, ptx
from pipeline.flow.cuda.iterate import iterate_kernel
from pipeline.flow.cuda.kernel import Kernel
from pipeline.flow.cuda.schedule import kernels_of
from pipeline.flow.cuda.tiles import LARGE, SMALL, TALL

ITERATE = iterate_kernel(LARGE, stopping=False)
REGISTERS = 65536
"""Of a multiprocessor, and so of a block at most."""


def resources(kernel: Kernel, capability: tuple[int, int]) -> str:
    """What the assembler says of a kernel."""
    text = ptx(kernel, capability)
    assert f".entry {kernel.name}(" in text
    if kernel.fast:
        assert ".f64" not in text
    code, log = linked(text.encode(), capability)
    assert code.startswith(b"\x7fELF")
    return log


def check(kernel: Kernel, log: str) -> None:
    """All values in registers, and a block fits."""
    assert "0 bytes spill stores, 0 bytes spill loads" in log
    used = int(re.search(r"Used (\d+) registers", log)[1])
    assert used * kernel.threads <= REGISTERS


@pytest.mark.slow
@pytest.mark.parametrize("capability", [(8, 0), (12, 0)])
def test_iterations_stay_in_registers(capability):
    check(ITERATE, resources(ITERATE, capability))


@pytest.mark.slow
def test_all_kernels_compile_for_hopper():
    for kernel in kernels_of(iterate_kernel(LARGE, stopping=True)):
        check(kernel, resources(kernel, (9, 0)))


@pytest.mark.slow
def test_small_tiles_fit_turing():
    kernel = iterate_kernel(TALL, stopping=False)
    assert kernel.shared_bytes <= 64 << 10
    assert iterate_kernel(SMALL, stopping=True).shared_bytes < 48 << 10
    check(kernel, resources(kernel, (7, 5)))


@pytest.mark.slow
def test_for_a_device_newer_than_the_compiler_the_driver_gets_ptx():
    text = machine_code(control.restart, (99, 0))
    assert re.search(rb"\.target sm_\d+\n", text)
    assert text.endswith(b"\0")


COMPILE = """
import sys
from pipeline.flow.cuda import compiling, cached
from pipeline.flow.cuda.control import restart
compiled = []
once = compiling.machine_code
cached.machine_code = lambda *it: compiled.append(it) or once(*it)
code = cached.cached_code([restart], (9, 0))
print(len(compiled), len(code["restart"]))
"""


@pytest.mark.slow
def test_of_two_processes_that_start_at_once_one_compiles(tmp_path: Path):
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMPILE],
            env=environment | {"XDG_CACHE_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    answers = sorted(it.communicate(timeout=300)[0].split() for it in processes)
    assert [it[0] for it in answers] == ["0", "1"]
    assert answers[0][1] == answers[1][1] > "1000"
    (kept,) = tmp_path.glob("motion-shards/gpu-kernels-*-sm_90/restart-*")
    assert kept.read_bytes().startswith(b"\x7fELF")
