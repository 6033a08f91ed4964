"""`pipeline extract` and `pipeline plan`."""

import json
from functools import partial
from pathlib import Path

import click

from motion_shards.choices import MODALITIES, X264_PRESETS
from motion_shards.finite import FiniteRange
from motion_shards.store_address import StoreAddress

from .options import (
    FLOW_BACKEND,
    FLOW_PROFILE,
    RETRY_QUARANTINED,
    SUMMARY_JSON,
    CommaList,
    ExistingFolder,
    dataset_options,
)


def _even(ctx: click.Context, param: click.Parameter, value: int | None) -> int | None:
    if value is not None and value % 2:
        raise click.BadParameter(f"expected an even number, got {value}", ctx, param)
    return value


@click.command()
@dataset_options
@click.option(
    "--out",
    type=StoreAddress(exists=False),
    help="Folder of the store to create or continue, or an address: "
    "s3://bucket/folder. [default: $VIDEO_DATA/stores/NAME]",
)
@click.option(
    "--modalities",
    type=CommaList(MODALITIES),
    default=",".join(MODALITIES),
    show_default=True,
    help="Comma-separated modalities to extract; others can be added to the store "
    "later.",
)
@click.option(
    "--short-side",
    type=click.IntRange(16, 4096),
    callback=_even,
    help="Shorter side of the stored frames in px, even. If given, smaller videos are "
    "enlarged to it. [default: 256, smaller videos at their own size; demo: as drawn]",
)
@click.option(
    "--square-pixels/--no-square-pixels",
    default=None,
    help="Stretch anamorphic videos (sample aspect ratio not 1) to square pixels, or "
    "store them as coded. [default: square pixels, or what the store has]",
)
@click.option(
    "--fps",
    type=FiniteRange(0, 1000, min_open=True),
    help="Frame rate of the stored frames. [default: every frame]",
)
@click.option(
    "--rgb-codec",
    type=click.Choice(("jpeg", "h264")),
    default="jpeg",
    show_default=True,
    help="Coding of frames. jpeg: a JPEG of quality 95 each; h264: one H.264 stream per "
    "video with a key frame every 12 frames, a sixth of the bytes.",
)
@click.option("--flow-profile", **FLOW_PROFILE)
@click.option("--flow-device", **FLOW_BACKEND)
@click.option(
    "--flow-codec",
    type=click.Choice(("companded", "tsn")),
    default="companded",
    show_default=True,
    help="Quantisation of flow to 8 bits. companded: finer near zero; tsn: linear, as in "
    "TSN.",
)
@click.option(
    "--mv-source",
    type=click.Choice(("canonical", "stored", "original")),
    help="Source of the motion vectors. canonical: an H.264 encoding of the stored frames, "
    "the same for all videos, which makes the trace of the source's encoder weaker; "
    "stored: the packets of --rgb-codec h264, without a second encoding; original: "
    "the files as they are, whose encoders show in the vectors. In files with "
    "B-frames, vectors over several frames are divided by their number where that is "
    "certain, else marked unknown. [default: canonical; stored with --rgb-codec h264, "
    "except for the demo and with --mv-crf or --mv-preset]",
)
@click.option(
    "--mv-crf",
    type=click.IntRange(0, 51),
    help="x264 CRF of the canonical encoding. [default: 18; demo: its own]",
)
@click.option(
    "--mv-preset",
    type=click.Choice(X264_PRESETS),
    help="x264 preset of the canonical encoding. [default: veryfast]",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Number of processes, or of tasks on a cluster; 0: work in this process "
    "alone. [default: all cores]",
)
@click.option(
    "--ray",
    default="auto",
    show_default=True,
    metavar="auto|off|local|ADDRESS",
    help="Ray cluster to use. auto: that of $RAY_ADDRESS or one that runs on this "
    "machine, else processes without Ray; off: no Ray; local: start Ray on "
    "this machine.",
)
@click.option(
    "--scratch",
    type=ExistingFolder,
    help="Folder on a local disk for unfinished shards. [default: $TMPDIR, else /tmp]",
)
@click.option(
    "--hang-seconds",
    type=FiniteRange(1),
    default=60.0,
    show_default=True,
    help="Time limit in seconds for the next frame of a video; a video that "
    "exceeds it is quarantined.",
)
@RETRY_QUARANTINED
@click.option(
    "--grow",
    is_flag=True,
    help="Add the videos that the store does not have yet, in new shards; the others stay "
    "as they are.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Estimate hours and gigabytes without writing anything.",
)
@SUMMARY_JSON
def extract(
    dataset: str,
    called: str | None,
    videos: Path | None,
    splits: Path | None,
    holdout: float | None,
    seed: int,
    limit: int | None,
    classes: tuple[str, ...],
    out: Path | str | None,
    modalities: tuple[str, ...],
    short_side: int | None,
    square_pixels: bool | None,
    fps: float | None,
    flow_profile: str,
    flow_device: str,
    rgb_codec: str,
    flow_codec: str,
    mv_source: str | None,
    mv_crf: int | None,
    mv_preset: str | None,
    workers: int | None,
    ray: str,
    scratch: Path | None,
    hang_seconds: float,
    retry_quarantined: bool,
    grow: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Extract the videos of a data set into a store.

    An existing store is continued: only missing shards are built.

    A video that cannot be decoded is quarantined. One whose file cannot be read now is
    unavailable, and retried when the same command is run again.

    Exit codes: 0 all videos stored; 3 finished, but some are quarantined, unavailable or
    unreadable; 1 failed; 2 wrong usage; 130 interrupted: run the same command to resume.
    """
    click.echo("reading the list of videos ...", err=True)
    from pipeline.adapters import load, report
    from pipeline.adapters.holdout import holdout_name
    from pipeline.adapters.naming import dataset_name
    from pipeline.driver import extraction, resume  # here, because these take a second
    from pipeline.driver.publish import destination
    from pipeline.driver.sides import stored_sides, undrawn
    from pipeline.executors.choose import Execution
    from pipeline.store import default_folders

    from .destinations import opened
    from .extract_settings import chosen_settings, usual_settings
    from .progress import reporter as progress_reporter
    from .progress import steps

    out = out or default_folders.store_folder(
        dataset_name(dataset, videos=videos, called=called)
    )
    with opened(out, scratch) as store:
        settings = chosen_settings(
            usual_settings(dataset, destination(store).folder),
            modalities=modalities,
            short_side=short_side,
            square_pixels=square_pixels,
            fps=fps,
            rgb_codec=rgb_codec,
            flow_profile=flow_profile,
            flow_codec=flow_codec,
            mv_source=mv_source,
            mv_crf=mv_crf,
            mv_preset=mv_preset,
        )
        before = (
            stored_sides(destination(store).folder, holdout_name(holdout, seed))
            if holdout is not None
            else {}
        )
        with steps("draw the clips") as on_progress:
            found = load(
                dataset,
                called=called,
                videos=videos,
                splits=splits,
                holdout=holdout,
                seed=seed,
                before=before,
                limit=limit,
                classes=classes,
                on_progress=on_progress,
            )
        click.echo(report.text(found), err=as_json)
        for line in undrawn(found, destination(store).folder) if grow else ():
            click.echo(line, err=True)
        execution = Execution(
            ray=ray,
            workers=workers,
            backend=flow_device,
            scratch=scratch,
            hang_seconds=hang_seconds,
        )
        if dry_run:
            click.echo(
                "extracting a few frames to measure speed and size ...", err=True
            )
            planned = extraction.dry_run(
                found,
                settings,
                out=store,
                execution=execution,
                retry_bad=retry_quarantined,
                grow=grow,
            )
            click.echo(json.dumps(planned.to_dict()) if as_json else planned.text())
            return
        try:
            with progress_reporter() as reporter:
                summary = extraction.extract(
                    found,
                    settings,
                    out=store,
                    execution=execution,
                    retry_bad=retry_quarantined,
                    grow=grow,
                    reporter=reporter,
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(resume.interruption_message(store)) from None
        click.echo(json.dumps(summary.to_dict()) if as_json else summary.text())
        raise SystemExit(summary.exit_code)


plan = click.Command(
    "plan",
    params=[param for param in extract.params if param.name != "dry_run"],
    callback=partial(extract.callback or extract, dry_run=True),
    help="Estimate hours and gigabytes of an extraction. Takes the options of "
    "`extract`. A few frames are extracted to measure speed and size; "
    "nothing is written.",
)
