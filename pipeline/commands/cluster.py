"""Commands that speak to a cluster: submit, jobs, logs, stop, cluster check."""

import json
import os
from pathlib import Path
from typing import Any

import click

from motion_shards.console import Commands
from motion_shards.finite import FiniteRange
from motion_shards.plain_text import counted, printable, printable_lines

from .options import JSON, ExistingFile

_address = click.option(
    "--address",
    metavar="URL",
    help="Address of the cluster's dashboard, http://HEAD:8265. [default: "
    "$RAY_API_SERVER_ADDRESS, else a cluster on this machine]",
)
_DETACHED = 130


@click.command(context_settings={"allow_interspersed_args": False})
@_address
@click.option(
    "--no-wait", is_flag=True, help="Print the id of the job and exit without waiting."
)
@click.option(
    "--gpus",
    type=FiniteRange(0),
    default=0.0,
    help="Number of GPUs on one machine to reserve for a training; not needed for "
    "`pipeline extract`, whose tasks reserve their own.",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Environment variable for the job; without a value, the one of this shell "
    "is passed on. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def submit(
    address: str | None,
    no_wait: bool,
    gpus: float,
    variables: tuple[str, ...],
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run a command as a job on a cluster and follow its output.

    \b
    pipeline submit -- pipeline extract --dataset ucf101 --out /lab/stores/ucf101
    pipeline submit --gpus 1 -- training distill --store /lab/stores/ucf101 ...

    Relative paths and $VIDEO_DATA are made absolute: the job runs on another machine,
    which must have them under the same names. Nothing is uploaded.

    The exit code is that of the command. Ctrl-C stops following; the job continues.
    """
    from pipeline.cluster.command import elsewhere
    from pipeline.store import data_folder

    words = elsewhere(command, folder=Path.cwd())
    environment = {"VIDEO_DATA": str(data_folder().absolute())}
    environment |= dict(map(_variable, variables))
    if words[-len(command) :] != list(command):
        seen = f"with paths made absolute: {' '.join(words)}"
        click.echo(printable(seen), err=True)
    from pipeline.cluster.jobs import JobServer  # here, because ray is slow to import

    server = JobServer(address)
    name = server.submit(words, environment=environment, gpus=gpus)
    if no_wait:
        click.echo(json.dumps(server.job(name).to_dict()) if as_json else name)
        return
    click.echo(printable(f"submitted as {name} to {server.address}"), err=True)
    _follow(server, name, as_json=as_json)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or (not equals and name not in os.environ):
        raise click.UsageError(
            f"--env: expected NAME=VALUE or a variable that is set, got {text!r}"
        )
    return name, value if equals else os.environ[name]


def _follow(server: Any, name: str, *, as_json: bool) -> None:
    """Pass on what the job prints, and end as it ends."""
    kept = ""

    def write(text: str) -> None:
        nonlocal kept
        whole, end, kept = (kept + text).rpartition("\n")  # no code is cut in two
        click.echo(printable_lines(whole + end), nl=False, err=as_json)

    try:
        job = server.follow(
            name, write=write, say=lambda line: click.echo(printable(line), err=True)
        )
    except KeyboardInterrupt:
        left = (
            f"stopped following {name}, which continues; to follow it again: "
            f"pipeline logs {name} --follow; to stop it: pipeline stop {name}"
        )
        click.echo(f"\n{printable(left)}", err=True)
        raise SystemExit(_DETACHED) from None
    click.echo(printable_lines(kept), nl=False, err=as_json)
    if as_json:
        click.echo(json.dumps(job.to_dict()))
    elif job.exit_code:
        why = f": {job.message}" if job.message else ""
        click.echo(printable(f"{name}: {job.status.lower()}{why}"), err=True)
    raise SystemExit(job.exit_code)


@click.command()
@_address
@JSON
def jobs(address: str | None, as_json: bool) -> None:
    """List the jobs of a cluster, newest last."""
    from pipeline.cluster.jobs import JobServer

    server = JobServer(address)
    found = server.jobs()
    if as_json:
        click.echo(json.dumps([job.to_dict() for job in found]))
        return
    for job in found:
        click.echo(job.text())
    if not found:
        click.echo(f"no jobs at {server.address}", err=True)


@click.command()
@click.argument("job")
@_address
@click.option(
    "--follow",
    is_flag=True,
    help="Print new output until the job ends, and exit with its exit code.",
)
def logs(job: str, address: str | None, follow: bool) -> None:
    """Show the output of a job. JOB is its id, or an unambiguous part of it."""
    from pipeline.cluster.jobs import JobServer

    server = JobServer(address)
    name = server.job(job).id
    if follow:
        _follow(server, name, as_json=False)
    click.echo(printable_lines(server.log(name)), nl=False)


@click.command()
@click.argument("job")
@_address
@JSON
def stop(job: str, address: str | None, as_json: bool) -> None:
    """Stop a job. Submitting the same command again resumes it."""
    from pipeline.cluster.jobs import JobServer

    server = JobServer(address)
    before = server.job(job)
    after = before if before.over else server.stop(before.id)
    if as_json:
        click.echo(json.dumps(after.to_dict()))
    else:
        was = "already finished: " if before.over else ""
        click.echo(printable(f"{after.id}: {was}{after.status.lower()}"))


@click.group(cls=Commands)
def cluster() -> None:
    """Check a cluster.yaml."""


@cluster.command()
@click.argument("file", type=ExistingFile)
@JSON
def check(file: Path, as_json: bool) -> None:
    """Check a cluster.yaml before `ray up`, without network access.

    Runs Ray's own validator and further checks. Exit code 1: there are errors.
    """
    from pipeline.cluster.config import findings

    found = findings(file)
    errors = sum(finding.level == "error" for finding in found)
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in found]))
    else:
        for finding in found:
            click.echo(printable(f"{finding.level}: {finding.text}"))
        warnings = counted(len(found) - errors, "warning")
        counts = f"{counted(errors, 'error')}, {warnings}"
        click.echo(f"{printable(file)}: {counts}")
    raise SystemExit(1 if errors else 0)
