"""The command that lists runs."""

import json
from pathlib import Path

import click

from .options import JSON
from .parameter_types import ExistingFolder


@click.command()
@click.argument("folder", type=ExistingFolder, required=False)
@click.option(
    "--verify",
    is_flag=True,
    help="Also check the hashes of all weights and scores (slow).",
)
@JSON
def runs(folder: Path | None, verify: bool, as_json: bool) -> None:
    """List runs with their state, accuracy and training time.

    Lists the runs in FOLDER and its subfolders (default: $VIDEO_DATA/runs): recipe,
    store, split, seed, test accuracy with its 95 % interval over groups of videos,
    training time, and state: complete, running, interrupted or damaged. Exit code 3: some are damaged.
    """
    from pipeline.store import runs_folder  # here, because numpy takes its time

    from ..report.runs_table import DAMAGED, runs_below, table

    folder = folder or runs_folder()
    found = runs_below(folder, verify=verify)
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in found]))
    else:
        click.echo(table(found, folder))
    if any(one.state == DAMAGED for one in found):
        raise click.exceptions.Exit(3)
