"""A trial of flow on GPUs: a small pair on each, compared with the CPU.

Each GPU has a process of its own, so that this one takes no memory there, and an end to
waiting where a device hangs.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from motion_shards.extras import CUDA
from motion_shards.processes import follow_parent

from .gpus import NO_COMPILER, VARIABLE, shown
from .limited import Ended, run_limited

if TYPE_CHECKING:
    from pipeline.flow.protocol import FlowSolver

TRIAL_SECONDS = 180.0
"""Limit for the trial of all GPUs: kernels may have to be compiled first."""
ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from motion_shards.packages import load_own_packages
load_own_packages()
from pipeline.executors.gpu_trial import main
main(sys.argv[2], int(sys.argv[3]))
"""


def troubles_with_flow(
    names: Sequence[str], profile: str, *, seconds: float = TRIAL_SECONDS
) -> dict[str, str]:
    """The reason for which flow cannot be computed on a GPU, for each on which it cannot.

    Args:
        names: of GPUs, for CUDA_VISIBLE_DEVICES.
        profile: of the flow.
    """
    if not CUDA.installed:
        return dict.fromkeys(names, NO_COMPILER)
    command = [sys.executable, "-P", "-c", PROGRAM, str(ROOT), profile]
    command.append(str(os.getpid()))
    ended = run_limited(
        dict.fromkeys(names, command),
        seconds=seconds,
        environments={name: {**os.environ, VARIABLE: name} for name in names},
    )
    troubles = {name: _trouble(ended[name], seconds) for name in names}
    return {name: trouble for name, trouble in troubles.items() if trouble}


def _trouble(ended: Ended, seconds: float) -> str:
    if ended.exit_code is None:
        return f"no answer in {seconds:g} s; a GPU that hangs often needs a reboot"
    if ended.exit_code < 0:
        return f"the process that tried it died (signal {-ended.exit_code})"
    try:
        return str(json.loads(ended.output.strip().splitlines()[-1]))
    except (IndexError, ValueError):
        said = ended.errors.strip().splitlines() or ["it said nothing"]
        return f"the process that tried it failed: {said[-1]}"


def main(profile: str, parent: int) -> None:
    """Try the first GPU that this process sees, and print the trouble as JSON.

    Args:
        parent: number of the process that waits for it.
    """
    follow_parent(parent)
    print(json.dumps(trouble(profile)), flush=True)
    os._exit(0)  # nothing else of a driver in trouble


def trouble(profile: str, *, make: "Callable[[str], FlowSolver] | None" = None) -> str:
    """The reason for which a solver cannot be made, or what is wrong with its flow.

    Args:
        make: another solver than that of the first GPU.
    """
    try:
        from pipeline.flow.agreement import disagreement
        from pipeline.flow.solver import gpu_solver

        return disagreement(make(profile) if make else gpu_solver(profile=profile))
    except Exception as error:  # noqa: BLE001 - drivers raise anything
        return " ".join(str(error).split()) or type(error).__name__


def in_words(troubles: Mapping[str, str]) -> str:
    """Troubles of GPUs in one line; one that several have is said once."""
    names: dict[str, list[str]] = {}
    for name, said in troubles.items():
        names.setdefault(said, []).append(shown(name))
    return "; ".join(f"{', '.join(of)}: {said}" for said, of in names.items())
