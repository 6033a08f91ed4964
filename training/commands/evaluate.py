"""The command `training evaluate`."""

import json
from pathlib import Path

import click

from motion_shards.store_address import StoreAddress, cache_options

from .options import CODE, DEVICE, JSON, WORKERS
from .parameter_types import Choice, ExistingFolder


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1, required=True)
@click.option(
    "--store",
    type=StoreAddress(),
    help="Store with the test videos. A store other than the training store must "
    "have the run's modality and no further classes; the run's own results "
    "are not overwritten.  [default: the training store]",
)
@cache_options
@click.option(
    "--split",
    help="Comma-separated split names, or all: also evaluate the runs of the same "
    "recipe on these splits, and print the mean.",
)
@click.option(
    "--part",
    type=Choice(["test", "held-out"]),
    default="test",
    show_default=True,
    help="Part of the split to evaluate on.",
)
@click.option(
    "--crops",
    type=Choice(["1", "3", "10"]),
    help="Number of crops per clip whose scores are averaged.  [default: the recipe's]",
)
@CODE
@DEVICE
@WORKERS
@JSON
def evaluate(
    runs: tuple[Path, ...],
    store: Path | str | None,
    split: str | None,
    part: str,
    crops: str | None,
    device: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Evaluate trained RUNS on test videos or another store."""
    from ..report.several import several_runs, several_text
    from ..report.text import evaluation_text
    from ..run_files.json_dataclasses import to_json
    from ..runs import progress  # here, because torch takes two seconds
    from ..runs.machine import select_machine
    from . import train as commands

    machine = select_machine(device=device, workers=workers, precision="float32")
    chosen = commands.runs_of_splits(runs, split)
    told = [
        commands.run_evaluate(
            run,
            store=store,
            part=part.replace("-", "_"),
            crops=commands.crops_of(crops),
            machine=machine,
            reporter=progress.default_reporter(),
        )
        for run in chosen
    ]
    own = part == "test" and all(one.store is None for one in told)
    together = several_runs(chosen) if len(chosen) > 1 and own else None
    if as_json:
        alone = told[0] if len(told) == 1 else told
        click.echo(json.dumps(to_json(together or alone)))
        return
    for run, one in zip(chosen, told, strict=True):
        click.echo(evaluation_text(one, title=str(run)))
    if together:
        click.echo(several_text(together))
