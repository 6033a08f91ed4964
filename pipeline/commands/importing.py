"""`pipeline import`."""

import json
from pathlib import Path

import click

from motion_shards.cores import worker_cores
from motion_shards.finite import FiniteRange

from .options import (
    HOLDOUT_SEED,
    JOBS,
    RETRY_QUARANTINED,
    SUMMARY_JSON,
    AnyPath,
    holdout,
)


@click.command("import")
@click.option(
    "--from",
    "source",
    type=click.Choice(("frames",)),
    required=True,
    help="Format. frames: a folder of JPEG files per video, as TSN, denseflow, mmaction2 "
    "and MARS users have them.",
)
@click.option(
    "--images",
    type=AnyPath,
    help="Folder of the frames: img_00001.jpg, ... in VIDEO or CLASS/VIDEO.",
)
@click.option(
    "--flow",
    type=AnyPath,
    help="Folder of the flow: flow_x_00001.jpg and flow_y_00001.jpg, ... at the same paths "
    "as the frames; may be the same folder.",
)
@click.option(
    "--layout",
    type=click.Choice(("denseflow", "tsn", "mars")),
    default="denseflow",
    show_default=True,
    help="Names and order. denseflow: flow k leads from image k to the next, one file fewer "
    "than images; tsn: the same names by the older dense_flow, where flow k leads to image "
    "k, as many files as images; mars: 00001.jpg, TVL1jpg_x_00001.jpg.",
)
@click.option(
    "--flow-bound",
    type=FiniteRange(0, 1000, min_open=True),
    default=20.0,
    show_default=True,
    help="Flow in px that level 255 stands for, as it was given when the files were made.",
)
@click.option(
    "--fps",
    type=FiniteRange(0, 1000, min_open=True),
    default=25.0,
    show_default=True,
    help="Frames per second of the videos, which files of frames do not say.",
)
@click.option(
    "--dataset",
    type=click.Choice(("folder", "list")),
    default="folder",
    show_default=True,
    help="folder: all videos, whose first folder is the class; list: those of a list.",
)
@click.option(
    "--name",
    "called",
    metavar="NAME",
    help="Name of the data set and of its default store. [default: the name of the "
    "folder of the frames]",
)
@click.option(
    "--splits",
    type=AnyPath,
    help="Folder of the train and test lists, or one list file, as for `pipeline extract`. "
    "[default: lists that lie in the folder of the frames]",
)
@holdout("for data without lists")
@HOLDOUT_SEED
@click.option(
    "--out",
    type=AnyPath,
    help="Folder of the store to create or continue. [default: $VIDEO_DATA/stores/NAME]",
)
@JOBS
@RETRY_QUARANTINED
@SUMMARY_JSON
def import_(
    source: str,
    images: Path | None,
    flow: Path | None,
    layout: str,
    flow_bound: float,
    fps: float,
    dataset: str,
    called: str | None,
    splits: Path | None,
    holdout: float | None,
    seed: int,
    out: Path | None,
    jobs: int | None,
    retry_quarantined: bool,
    as_json: bool,
) -> None:
    """Make a store of frames and flow of other programs.

    Nothing is computed again: JPEG files of frames are taken as they are where a store can
    hold them, and levels of flow become those of a store. A video with missing, unreadable
    or unequal files is quarantined and named.

    An interrupted import resumes by the same command. Exit codes: 0 all videos stored; 3
    finished, but some are quarantined, unavailable or unreadable; 1 failed; 2 wrong usage;
    130 interrupted.
    """
    if images is None and flow is None:
        raise click.UsageError("expected --images, --flow or both")
    click.echo("reading the names of the files ...", err=True)
    from pipeline.adapters import report
    from pipeline.adapters.naming import dataset_name
    from pipeline.driver import resume
    from pipeline.exchange.importing import (
        import_frames,
        import_settings,
        load_trees,
    )
    from pipeline.exchange.trees import Trees
    from pipeline.store import default_folders

    from .progress import reporter as progress_reporter

    out = out or default_folders.store_folder(
        dataset_name(dataset, videos=images or flow, called=called)
    )
    data = load_trees(
        Trees(images=images, flow=flow, layout=layout),
        kind=dataset,
        called=called,
        splits=splits,
        holdout=holdout,
        seed=seed,
    )
    click.echo(report.text(data.dataset), err=as_json)
    try:
        with progress_reporter(what="import") as reporter:
            done = import_frames(
                data,
                import_settings(data.trees, bound_px=flow_bound, frames_per_second=fps),
                out=out,
                jobs=jobs or worker_cores(),
                retry_bad=retry_quarantined,
                reporter=reporter,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(resume.interruption_message(out)) from None
    click.echo(json.dumps(done.to_dict()) if as_json else done.text())
    raise SystemExit(done.exit_code)
