"""The command `training bench`."""

import json
from pathlib import Path
from typing import Any

import click

from motion_shards.console import Commands
from motion_shards.finite import FiniteRange

from .bench_nets import bench_nets
from .bench_predict import bench_predict
from .options import CODE, DEVICE, INPUTS, JSON, MEMORY_FORMAT, RECIPE, SET, STORE
from .parameter_types import Choice, Modality


@click.group(name="bench", cls=Commands, invoke_without_command=True)
@STORE
@click.option(
    "--modality",
    type=Modality,
    default="flow",
    show_default=True,
    help="Modality that the network sees.",
)
@RECIPE
@SET
@CODE
@click.option(
    "--workers",
    type=click.IntRange(0),
    multiple=True,
    help="Number of reading processes to measure; may be repeated.  [default: 0 and 1]",
)
@click.option(
    "--seconds",
    type=FiniteRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Duration of each measurement in seconds: five windows, whose median counts.",
)
@DEVICE
@click.option(
    "--precision",
    type=Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    help="Floating-point precision. auto: bfloat16 on a GPU, float32 on a CPU.",
)
@click.option(
    "--memory-gb",
    type=FiniteRange(0, 1e6),
    default=0.0,
    show_default=True,
    help="Memory in GiB for decoded clips; 0: read every clip from the store.",
)
@INPUTS
@MEMORY_FORMAT
@JSON
@click.pass_context
def bench(
    context: click.Context,
    store: Path | str | None,
    modality: str,
    recipe: str | None,
    changes: tuple[str, ...],
    workers: tuple[int, ...],
    seconds: float,
    device: str,
    precision: str,
    memory_gb: float,
    memory_format: Any,
    inputs: str,
    as_json: bool,
) -> None:
    """Compare the speed of training with a bare loop.

    Speeds are clips per second.

    \b
    training bench --recipe r3d_rgb --modality rgb --set model.net=s3d

    `training bench predict` measures a trained model on files instead, `training bench
    nets` networks without data.
    """
    if context.invoked_subcommand is not None:
        return
    from ..bench import report, run  # here, because torch takes two seconds
    from ..run_files.json_dataclasses import to_json

    found = run.run(
        store,
        modality=modality,
        recipe=recipe,
        changes=changes,
        workers=workers or (0, 1),
        seconds=seconds,
        device=device,
        precision=precision,
        memory_gb=memory_gb,
        memory_format=memory_format,
        inputs=inputs,
    )
    click.echo(json.dumps(to_json(found)) if as_json else report.text(found))


bench.add_command(bench_nets)
bench.add_command(bench_predict)
