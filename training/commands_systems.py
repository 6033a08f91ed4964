"""What `training motion`, `fuse`, `collaborate` and `reproduce` do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.store import Store, only_store, printable, runs_folder

from .data.splits import chosen_split
from .engine.record import Run
from .errors import RecipeError
from .jobs.ahead import pictures_told
from .jobs.fuse import FuseRecipe, fuse
from .jobs.job import Job
from .jobs.machine import chosen_machine
from .progress import Watch, watch
from .recipes import COMMANDS, SIZES, at_size, default_system
from .recipes import recipe as recipe_named
from .recipes.sizes import Size
from .reproduce.run import reproduce
from .reproduce.speed import benched
from .reproduce.stages import Place, fitted_on_held_out, run_stage, with_needs
from .setting import splits_of, usual_size


def run_system(
    command: str,
    *,
    store: Path | None,
    split: str | None,
    recipe: str | None,
    size: str | None,
    held_out: float | None,
    min_known_share: float,
    seed: int,
    out: Path | None,
    machine: Mapping[str, Any],
    runs: Sequence[Path] = (),
) -> Run:
    """`training motion`, `fuse` and `collaborate` by recipe, after all that it needs."""
    looking, here = watch(), chosen_machine(**machine)
    opened = Store(store or only_store())
    if recipe is None:
        size = size or usual_size(here, looking)
        recipe = default_system(command, size)
    elif size:
        recipe = at_size(recipe, size)
    chosen = recipe_named(recipe)
    if COMMANDS[chosen.system.kind] != command:
        raise RecipeError(
            f"expected a recipe for `training {command}`, but {recipe} is for `training"
            f" {COMMANDS[chosen.system.kind]}`: {chosen.system.line}"
        )
    name = chosen_split(opened, split)
    folder = out.parent if out else runs_folder()
    place = Place(
        opened,
        name,
        folder,
        here,
        looking,
        held_out=held_out,
        min_known_share=min_known_share,
        fused_by_held_out=fitted_on_held_out(chosen),
    )
    looking.say(f"store {opened.folder}; split {name}; recipe {recipe}, seed {seed}")
    _say_pictures(opened, chosen.size, looking)
    if runs:
        needed = dict(zip(chosen.needs, map(Run, runs), strict=True))
        return run_stage(chosen, needed, place, seed=seed, out=out)
    return with_needs(chosen, place, seed=seed, out=out)


def _say_pictures(store: Store, size: Size, watch: Watch) -> None:
    told = pictures_told(store, size.clip3d)
    if told:
        watch.say(told)


def run_fuse(
    runs: Sequence[Path],
    *,
    how: str,
    weights: tuple[float, ...] | None,
    on: str,
    out: Path | None,
) -> Run:
    """`training fuse RUN RUN`."""
    settings = FuseRecipe(how=how, on=on, weights=weights)  # type: ignore[arg-type]
    streams = [Run(path) for path in runs]
    names = "+".join(run.decided()["recipe"]["name"] for run in streams)
    job = Job(
        name=f"{names}-{how}",
        runs=out.parent if out else runs_folder(),
        out=out,
        base=f"{names}-{how}",
        machine=chosen_machine(device="cpu"),
        watch=watch(),
    )
    return fuse(settings, job, streams=streams)


def run_reproduce(
    paper: str,
    *,
    size: str | None,
    store: Path | None,
    split: str | None,
    out: Path | None,
    benches: Sequence[Path],
    machine: Mapping[str, Any],
    **options: Any,
) -> dict[str, Any]:
    """`training reproduce`."""
    looking = watch()
    opened = Store(store or only_store())
    size = size or usual_size(chosen_machine(**machine), looking)
    _say_pictures(opened, SIZES[size], looking)
    splits = splits_of(opened, split)
    names = "+".join(splits)
    base = f"{opened.folder.resolve().name}-reproduce-{paper}-{size}-split{names}"
    folder = out or runs_folder() / base
    told = reproduce(
        paper,
        size=size,
        store=opened,
        splits=splits,
        out=folder,
        machine=machine,
        reading=benched(benches),
        watch=looking,
        **options,
    )
    lines = [f"{folder / 'report.html'}", f"{folder / 'report.md'}"]
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    for one in table["orderings"]:
        lines.append(f"{one['name']:<4} {one['claim']:<42} {one['verdict']}")
    return told | {"text": "\n".join(map(printable, lines))}
