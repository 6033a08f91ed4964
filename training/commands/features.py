"""The command that writes features of clips to a file."""

import json
from pathlib import Path

import click

from motion_shards.output_path import NewFile
from motion_shards.plain_text import printable
from motion_shards.store_address import StoreAddress, cache_options

from .options import CODE, DEVICE, JSON, WORKERS
from .parameter_types import Choice, ExistingFolder


@click.command()
@click.argument("run", type=ExistingFolder)
@click.option(
    "--store",
    type=StoreAddress(),
    help="Store with the videos.  [default: the training store]",
)
@cache_options
@click.option(
    "--out",
    type=NewFile(),
    required=True,
    help="File to write: HDF5 (.h5, .hdf5) or .npz.",
)
@click.option(
    "--part",
    type=Choice(["train", "test", "all"]),
    default="all",
    show_default=True,
    help="Part of the split. train: with its held-out videos; all: every video of the "
    "store.",
)
@click.option("--split", help="Name of the split.  [default: that of the run]")
@click.option(
    "--tap",
    help="Submodule of the network whose output is averaged over space and time.  "
    "[default: the last before the classifier]",
)
@click.option(
    "--clip-length",
    type=click.IntRange(1),
    help="Number of frames (rgb) or intervals (flow, mv) of a clip.  [default: that of "
    "the run]",
)
@click.option(
    "--stride",
    "hop",
    type=click.IntRange(1),
    help="Number of frames between the starts of two clips.  [default: the length of a "
    "clip, so that clips follow without overlap]",
)
@click.option(
    "--crops",
    type=Choice(["1", "3", "10"]),
    default="1",
    show_default=True,
    help="Number of crops per clip whose features are averaged.",
)
@CODE
@DEVICE
@WORKERS
@JSON
def features(
    run: Path,
    store: Path | str | None,
    out: Path,
    part: str,
    split: str | None,
    tap: str | None,
    clip_length: int | None,
    hop: int | None,
    crops: str,
    device: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Write clip and video features of a trained RUN to a file.

    Clips cover each video from its start, --stride frames apart. The file has, for each
    video, the features of its clips and their mean, first and last frames, time stamps,
    labels and part. An interrupted command resumes; the file appears when it is complete.
    """
    from pipeline.store import Store

    from ..experiments.extract_features import extract_features
    from ..runs.machine import select_machine
    from ..runs.progress import default_reporter
    from ..runs.record import Run
    from .train import crops_of

    trained = Run(run)
    found = extract_features(
        trained,
        Store(store or trained.machine().store or ""),
        out,
        part=part,
        split=split,
        tap=tap,
        clip_length=clip_length,
        hop=hop,
        crops=crops_of(crops) or 1,
        machine=select_machine(device=device, workers=workers, precision="float32"),
        reporter=default_reporter(),
    )
    if as_json:
        click.echo(json.dumps(found._asdict() | {"out": str(found.out)}))
        return
    for video in found.left_out:
        click.echo(f"left out: {printable(video)}: {found.left_out[video]}", err=True)
    click.echo(
        f"{printable(found.out)}: {found.videos} videos, {found.clips} clips, "
        f"{found.dimension} numbers each, at {found.tap}"
    )
