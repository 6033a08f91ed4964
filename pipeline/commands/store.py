"""Commands that inspect a store: verify, status, info, preview."""

import json
from itertools import islice
from pathlib import Path

import click

from motion_shards.output_path import FileOrFolder, Output
from motion_shards.plain_text import counted, printable
from motion_shards.store_address import StoreAddress, cache_options

from .options import JSON

LINES_AT_ONCE = 256
"""Lines of a long list that are printed by one call."""


@click.command()
@click.argument("store", type=StoreAddress())
@click.option("--decode", is_flag=True, help="Also decode every stored row (slow).")
@click.option(
    "--mark",
    is_flag=True,
    help="Record the damage in the store, so that the next `pipeline extract` or "
    "`pipeline import` rebuilds the damaged shards.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the damage as JSON.")
def verify(store: Path | str, decode: bool, mark: bool, as_json: bool) -> None:
    """Check every file of a store against its hash.

    STORE is a folder, or an address (s3://..., https://...), of which every file is
    fetched whole. Nothing is written without --mark. Exit code 1: something is damaged.
    """
    from pipeline.inspection import status as upkeep

    damage = upkeep.verify(store, decode=decode, mark=mark)
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in damage]))
    else:
        for entry in damage:
            click.echo(printable(f"{entry.file}: {entry.reason}"))
        told = counted(len(damage), "damaged file") if damage else "no damaged files"
        click.echo(printable(f"{store}: {told}"))
        if damage and not mark:
            click.echo(
                "to repair: run this command with --mark, then the same "
                "`pipeline extract` or `pipeline import`"
            )
    raise SystemExit(1 if damage else 0)


@click.command()
@click.argument("store", type=StoreAddress())
@JSON
def status(store: Path | str, as_json: bool) -> None:
    """Show the progress of an extraction.

    It counts shards, and names videos that are left out, and the running process. STORE is a
    folder, or an address that `pipeline extract` writes: s3://bucket/folder.
    """
    from pipeline.inspection import status as upkeep

    state = upkeep.status(store)
    click.echo(json.dumps(state.to_dict()) if as_json else state.text())


@click.command()
@click.argument("store", type=StoreAddress())
@click.argument("video", required=False)
@cache_options
@click.option(
    "--videos",
    is_flag=True,
    help="List the videos, one per line: id, classes, splits, number of frames, frame "
    "rate, stored size in px, duration in seconds, share of intervals with known motion "
    "vectors, and state. Videos that are left out are listed by path, with the reason.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print as JSON; with --videos as JSON Lines, one object per video.",
)
def info(store: Path | str, video: str | None, videos: bool, as_json: bool) -> None:
    """Show the contents and settings of a store, or of one video.

    STORE is a folder, or an address: s3://..., https://..., any that fsspec knows. VIDEO is the id or the path of a video, or the end of it.
    """
    from pipeline.inspection import status as upkeep

    if not videos:
        facts = upkeep.info(store, video)
        click.echo(json.dumps(facts) if as_json else upkeep.lines(facts))
        return
    if video is not None:
        raise click.UsageError("expected VIDEO or --videos, got both")
    from pipeline.inspection import video_table
    from pipeline.store import Store

    lines = video_table.json_lines if as_json else video_table.table_lines
    listed = lines(Store(store))
    while block := list(islice(listed, LINES_AT_ONCE)):
        click.echo("\n".join(block))


@click.command()
@click.argument("store", type=StoreAddress())
@cache_options
@click.option(
    "--video",
    help="Id or path of the video, or the end of it. [default: the first video]",
)
@click.option(
    "--out",
    type=FileOrFolder(),
    help="File of the picture (PNG), or a folder for it. [default: named after the video, "
    "in the current folder]",
)
@click.option(
    "--interval",
    type=click.IntRange(0),
    help="Index k of the interval from frame k to k+1 to draw. [default: the one "
    "with most motion]",
)
@click.option(
    "--movie/--no-movie",
    default=True,
    show_default=True,
    help="Also write an MP4 of the video next to the picture.",
)
def preview(
    store: Path | str,
    video: str | None,
    out: Output | None,
    interval: int | None,
    movie: bool,
) -> None:
    """Draw RGB, flow and motion vectors of a video side by side.

    STORE is a folder, or an address: s3://..., https://..., any that fsspec knows.
    Colours show the direction of motion, as on the wheel in the picture.
    """
    from pipeline.inspection import preview as drawing
    from pipeline.inspection.status import full_id
    from pipeline.store import Store

    video_id = None if video is None else full_id(Store(store), video)
    drawn = drawing.preview(store, video_id, out=out, interval=interval, movie=movie)
    click.echo(drawn.text())
