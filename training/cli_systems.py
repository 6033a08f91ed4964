"""Commands that combine trained networks, carry out whole papers, and report."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from .options import (
    HELD_OUT,
    JSON,
    MACHINE,
    MIN_KNOWN_SHARE,
    OUT,
    RECIPE,
    SEED,
    SIZE,
    SPLIT,
    SPLITS,
    STORE,
    Choice,
    ExistingFile,
    ExistingFolder,
    Folder,
    Numbers,
    all_of,
    machine_of,
)
from .showing import show_run

SOME_FAILED = 3

_ONE = all_of(
    STORE, RECIPE, SIZE, SPLIT, HELD_OUT, MIN_KNOWN_SHARE, SEED, OUT, *MACHINE, JSON
)
"""A recipe on a store, once."""


@click.command()
@_ONE
def motion(out: Path | None, as_json: bool, **options: Any) -> None:
    """Train a network that finds motion in frames, without labels.

    With a recipe of kind `hidden` (hidden_temporal), go on end to end with a classifier.
    """
    _system("motion", out, as_json, options)


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1)
@click.option(
    "--how",
    type=Choice(["average", "search", "attention", "adaptive"]),
    default="average",
    show_default=True,
    help="Given weights; weights searched, learned or fitted on held-out videos.",
)
@click.option("--weights", type=Numbers(), help="Of the runs. Default: equal.")
@click.option(
    "--on",
    type=Choice(["softmax", "logits", "clipped"]),
    default="softmax",
    show_default=True,
)
@_ONE
def fuse(
    runs: tuple[Path, ...],
    how: str,
    weights: tuple[float, ...] | None,
    on: str,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Combine trained RUNS, or carry out a --recipe that fuses.

    A recipe's parts are trained first where they are not there. Weights are searched,
    learned and fitted on held-out videos, never on those of the training or the test.
    """
    if not runs:
        _system("fuse", out, as_json, options)
        return
    if options["recipe"]:
        raise click.UsageError("expected RUNS or --recipe, got both")
    from . import commands_systems  # here, because torch takes two seconds

    run = commands_systems.run_fuse(runs, how=how, weights=weights, on=on, out=out)
    show_run(run, as_json)


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1)
@_ONE
def collaborate(
    runs: tuple[Path, ...], out: Path | None, as_json: bool, **options: Any
) -> None:
    """Let two trained RUNS, spatial and temporal, attend to each other's snippets.

    Without RUNS, the recipe's parts are trained first where they are not there.
    Interrupted, the same command goes on. The snippets' features lie in the run's folder
    until it is complete: at paper size 0.8 MB for each video.
    """
    if len(runs) not in (0, 2):
        raise click.UsageError(f"expected two RUNS or none, got {len(runs)}")
    _system("collaborate", out, as_json, options, runs=runs)


@click.command()
@click.argument("paper")
@click.option(
    "--size",
    type=Choice(["small", "medium", "paper", "tiny"]),
    help="Default: small without a GPU.",
)
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--rows", help="Systems or tables, with commas between. Default: all.")
@STORE
@SPLITS
@click.option("--out", type=Folder, help="Of the report; runs lie beside it.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trainings side by side, one thread each.",
)
@click.option(
    "--controls/--no-controls",
    default=True,
    help="Also comparisons that no paper has: longer baselines, other forms.",
)
@click.option(
    "--bench",
    "benches",
    type=ExistingFile,
    multiple=True,
    help="Output of `pipeline bench flow`, `vectors` or `decode` with --json, for speeds; "
    "may be given several times.",
)
@all_of(*MACHINE)
@JSON
def reproduce(
    paper: str,
    size: str | None,
    seeds: int,
    rows: str | None,
    store: Path | None,
    split: str | None,
    out: Path | None,
    jobs: int,
    controls: bool,
    benches: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Run all rows of a PAPER's tables that the store allows, and write a report.

    PAPER is fts, mars, ds, dtmv, htsc or all. Parts that rows share are trained once
    per seed and split. Of several splits the tables give the mean. Interrupted, the same
    command goes on; done, it writes the report again. Exit code 3: some stages failed,
    and the report names them.
    """
    from . import commands_systems  # here, because torch takes two seconds

    told = commands_systems.run_reproduce(
        paper,
        size=size,
        seeds=range(seeds),
        rows=tuple(rows.split(",")) if rows else (),
        store=store,
        split=split,
        out=out,
        jobs=jobs,
        controls=controls,
        benches=benches,
        machine=machine_of(options),
        command=" ".join(["training", *sys.argv[1:]]),
    )
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(told["text"])
    if told["done"] < told["total"]:
        click.echo(
            f"{told['total'] - told['done']} stages failed: see `not run` there",
            err=True,
        )
        raise SystemExit(SOME_FAILED)


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1, required=True)
@click.option("--out", type=Folder, required=True, help="Folder for the report.")
def report(runs: tuple[Path, ...], out: Path) -> None:
    """Write a report of RUNS: tables, orderings, figures; HTML and markdown.

    RUNS are runs of the same data set and split, of any systems and seeds, or the
    folder of one reproduction.
    """
    from pipeline.store import printable

    from .report.files import report_of  # here, because numpy takes its time

    out.mkdir(parents=True, exist_ok=True)
    path = report_of(runs, out, say=lambda text: click.echo(printable(text), err=True))
    click.echo(f"{printable(path)}\n{printable(path.with_name('report.md'))}")


COMMANDS = (motion, fuse, collaborate, reproduce, report)


def _system(
    command: str,
    out: Path | None,
    as_json: bool,
    options: dict[str, Any],
    **more: Any,
) -> None:
    from . import commands_systems  # here, because torch takes two seconds

    run = commands_systems.run_system(
        command, machine=machine_of(options), out=out, **options, **more
    )
    show_run(run, as_json)
