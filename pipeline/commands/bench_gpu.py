"""`pipeline bench gpu`: the stages one after the other, with progress and a report."""

import os
import sys
import time
from pathlib import Path

import click

from motion_shards.finite import FiniteRange
from motion_shards.interruption import EXIT_CODE
from motion_shards.output_path import NewFile
from motion_shards.plain_text import printable
from motion_shards.store_address import StoreAddress
from pipeline.bench.gpu.stages import BUDGET_MINUTES, FACTS, STAGES

from .options import CommaList, ExistingFolder

NAMES = tuple(stage.name for stage in STAGES)


@click.command("gpu")
@click.option(
    "--clips",
    "clips_folder",
    type=ExistingFolder,
    envvar="VIDEO_TEST_DATA",
    show_envvar=True,
    help="Folder of video clips and of Middlebury's pairs (flow/middlebury). [default: "
    "clips are drawn]",
)
@click.option(
    "--store",
    type=StoreAddress(),
    help="Store to train on. [default: one is made of the clips]",
)
@click.option(
    "--stages",
    type=CommaList(NAMES),
    help=f"Stages to run; facts always runs. [default: {','.join(NAMES)}]",
)
@click.option(
    "--budget",
    "budget_minutes",
    type=FiniteRange(0, 24 * 60, min_open=True),
    default=BUDGET_MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="Time limit of all stages together; each has a share of it.",
)
@click.option("--gpu", type=click.IntRange(0), help="Index of the GPU. [default: 0]")
@click.option(
    "--json",
    "json_file",
    type=NewFile(),
    metavar="FILE",
    help="Also write all results to this file, after each stage.",
)
def bench_gpu(
    clips_folder: Path | None,
    store: Path | str | None,
    stages: tuple[str, ...] | None,
    budget_minutes: float,
    gpu: int | None,
    json_file: Path | None,
) -> None:
    """Measure a GPU and compare it with goals.

    It measures answers, flow, extraction and training. Each stage runs in a process of
    its own with a time limit, so that a crash or a hang ends that stage alone. Ctrl-C
    prints what was found so far. The exit code is 1 if a goal is missed or a stage failed.
    """
    from rich.console import Console

    from pipeline.bench.gpu.report import Report, ending, line_of
    from pipeline.bench.gpu.rows import Device, Row
    from pipeline.bench.gpu.runner import StageResult, run_stages
    from pipeline.bench.gpu.settings import Settings
    from pipeline.errors import NoDevice

    chosen = [it for it in STAGES if not stages or it is FACTS or it.name in stages]
    settings = Settings(
        seconds=0.0,
        clips_folder=clips_folder,
        store=None if store is None else str(store),
    )
    results: list[StageResult] = []
    report = Report(
        began=time.strftime("%Y-%m-%d %H:%M:%S"),
        budget_minutes=budget_minutes,
        frames="drawn" if clips_folder is None else str(clips_folder),
        size=(settings.height, settings.width),
        results=results,
    )

    def say(stage: str, row: Row | None) -> None:
        if stage == FACTS.name and not isinstance(row, Device):
            return  # in the table at the end; without a GPU there is one line
        title = next(it.title for it in STAGES if it.name == stage)
        line = f"{stage}: {title}" if row is None else f"  {line_of(row)}"
        click.echo(printable(line), err=True)

    if json_file is not None:
        report.write(json_file)  # a folder that cannot be written is told now
    try:
        for result in run_stages(
            chosen,
            settings,
            budget_seconds=60 * budget_minutes,
            environment=visible(gpu),
            say=say,
        ):
            results.append(result)
            if json_file is not None:
                report.write(json_file)
            if result.stage is FACTS and result.state not in (
                "finished",
                "interrupted",
            ):
                raise NoDevice(f"no GPU to measure: {result.reason}")
    except KeyboardInterrupt:
        interrupted = True
    else:
        interrupted = any(it.state == "interrupted" for it in results)
    width = None if sys.stdout.isatty() else 140
    report.show(Console(highlight=False, markup=False, emoji=False, width=width))
    click.echo(ending(report))
    if interrupted:
        raise click.exceptions.Exit(EXIT_CODE)
    if not report.succeeded:
        raise click.exceptions.Exit(1)


def visible(gpu: int | None) -> dict[str, str]:
    """The variables with which a process sees one GPU alone.

    Args:
        gpu: its index among those that CUDA_VISIBLE_DEVICES shows; None: as it is.
    """
    if gpu is None:
        return {}
    shown = [it.strip() for it in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    shown = [it for it in shown if it]
    if not shown:
        return {"CUDA_VISIBLE_DEVICES": str(gpu)}
    if gpu >= len(shown):
        raise click.UsageError(
            f"--gpu {gpu}: expected an index below {len(shown)}, as CUDA_VISIBLE_DEVICES "
            f"shows {len(shown)}"
        )
    return {"CUDA_VISIBLE_DEVICES": shown[gpu]}
