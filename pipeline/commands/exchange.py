"""Commands that exchange data with other programs: export."""

import json
from pathlib import Path

import click

from motion_shards.choices import MODALITIES
from motion_shards.cores import worker_cores
from motion_shards.finite import FiniteRange
from motion_shards.store_address import StoreAddress, cache_options

from .options import JOBS, SUMMARY_JSON, AnyPath, CommaList, ExistingFile

MEGABYTE = 1_000_000
ONLY: dict[str, tuple[str, ...]] = {
    "layout": ("frames",),
    "bound": ("frames", "webdataset"),
    "quality": ("frames", "webdataset"),
    "clip_frames": ("webdataset",),
    "shard_mb": ("webdataset",),
}
"""Option -> formats that it is for."""


@click.command()
@click.argument("store", type=StoreAddress())
@cache_options
@click.option(
    "--to",
    type=click.Choice(("frames", "webdataset", "mp4", "npz")),
    required=True,
    help="Format. frames: a folder of JPEG files per video, and lists; webdataset: tar "
    "shards; mp4: movies to look at; npz: the arrays of Store.read.",
)
@click.option(
    "--out",
    type=AnyPath,
    required=True,
    help="Folder to write: new, empty, or one that the same command began.",
)
@click.option(
    "--modalities",
    type=CommaList(MODALITIES),
    help="Comma-separated modalities. [default: those of the store that the format holds]",
)
@click.option(
    "--videos",
    type=ExistingFile,
    help="Text file with the id or path of a video, or the end of one, on each line. "
    "[default: all]",
)
@click.option(
    "--classes",
    multiple=True,
    metavar="CLASS,...",
    help="Comma-separated classes whose videos to export; may be repeated. Labels count "
    "from 0 over these. [default: all]",
)
@click.option(
    "--layout",
    type=click.Choice(("denseflow", "mars")),
    default="denseflow",
    show_default=True,
    help="Names of frames. denseflow: img_00001.jpg, flow_x_00001.jpg, flow_y_00001.jpg, "
    "also those of TSN and mmaction2; mars: 00001.jpg, TVL1jpg_x_00001.jpg.",
)
@click.option(
    "--bound",
    type=FiniteRange(0, 1000, min_open=True),
    default=20.0,
    show_default=True,
    help="Flow in px that becomes level 0 or 255; larger values are clipped.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="Quality of JPEGs that are encoded; stored JPEGs of frames are written unchanged.",
)
@click.option(
    "--clip-frames",
    type=click.IntRange(2),
    help="Frames of a sample. [default: the whole video]",
)
@click.option(
    "--shard-mb",
    type=FiniteRange(0, min_open=True),
    default=1000.0,
    show_default=True,
    help="Size of a tar shard in MB, at most; a larger sample has a shard of its own.",
)
@JOBS
@SUMMARY_JSON
@click.pass_context
def export(
    ctx: click.Context,
    store: Path | str,
    to: str,
    out: Path,
    modalities: tuple[str, ...] | None,
    videos: Path | None,
    classes: tuple[str, ...],
    layout: str,
    bound: float,
    quality: int,
    clip_frames: int | None,
    shard_mb: float,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Write the videos of a store as other programs read them.

    STORE is a folder, or an address: s3://..., https://..., any that fsspec knows.
    An interrupted export resumes by the same command. Exit codes: 0 all videos written,
    3 some left out, as their rows are damaged, 1 failed.
    """
    for name, formats in ONLY.items():
        source = ctx.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE and to not in formats:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for --to {' or '.join(formats)}")
    from pipeline.exchange.exporting import export as write
    from pipeline.exchange.settings import FORMATS, Format
    from pipeline.store import Store

    from .progress import resumable, steps

    held = [name for name in Store(store).modalities if name in FORMATS[to]]
    form = Format(
        to=to,
        modalities=modalities or tuple(held),
        layout=layout,
        bound_px=bound,
        quality=quality,
        clip_frames=clip_frames,
        shard_bytes=round(shard_mb * MEGABYTE),
    )
    with resumable(), steps("export") as on_progress:
        done = write(
            store,
            out,
            form,
            classes=classes,
            videos=videos,
            jobs=jobs or worker_cores(),
            on_progress=on_progress,
        )
    click.echo(json.dumps(done.to_dict()) if as_json else done.text())
    raise SystemExit(done.exit_code)
