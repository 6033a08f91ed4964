"""Options of `training predict` for the form of its answers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from motion_shards.output_path import NewFile

from .options import Options, all_of

if TYPE_CHECKING:
    from ..recognition.outputs.writing import Outputs

OutputPath = click.Path(path_type=Path)

OUTPUTS = all_of(
    click.option(
        "--top",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        help="Number of classes that are named with their scores.",
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON object per line, for each video as soon as it is recognised.",
    ),
    click.option(
        "--csv",
        "as_csv",
        is_flag=True,
        help="Print CSV: a row for each video, and for each segment and window.",
    ),
    click.option(
        "--srt",
        type=OutputPath,
        metavar="FILE|FOLDER",
        help="Write the segments as subtitles (SubRip): FILE.srt for one video, or a folder "
        "with a file named after each.",
    ),
    click.option(
        "--vtt",
        type=OutputPath,
        metavar="FILE|FOLDER",
        help="Write the segments as subtitles (WebVTT), as --srt.",
    ),
    click.option(
        "--annotate",
        type=OutputPath,
        metavar="FILE|FOLDER",
        help="Write the video with label, scores and motion vectors drawn into it: "
        "FILE.mp4 for one video, or a folder, as --srt.",
    ),
    click.option(
        "--html",
        type=NewFile(".html", ".htm"),
        metavar="FILE",
        help="Write one page (.html) with all videos beside their timelines. It contains them up to "
        "50 MB.",
    ),
)
"""Options of the outputs; `outputs_of` takes their values out of a command's."""


def outputs_of(options: Options) -> "Outputs":
    """Take the options of `OUTPUTS` out of a command's.

    Raises:
        click.UsageError: both --json and --csv.
    """
    from ..recognition.outputs.writing import (
        Form,
        Outputs,
    )  # here, because numpy takes time

    as_json, as_csv = options.pop("as_json"), options.pop("as_csv")
    if as_json and as_csv:
        raise click.UsageError("expected --json or --csv, got both")
    form: Form = "json" if as_json else "csv" if as_csv else "table"
    names = ("top", "srt", "vtt", "annotate", "html")
    return Outputs(form=form, **{name: options.pop(name) for name in names})
