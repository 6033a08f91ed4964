"""Commands that look at a store: is it whole, how far is it, what is in it."""

import json
from pathlib import Path

import click

from .options import AnyPath, ExistingFolder


@click.command()
@click.argument("store", type=ExistingFolder)
@click.option("--decode", is_flag=True, help="Also decode every row: slow.")
@click.option(
    "--mark",
    is_flag=True,
    help="Note what is damaged in the store, so that the next `pipeline extract` builds "
    "it again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the damage as JSON.")
def verify(store: Path, decode: bool, mark: bool, as_json: bool) -> None:
    """Check every file of a store against its commit and manifest.

    Nothing is written without --mark.
    """
    from pipeline import upkeep
    from pipeline.store import printable

    damage = upkeep.verify(store, decode=decode, mark=mark)
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in damage]))
    else:
        for entry in damage:
            click.echo(printable(f"{entry.file}: {entry.reason}"))
        click.echo(printable(f"{store}: {len(damage) or 'no'} damaged files"))
        if damage and not mark:
            click.echo("to repair: add --mark, then run the same `pipeline extract`")
    raise SystemExit(1 if damage else 0)


@click.command()
@click.argument("store", type=ExistingFolder)
@click.option("--json", "as_json", is_flag=True)
def status(store: Path, as_json: bool) -> None:
    """How far a store is: shards per modality, quarantined videos, who is writing."""
    from pipeline import upkeep

    state = upkeep.status(store)
    click.echo(json.dumps(state.to_dict()) if as_json else state.text())


@click.command()
@click.argument("store", type=ExistingFolder)
@click.argument("video", required=False)
@click.option("--json", "as_json", is_flag=True)
def info(store: Path, video: str | None, as_json: bool) -> None:
    """What a store holds, or all that is known of one of its videos."""
    from pipeline import upkeep

    facts = upkeep.info(store, video)
    click.echo(json.dumps(facts) if as_json else upkeep.lines(facts))


@click.command()
@click.argument("store", type=ExistingFolder)
@click.option("--video", help="Its id, or the end of it. [default: the first one]")
@click.option(
    "--out", type=AnyPath, help="The picture (PNG). [default: named after the video]"
)
@click.option(
    "--interval",
    type=click.IntRange(0),
    help="Which k -> k+1 to draw. [default: one with most motion]",
)
@click.option("--movie/--no-movie", default=True, show_default=True)
def preview(
    store: Path,
    video: str | None,
    out: Path | None,
    interval: int | None,
    movie: bool,
) -> None:
    """Draw RGB, flow and motion vectors of the same interval side by side.

    Directions are colours, as the legend says; the movie lies beside the picture.
    """
    from pipeline import preview as drawing
    from pipeline.store import Store
    from pipeline.upkeep import full_id

    video_id = None if video is None else full_id(Store(store), video)
    drawn = drawing.preview(store, video_id, out=out, interval=interval, movie=movie)
    click.echo(drawn.text())
