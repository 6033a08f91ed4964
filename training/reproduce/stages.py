"""One stage of a plan -> its complete run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pipeline.store import Store

from ..recipes import get_recipe
from ..recipes.run import run_recipe
from ..runs.context import RunContext
from ..runs.machine import select_machine
from ..runs.progress import SilentReporter
from ..runs.record import Run
from .plan import Stage


def run_stage(stage: Stage, needed: Mapping[str, str], context: RunContext) -> str:
    """Run the recipe of a stage.

    Args:
        needed: role -> folder of a complete run.
        context: its split and seed are replaced by the stage's.

    Returns:
        Folder of the complete run.
    """
    context = replace(context, split=stage.split, seed=stage.seed)
    runs = {role: Run(Path(folder)) for role, folder in needed.items()}
    return str(run_recipe(get_recipe(stage.recipe), context, needed=runs).folder)


def run_stage_alone(
    stage: Stage,
    needed: Mapping[str, str],
    *,
    store: Path,
    machine: Mapping[str, Any],
    **options: Any,
) -> str:
    """Run the recipe of a stage in a process of its own, with one thread and silently.

    Args:
        machine: options of `select_machine`.
        options: further fields of `RunContext`.
    """
    torch.set_num_threads(1)
    context = RunContext(
        store=Store(store),
        split=stage.split,
        seed=stage.seed,
        machine=select_machine(**machine),
        reporter=SilentReporter(),
        **options,
    )
    return run_stage(stage, needed, context)
