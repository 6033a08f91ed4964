"""Commands that combine trained networks, carry out whole papers, and report."""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from motion_shards.plain_text import printable
from motion_shards.store_address import StoreAddress

from .given_options import given_options
from .options import (
    CODE,
    HELD_OUT,
    JOBS,
    JSON,
    MACHINE,
    MIN_KNOWN_SHARE,
    OUT,
    RECIPE,
    SEED,
    SET,
    SIZE,
    SPLIT,
    SPLITS,
    STORE,
    Options,
    all_of,
    machine_of,
)
from .parameter_types import (
    Choice,
    ExistingFile,
    ExistingFolder,
    Folder,
    Numbers,
    Setting,
    TwoSystems,
)
from .results import show_run

SOME_FAILED = 3

_ONE = all_of(
    STORE,
    RECIPE,
    SIZE,
    SET,
    CODE,
    SPLIT,
    HELD_OUT,
    MIN_KNOWN_SHARE,
    SEED,
    OUT,
    *MACHINE,
    JSON,
)
"""A recipe on a store, once."""


@click.command()
@_ONE
def motion(out: Path | None, as_json: bool, **options: Any) -> None:
    """Train MotionNet, which learns flow without labels.

    It learns optical flow from frames. With the recipe hidden_temporal, also train it
    end to end with a classifier. Without --recipe, it is motionnet.
    """
    _system("motion", out, as_json, options)


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1)
@click.option(
    "--how",
    type=Choice(["average", "search", "attention", "adaptive"]),
    default="average",
    show_default=True,
    help="Method that finds the weights of the streams. average: as given by "
    "--weights; on held-out videos, search: by grid search, attention: by a "
    "small network, adaptive: per class.",
)
@click.option(
    "--weights", type=Numbers(), help="Weights of the runs.  [default: equal]"
)
@click.option(
    "--on",
    type=Choice(["softmax", "logits", "clipped"]),
    default="softmax",
    show_default=True,
    help="Scores to combine. clipped: positive logits divided by their sum.",
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
    """Combine the scores of trained RUNS, or of a recipe's parts.

    Missing parts of a recipe are trained first. Weights are searched, learned
    or fitted on held-out videos, never on training or test videos. Without RUNS and
    --recipe, the recipe is frame_dtmv.
    """
    if not runs:
        _system("fuse", out, as_json, options)
        return
    if options["recipe"]:
        raise click.UsageError("expected RUNS or --recipe, got both")
    _refuse_held_out(options)
    _refuse_unused(("runs", "how", "weights", "on", "changes", "out", "as_json"))
    from . import train_systems  # here, because torch takes two seconds

    run = train_systems.run_fuse(
        runs, how=how, weights=weights, on=on, out=out, changes=options["changes"]
    )
    show_run(run, as_json)


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1)
@_ONE
def collaborate(
    runs: tuple[Path, ...], out: Path | None, as_json: bool, **options: Any
) -> None:
    """Train collaborative layers on two RUNS, spatial and temporal.

    Without RUNS, missing parts of the recipe are trained first; without --recipe, too,
    the recipe is hts_cln. The features of all snippets take 0.8 MB per video at paper
    size in the run's folder while it trains.
    """
    if len(runs) not in (0, 2):
        raise click.UsageError(f"expected two RUNS or none, got {len(runs)}")
    if runs:
        _refuse_held_out(options)
    _system("collaborate", out, as_json, options, runs=runs)


