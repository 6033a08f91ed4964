"""The command that measures a model on files."""

import json
from pathlib import Path
from typing import Any

import click

from motion_shards.finite import FiniteRange

from .model_options import MV_SOURCE, RUNTIME
from .options import JSON
from .parameter_types import Device, Folder


@click.command("predict")
@click.argument("model", type=Folder)
@click.option(
    "--clips",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of videos, or one video.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="Maximum number of videos, evenly over the folder.",
)
@click.option(
    "--seconds",
    type=FiniteRange(0, min_open=True),
    default=20.0,
    show_default=True,
    help="CPU time of the measurement on one core, at least three passes.",
)
@MV_SOURCE
@click.option(
    "--force",
    is_flag=True,
    help="Also measure files of which too few motion vectors are known.",
)
@RUNTIME
@click.option(
    "--device",
    type=Device,
    default="cpu",
    show_default=True,
    help="Device of PyTorch. The time of a GPU's work is not CPU time: only the clock of "
    "all cores has it.",
)
@JSON
def bench_predict(
    model: Path, clips: Path, limit: int, as_json: bool, **options: Any
) -> None:
    """Measure the speed of MODEL from file to answer.

    It prints the frames per second of each stage (decoding, colours, vectors, clips and
    the network), on one core in CPU time and on all cores by the clock; the delay to the
    first answer and the peak of memory. That all passes give the same answers is checked.

    \b
    training bench predict MODEL --clips clips/ --mv-source original
    """
    from ..recognition import speed
    from ..recognition.sources import sources_of
    from ..recognition.speed_text import text
    from ..run_files.json_dataclasses import to_json

    files = speed.spread(sources_of([str(clips)]).files, limit)
    found = speed.measure(model, files, **options)
    click.echo(json.dumps(to_json(found)) if as_json else text(found))
