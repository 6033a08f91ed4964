"""The command that recognises actions in videos."""

from pathlib import Path
from typing import Any

import click

from motion_shards.finite import FiniteRange
from motion_shards.output_path import NewFile

from .given_options import given_options
from .model_options import MV_SOURCE, RUNTIME
from .options import DEVICE
from .parameter_types import Folder
from .predict_live import LIVE, LIVE_ONLY, live_options_of
from .predict_outputs import OUTPUTS, outputs_of

FILES_ONLY = ("jobs", "results")
"""Options that live sources do not have."""
WINDOWS_ONLY = ("hop", "smooth", "min_score")
"""Options of files that say how windows are made and joined."""


@click.command()
@click.argument("model", type=Folder)
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--windows",
    is_flag=True,
    help="Recognise overlapping windows of time, and join them to segments. --srt, "
    "--vtt and --html do so, too.",
)
@click.option(
    "--hop",
    type=click.IntRange(1),
    help="Frames from one window to the next.  [default: half a window]",
)
@click.option(
    "--smooth",
    type=FiniteRange(0),
    help="Seconds over which the scores of windows are averaged before windows are "
    "joined to segments.  [default: a window's length]",
)
@click.option(
    "--min-score",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Least mean probability of a segment.",
)
@MV_SOURCE
@click.option(
    "--force",
    is_flag=True,
    help="Also answer where too few motion vectors are known.",
)
@RUNTIME
@DEVICE
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads of the network in each process.  [default: all cores, divided among "
    "--jobs]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of videos to recognise at once, each in a process of its own.",
)
@click.option(
    "--results",
    type=NewFile(),
    help="Append each answer to this file as a line of JSON. Videos that it has are not "
    "recognised again, so that the same command resumes.",
)
@OUTPUTS
@LIVE
@click.pass_context
def predict(
    context: click.Context, model: Path, sources: tuple[str, ...], **options: Any
) -> None:
    """Recognise the actions in SOURCES with MODEL.

    MODEL is the folder of a run or of `training export`. Each of SOURCES is a video, a
    folder of videos, a quoted pattern ('clips/*.mp4') or a list (.txt, one path per line).
    Or a single live source: camera:0, rtsp://, udp://, http://, https://, or - for
    standard input. It gives a line for each segment, or with --windows for each window,
    when that has ended.

    \b
    training predict data/runs/RUN clip.mp4
    training predict MODEL clips/ --jobs 4 --results answers.jsonl
    training predict MODEL match.mp4 --windows
    training predict MODEL rtsp://camera/door --json --seconds 3600

    Exit code 3: some videos could not be recognised; they are named.
    """
    from ..recognition.sources import sources_of

    outputs, live = outputs_of(options), live_options_of(options)
    found = sources_of(sources)
    if not found.live:
        from ..recognition.predict_files import predict_files

        for option in given_options(context, LIVE_ONLY):
            raise click.UsageError(f"{option}: expected a live source, got files")
        if not (options["windows"] or outputs.needs_windows):
            for option in given_options(context, WINDOWS_ONLY):
                raise click.UsageError(f"{option}: expected --windows with it")
        raise SystemExit(predict_files(model, found, outputs=outputs, **options))
    from ..recognition.predict_live import predict_live

    for option in given_options(context, FILES_ONLY):
        raise click.UsageError(f"{option}: expected files, got a live source")
    for name in FILES_ONLY:
        del options[name]
    windows = {name: options.pop(name) for name in WINDOWS_ONLY}
    code = predict_live(
        model,
        found.live[0],
        outputs=outputs,
        each_window=options.pop("windows"),
        options=options,
        live=live,
        **windows,
    )
    raise SystemExit(code)
