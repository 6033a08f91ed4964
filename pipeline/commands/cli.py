"""The `pipeline` command: parses options, calls one function, prints its result."""

import json
from pathlib import Path

import click

from motion_shards import __version__
from motion_shards.console import Console

from .audit import audit
from .bench import bench
from .browse import browse
from .cluster import cluster, jobs, logs, stop, submit
from .exchange import export
from .extract import extract, plan
from .importing import import_
from .manage import copy, merge, relabel, remove, stores
from .one_file import flow, vectors
from .options import JSON, AnyPath
from .store import info, preview, status, verify


@click.group(cls=Console)
@click.version_option(__version__)
def main() -> None:
    """Turn videos into training-ready shards of RGB, optical flow and motion vectors."""


for command in (
    audit,
    bench,
    browse,
    cluster,
    copy,
    export,
    extract,
    flow,
    import_,
    info,
    jobs,
    logs,
    merge,
    plan,
    preview,
    relabel,
    remove,
    status,
    stop,
    stores,
    submit,
    vectors,
    verify,
):
    main.add_command(command)


@main.command()
@click.option(
    "--videos",
    type=AnyPath,
    help="Folder for the clips, empty or new. [default: $VIDEO_DATA/videos/demo]",
)
@click.option(
    "--size",
    type=click.Choice(("tour", "full")),
    help="Number of clips. tour: 432, in a minute or two; full: 648, for numbers to "
    "quote. [default: the folder's, else tour]",
)
@click.option(
    "--seed",
    type=int,
    help="Random seed of the clips. [default: the folder's, else 1]",
)
def demo(videos: Path | None, size: str | None, seed: int | None) -> None:
    """Draw the clips of the demo data set.

    `pipeline extract --dataset demo` reads the folder as it was drawn, and draws the
    tour if there is none.
    """
    from pipeline.adapters import report
    from pipeline.adapters.demo import dataset as drawing
    from pipeline.store import default_folders

    from .progress import steps

    folder = (videos or default_folders.videos_folder("demo")).absolute()
    with steps("draw the clips") as on_progress:
        drawn = drawing.load(folder, seed=seed, size=size, on_progress=on_progress)
    click.echo(report.text(drawn))


@main.command()
@JSON
def doctor(as_json: bool) -> None:
    """Check libraries, GPU, Ray, disks and file systems."""
    click.echo("checking libraries, GPU, Ray and disks ...", err=True)
    from pipeline.doctor.report import doctor as look

    report = look()
    click.echo(json.dumps(report.to_dict()) if as_json else report.text())
    raise SystemExit(0 if report.healthy else 1)


if __name__ == "__main__":
    main()
