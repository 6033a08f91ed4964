"""One stage of a plan -> its complete run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pipeline.store import Location, Store

from ..models.user_files import imported
from ..recipes.change import Change
from ..recipes.run import run_recipe
from ..runs.context import RunContext
from ..runs.machine import select_machine
from ..runs.progress import SilentReporter
from ..runs.record import Run
from .plan import Stage, recipe_of_stage


def run_stage(
    stage: Stage,
    needed: Mapping[str, str],
    context: RunContext,
    changes: Sequence[Change] = (),
) -> str:
    """Run the recipe of a stage.

    Args:
        needed: role -> folder of a complete run.
        context: its split and seed are replaced by the stage's; its other stores are
            for recipes of joint systems alone.
        changes: of settings, for all recipes.

    Returns:
        Folder of the complete run.
    """
    recipe = recipe_of_stage(stage, changes, context.datasets)
    others = context.other_stores if recipe.system.joint else ()
    context = replace(context, split=stage.split, seed=stage.seed, other_stores=others)
    runs = {role: Run(Path(folder)) for role, folder in needed.items()}
    return str(run_recipe(recipe, context, needed=runs).folder)


def run_stage_alone(
    stage: Stage,
    needed: Mapping[str, str],
    *,
    store: Location,
    also: Sequence[Location] = (),
    machine: Mapping[str, Any],
    changes: Sequence[Change] = (),
    code: Sequence[Path] = (),
    **options: Any,
) -> str:
    """Run the recipe of a stage in a process of its own, with one thread and silently.

    Args:
        also: further stores, for recipes of joint systems.
        machine: options of `select_machine`.
        changes: of settings, for all recipes.
        code: files of the user's, named on the command line.
        options: further fields of `RunContext`.
    """
    torch.set_num_threads(1)
    for path in code:
        imported(path)
    context = RunContext(
        store=Store(store),
        split=stage.split,
        seed=stage.seed,
        machine=select_machine(**machine),
        reporter=SilentReporter(),
        other_stores=tuple(map(Store, also)),
        **options,
    )
    return run_stage(stage, needed, context, changes)
