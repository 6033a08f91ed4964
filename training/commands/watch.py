"""The command that shows the curves of trainings."""

import sys
import time
from pathlib import Path

import click

from motion_shards.finite import FiniteRange
from motion_shards.output_path import NewFile

from .parameter_types import ExistingFolder


@click.command()
@click.argument("runs", type=ExistingFolder, nargs=-1, required=True)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Name of a metric in metrics.jsonl; may be repeated.  [default: the losses and "
    "the held-out accuracy; with --html all]",
)
@click.option(
    "--html",
    "page",
    type=NewFile(".html", ".htm"),
    help="Write the curves to this file (.html), which needs nothing else, instead of the "
    "terminal.",
)
@click.option(
    "--every",
    type=FiniteRange(0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two updates on a terminal.",
)
@click.option("--once", is_flag=True, help="Print the curves so far, and end.")
def watch(
    runs: tuple[Path, ...],
    metrics: tuple[str, ...],
    page: Path | None,
    every: float,
    once: bool,
) -> None:
    """Show the curves of RUNS, side by side, while they train.

    On a terminal the curves are drawn again and again, until all runs are complete or
    Ctrl-C is pressed; otherwise they are printed once.
    """
    from ..report.watch import all_complete, watch_text, write_watch_page

    if page:
        write_watch_page(runs, page, metrics)
        click.echo(str(page))
        return
    if once or not sys.stdout.isatty():
        click.echo(watch_text(runs, metrics))
        return
    from rich.console import Console  # here, because printing once needs none
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)

    def drawn() -> Text:
        return Text(watch_text(runs, metrics, width=console.width - 1))

    first = drawn()
    try:
        with Live(first, console=console, auto_refresh=False) as live:
            while not all_complete(runs):
                time.sleep(every)
                live.update(drawn(), refresh=True)
    except KeyboardInterrupt:  # how one stops looking
        return
