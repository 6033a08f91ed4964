"""Results of runs on the terminal."""

import json
from collections.abc import Sequence
from typing import Any

import click


def show_run(run: Any, as_json: bool) -> None:
    """The results of a run, by the first of its processes."""
    from ..engine.processes import from_environment
    from ..report.text import results_text
    from ..run_files.json_dataclasses import to_json

    results = run.results()
    if results is None or not from_environment().first:
        return
    if as_json:
        click.echo(json.dumps({"run": str(run.folder)} | to_json(results)))
    else:
        click.echo(results_text(results, title=f"{run.folder}: results"))


def show_runs(runs: Sequence[Any], as_json: bool) -> None:
    """The results of several splits and seeds, and their mean."""
    from ..engine.processes import from_environment
    from ..report.several import several_runs, several_text
    from ..run_files.json_dataclasses import to_json

    if len(runs) == 1:
        show_run(runs[0], as_json)
        return
    if not from_environment().first:
        return
    several = several_runs([run.folder for run in runs])
    click.echo(json.dumps(to_json(several)) if as_json else several_text(several))