@click.command()
@click.argument("paper")
@click.option(
    "--size",
    type=Choice(["small", "medium", "paper", "tiny"]),
    help="Size of the recipes, as in `training teach`; tiny: for tests.  [default: "
    "small without a GPU, else paper]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of seeds per row.",
)
@click.option(
    "--rows", help="Comma-separated systems or tables to train.  [default: all]"
)
@STORE
@click.option(
    "--also",
    type=StoreAddress(),
    multiple=True,
    help="Further store, for the rows that learn two data sets together, as DTMV's of"
    " HMDB51 with UCF101; may be repeated. It has the same splits.",
)
@SPLITS
@click.option(
    "--set",
    "changes",
    type=Setting(),
    multiple=True,
    help="Setting to change in every recipe that has it, as epochs=40, or in one,"
    " as dtmv:terms.soft.temperature=4; may be repeated. `training recipes NAME` lists"
    " the settings of one.",
)
@HELD_OUT
@MIN_KNOWN_SHARE
@click.option("--out", type=Folder, help="Folder of the report and its runs.")
@JOBS
@click.option(
    "--controls/--no-controls",
    default=True,
    help="Also train controls that the papers do not have, such as longer baselines.",
)
@click.option(
    "--bench",
    "benches",
    type=ExistingFile,
    multiple=True,
    help="File with the output of `pipeline bench flow`, `vectors` or `decode` "
    "with --json, for the speeds in the report; may be repeated.",
)
@CODE
@all_of(*MACHINE)
@JSON
def reproduce(
    paper: str,
    size: str | None,
    seeds: int,
    rows: str | None,
    store: Path | str | None,
    also: tuple[Path, ...],
    split: str | None,
    out: Path | None,
    jobs: int,
    controls: bool,
    benches: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Train all rows of a PAPER's tables and write a report.

    PAPER is fts, mars, ds, dtmv, htsc or all. Rows that the store does not allow are
    listed as not run. Parts that rows share are trained once per seed and split.
    After an interruption, run the same command to resume. Exit code 3: some rows
    failed, and the report names them.
    """
    from ..run_files.json_dataclasses import to_json
    from . import train_systems  # here, because torch takes two seconds

    state, text = train_systems.run_reproduce(
        paper,
        size=size,
        seeds=range(seeds),
        rows=tuple(rows.split(",")) if rows else (),
        store=store,
        also=also,
        split=split,
        out=out,
        jobs=jobs,
        controls=controls,
        benches=benches,
        machine=machine_of(options),
        **options,
        command=" ".join(["training", *sys.argv[1:]]),
    )
    if as_json:
        click.echo(json.dumps(to_json(state) | {"text": text}))
    else:
        click.echo(text)
    if failed := (state.total or 0) - (state.done or 0):
        click.echo(f"{failed} stages failed: see `not run` there", err=True)
        raise SystemExit(SOME_FAILED)


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1, required=True)
@click.option("--out", type=Folder, required=True, help="Folder for the report.")
@click.option(
    "--compare",
    type=TwoSystems(),
    multiple=True,
    help="Two systems of the report, as grid,dtmv, of which the paired difference is"
    " wanted, with its interval; may be repeated.",
)
def report(runs: tuple[Path, ...], out: Path, compare: tuple[str, ...]) -> None:
    """Write a report of RUNS as HTML and Markdown.

    It has tables, figures, and verdicts on the papers' orderings. RUNS are runs of one
    data set and split, of any systems and seeds, or the folder of one reproduction.
    """

    from ..report.files import report_of  # here, because numpy takes its time

    path = report_of(
        runs,
        out,
        compare=compare,
        say=lambda text: click.echo(printable(text), err=True),
    )
    click.echo(f"{printable(path)}\n{printable(path.with_name('report.md'))}")


COMMANDS = (motion, fuse, collaborate, reproduce, report)


def _refuse_held_out(options: Options) -> None:
    """Refuse --held-out with RUNS, whose own held-out videos are used."""
    if options["held_out"] is not None:
        raise click.UsageError(
            "expected no --held-out with RUNS, as videos that they held out are used"
        )


def _refuse_unused(used: Collection[str]) -> None:
    """Refuse options that were typed and that RUNS leave no use for."""
    context = click.get_current_context()
    for option in given_options(context, context.params.keys() - set(used)):
        raise click.UsageError(
            f"expected no {option} with RUNS: their scores are combined as they are"
        )


def _system(
    command: str,
    out: Path | None,
    as_json: bool,
    options: Options,
    **more: Any,
) -> None:
    from . import train_systems  # here, because torch takes two seconds

    run = train_systems.run_system(
        command, machine=machine_of(options), out=out, **options, **more
    )
    show_run(run, as_json)
