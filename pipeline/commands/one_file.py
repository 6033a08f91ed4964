"""The commands that read the motion of one file, without a store."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from motion_shards.errors import MotionShardsError
from motion_shards.output_path import FileOrFolder, Output
from motion_shards.plain_text import printable

from .options import FLOW_BACKEND, FLOW_PROFILE, AnyPath

if TYPE_CHECKING:
    from pipeline.extract.one_file import MotionBlocks


def file_options(command: Any) -> Any:
    """Add the options of both commands."""
    for option in reversed(
        (
            click.argument("file", type=AnyPath),
            click.option(
                "--out",
                type=FileOrFolder(),
                metavar="FILE|FOLDER",
                help="Also write the arrays (npz) to this file, or into this folder, named "
                "after FILE.",
            ),
            click.option(
                "--preview",
                type=FileOrFolder(),
                metavar="PNG|FOLDER",
                help="Also draw the interval with most motion to this picture, or into this "
                "folder.",
            ),
            click.option(
                "--short-side",
                type=click.IntRange(16, 4096),
                help="Short side of the frames in px, even; smaller frames keep their "
                "size. [default: the file's]",
            ),
            click.option(
                "--frames",
                type=click.IntRange(1),
                help="Number of frames to read from the start. [default: all]",
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@file_options
@click.option(
    "--source",
    type=click.Choice(("original", "canonical")),
    default="original",
    show_default=True,
    help="Source of the motion vectors: the file as it is, or an H.264 encoding of its "
    "frames, for files of every codec.",
)
def vectors(
    file: Path, out: Output | None, preview: Output | None, source: Any, **options: Any
) -> None:
    """Read the motion vectors of one video file.

    Prints a summary. `--out` writes the arrays `mv` (intervals, rows, columns, 2: px per
    frame, right and down, of cells of 8x8 px), `mv_valid`, `seconds`, `picture_types`,
    `fps`, `height`, `width`, `codec` and `source`. Memory does not grow with the length of
    the video.
    """
    from pipeline.extract.one_file import vector_blocks

    _show(file, partial(vector_blocks, file, source=source, **options), out, preview)


@click.command()
@file_options
@click.option("--profile", **FLOW_PROFILE)
@click.option("--device", "backend", **FLOW_BACKEND)
@click.option(
    "--dtype",
    type=click.Choice(("float32", "float16")),
    default="float32",
    show_default=True,
    help="Type of the numbers in the file that --out writes.",
)
def flow(
    file: Path, out: Output | None, preview: Output | None, dtype: str, **options: Any
) -> None:
    """Compute the optical flow of one video file (TV-L1).

    Prints a summary. `--out` writes the arrays `flow` (intervals, height, width, 2: px per
    frame, right and down), `seconds`, `picture_types`, `fps`, `height`, `width`, `codec`
    and `profile`. Memory does not grow with the length of the video; while FILE's arrays
    are written, the disk holds them twice.
    """
    from pipeline.extract.one_file import flow_blocks

    _show(file, partial(flow_blocks, file, **options), out, preview, dtype=dtype)


def _show(
    file: Path,
    read: "Callable[..., AbstractContextManager[MotionBlocks]]",
    out: Output | None,
    preview: Output | None,
    *,
    dtype: str = "float32",
) -> None:
    """Read, print, write and draw."""
    from pipeline.inspection.file_motion import FileMotion
    from pipeline.inspection.npz_file import rows_beside

    from .progress import steps

    written = None if out is None else out.file(file.stem, ".npz")
    with nullcontext() if written is None else rows_beside(written) as rows:
        try:
            with steps("frames") as told, read(progress=told) as blocks:
                motion = FileMotion(blocks, rows=rows, dtype=dtype)
        except ValueError as error:
            if isinstance(error, MotionShardsError):
                raise
            raise click.UsageError(str(error)) from None  # the options make no sense
        click.echo(motion.summary(str(file)))
        if written is not None:
            motion.save(written)
            click.echo(printable(f"arrays     {written}"))
    if preview is not None:
        drawn = motion.draw_liveliest(preview, str(file))
        click.echo(printable(f"picture    {drawn or 'none: no motion is known'}"))
