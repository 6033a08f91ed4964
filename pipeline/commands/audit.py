"""`pipeline audit`: traces of encoders in the files of a data set, or in a store."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from motion_shards.store_address import StoreAddress, cache_options

from .options import JSON, dataset_options


@click.command()
@partial(dataset_options, required=False)
@click.option(
    "--store",
    type=StoreAddress(),
    help="Folder or address of a store to measure, in place of the files of a data set.",
)
@cache_options
@click.option(
    "--sample",
    type=click.IntRange(1),
    help="Approximate number of videos to inspect, spread over classes and groups. "
    "[default: all]",
)
@JSON
@click.pass_context
def audit(
    context: click.Context,
    store: Path | str | None,
    sample: int | None,
    as_json: bool,
    **which: Any,
) -> None:
    """Measure whether the encoding of the videos predicts their class.

    With --dataset: show how the files are encoded, class by class. If that predicts the
    class, a student of original motion vectors can learn the encoder instead of the
    action.

    With --store: measure how well codec facts and statistics of the stored motion
    vectors predict the class, against chance and against the same statistics of flow,
    and how well the vectors predict the codec of the source. Videos of one group are
    never learned from and tested on at once.
    """
    given = [
        f"--{name.replace('_', '-')}" if name != "called" else "--name"
        for name in which
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    if store is not None and given:
        raise click.UsageError(f"expected --store alone, got {' '.join(given)} as well")
    if store is None and which["dataset"] is None:
        raise click.UsageError("expected --dataset or --store, got neither")
    from .progress import steps

    with steps("audit") as on_progress:
        result = (
            _of_store(store, sample, on_progress)
            if store is not None
            else _of_files(which, sample, on_progress)
        )
    click.echo(json.dumps(result.to_dict()) if as_json else result.text())


def _of_store(store: Path | str, sample: int | None, on_progress: Any) -> Any:
    click.echo("reading the index of the store ...", err=True)
    from pipeline.inspection.store_audit import audit_store

    return audit_store(store, sample=sample, on_progress=on_progress)


def _of_files(which: dict[str, Any], sample: int | None, on_progress: Any) -> Any:
    click.echo("reading the list of videos ...", err=True)
    from pipeline.adapters import load
    from pipeline.inspection import audit as auditing

    found = load(which.pop("dataset"), **which)
    return auditing.audit(found, sample=sample, on_progress=on_progress)
