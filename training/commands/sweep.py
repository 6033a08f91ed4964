"""The command that trains a recipe with combinations of settings."""

import json
from pathlib import Path
from typing import Any

import click

from .options import (
    CODE,
    HELD_OUT,
    JOBS,
    JSON,
    MACHINE,
    MIN_KNOWN_SHARE,
    SEED,
    SIZE,
    SPLITS,
    STORE,
    all_of,
    machine_of,
)
from .parameter_types import Folder, RecipeName, Setting

SOME_FAILED = 3


@click.command()
@STORE
@click.option(
    "--recipe",
    type=RecipeName(),
    required=True,
    help="Name of a recipe, as `training recipes` lists them, or its file: FILE.toml, or"
    " FILE.py:NAME, which is run.",
)
@CODE
@SIZE
@click.option(
    "--set",
    "settings",
    type=Setting(),
    multiple=True,
    required=True,
    help="Setting with its values, as epochs=20,40; may be repeated: every combination is "
    "trained. Brackets hold a value with commas together: clip.crop_px=(112,112),(96,96).",
)
@SPLITS
@HELD_OUT
@MIN_KNOWN_SHARE
@SEED
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of runs of each combination, with consecutive seeds from --seed on.",
)
@JOBS
@click.option(
    "--ray",
    help="Ray cluster to train on, with a GPU for each run where it has some. auto: that "
    "of $RAY_ADDRESS or one that runs on this machine; local: start Ray on this machine; "
    "or an address.  [default: train in processes of this machine]",
)
@click.option(
    "--out", type=Folder, help="Folder of the runs.  [default: $VIDEO_DATA/runs]"
)
@all_of(*MACHINE)
@JSON
def sweep(
    store: Path | str | None,
    recipe: str,
    size: str | None,
    settings: tuple[str, ...],
    split: str | None,
    seed: int,
    seeds: int,
    jobs: int,
    ray: str | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a recipe with every combination of settings.

    In the table of results, the best combination on the held-out videos is first.
    Complete runs are reused: after an interruption, run the same command to resume. Exit
    code 3: some runs failed; the table names them.

    \b
    training sweep --recipe mv --set epochs=20,40 --set optim.learning_rate=1e-3,3e-3
    """
    from pipeline.store import Store, only_store, runs_folder

    from .. import sweep as swept  # here, because torch takes two seconds
    from ..recipes import at_size
    from ..run_files.json_dataclasses import to_json
    from ..runs.progress import default_reporter
    from .contexts import splits_of

    opened = Store(store or only_store())
    points = swept.sweep(
        at_size(recipe, size) if size else recipe,
        settings,
        store=opened,
        splits=splits_of(opened, split),
        seeds=range(seed, seed + seeds),
        jobs=jobs,
        ray=ray,
        machine=machine_of(options),
        reporter=default_reporter(),
        runs=(out or runs_folder()).resolve(),
        **options,
    )
    if as_json:
        by = swept.sorted_by(points)
        click.echo(json.dumps({"sorted_by": by, "points": list(map(to_json, points))}))
    else:
        click.echo(swept.sweep_text(points))
    if any(point.errors for point in points):
        raise SystemExit(SOME_FAILED)
