"""The work of `training motion`, `fuse`, `collaborate` and `reproduce`."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from motion_shards.plain_text import printable
from pipeline.store import Store, only_store, runs_folder

from ..errors import RecipeError
from ..experiments.fuse import FuseRecipe, fuse
from ..recipes import KINDS, SIZES, default_system
from ..recipes.change import mark
from ..recipes.changes import changed_settings
from ..recipes.run import fits_on_held_out, run_recipe
from ..reproduce.run import reproduce
from ..reproduce.throughput import benched
from ..run_files.reproduction import Reproduction
from ..runs.context import Job
from ..runs.machine import select_machine
from ..runs.progress import default_reporter
from ..runs.record import Run
from .contexts import (
    MEDIUM,
    changed_recipe,
    resolve_recipe,
    run_context,
    say_pictures,
    splits_of,
    usual_size,
)


def run_system(
    command: str,
    *,
    store: Path | str | None,
    split: str | None,
    recipe: str | None,
    size: str | None,
    seed: int,
    out: Path | None,
    machine: Mapping[str, Any],
    runs: Sequence[Path] = (),
    changes: Sequence[str] = (),
    **options: Any,
) -> Run:
    """`training motion`, `fuse` and `collaborate` by recipe, after all that it needs.

    Args:
        changes: [ROLE:]PATH=VALUE of settings.
        runs: complete ones of all that the recipe needs, in its order; none: find or
            train them.
        options: held_out and min_known_share.
    """
    progress, here = default_reporter(), select_machine(**machine)
    opened = Store(store or only_store())
    chosen = resolve_recipe(
        recipe,
        size,
        default=partial(default_system, command),
        machine=here,
        reporter=progress,
    )
    kind = KINDS[chosen.system.kind]
    if kind.command != command:
        raise RecipeError(
            f"expected a recipe for `training {command}`, but {chosen.name} is for"
            f" `training {kind.command}`: {chosen.system.line}"
        )
    chosen = changed_recipe(
        chosen.on(opened.dataset),
        changes,
        progress,
        given="RUNS that are given" if runs else "",
    )
    context = run_context(
        chosen,
        store=opened,
        split=split,
        seed=seed,
        out=out,
        machine=here,
        reporter=progress,
        fused_by_held_out=fits_on_held_out(chosen),
        **options,
    )
    needed = dict(zip(chosen.needs, map(Run, runs), strict=True)) if runs else None
    return run_recipe(chosen, context, needed=needed, out=out)


def run_fuse(
    runs: Sequence[Path],
    *,
    how: str,
    weights: tuple[float, ...] | None,
    on: str,
    out: Path | None,
    changes: Sequence[str] = (),
) -> Run:
    """`training fuse RUN RUN`."""
    usual = FuseRecipe(how=how, on=on, weights=weights)  # type: ignore[arg-type]
    settings, differ = changed_settings(usual, changes)
    streams = [Run(path) for path in runs]
    names = "+".join(run.config().recipe.name for run in streams)
    name = f"{names}-{settings.how}{mark(differ)}"
    job = Job(
        name=name,
        runs=out.parent if out else runs_folder(),
        out=out,
        base=name,
        changes=differ,
        machine=select_machine(device="cpu"),
        reporter=default_reporter(),
    )
    return fuse(settings, job, streams=streams)


def run_reproduce(
    paper: str,
    *,
    size: str | None,
    store: Path | str | None,
    split: str | None,
    out: Path | None,
    also: Sequence[Path] = (),
    benches: Sequence[Path],
    machine: Mapping[str, Any],
    **options: Any,
) -> tuple[Reproduction, str]:
    """`training reproduce`: its state, and lines for people."""
    progress = default_reporter()
    opened = Store(store or only_store())
    size = size or usual_size(select_machine(**machine), progress)
    larger = f"use --size medium ({MEDIUM}) or paper"
    say_pictures(opened, SIZES[size].clip3d, larger, progress)
    splits = splits_of(opened, split)
    names = "+".join(splits)
    changes = tuple(options["changes"])
    base = (
        f"{opened.folder.resolve().name}-reproduce-{paper}-{size}{mark(sorted(changes))}"
        f"-split{names}"
    )
    folder = out or runs_folder() / base
    state = reproduce(
        paper,
        size=size,
        store=opened,
        splits=splits,
        also=tuple(map(Store, also)),
        out=folder,
        machine=machine,
        reading=benched(benches),
        reporter=progress,
        **options,
    )
    lines = [f"{folder / 'report.html'}", f"{folder / 'report.md'}"]
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    for one in table["orderings"]:
        lines.append(f"{one['name']:<4} {one['claim']:<42} {one['verdict']}")
    return state, "\n".join(map(printable, lines))
