"""The commands of `pipeline bench`."""

import json
from pathlib import Path
from typing import Any

import click

from motion_shards.choices import MODALITIES
from motion_shards.console import Commands
from motion_shards.store_address import StoreAddress, cache_options

from .bench_gpu import bench_gpu
from .options import JSON, CommaList, ExistingFolder


@click.group(cls=Commands)
def bench() -> None:
    """Measure speed on this machine, after a check that results agree."""


def bench_options(command: Any) -> Any:
    """Add the options of all benchmarks."""
    clips = click.option(
        "--clips",
        "clips_folder",
        type=ExistingFolder,
        envvar="VIDEO_TEST_DATA",
        show_envvar=True,
        help="Folder of video clips.",
    )
    return clips(JSON(command))


def _print_bench(module: Any, as_json: bool, **options: Any) -> dict:
    given = {name: value for name, value in options.items() if value is not None}
    result = module.run(**given)
    click.echo(json.dumps(result) if as_json else module.table(result))
    return result


@bench.command("flow")
@bench_options
@click.option(
    "--pairs",
    type=click.IntRange(1),
    help="Number of frame pairs to measure. [default: 12]",
)
@click.option(
    "--device",
    type=click.Choice(("cpu", "cuda")),
    default="cpu",
    show_default=True,
    help="Device to measure. cpu: one core; cuda: an NVIDIA GPU.",
)
@click.option("--gpu", type=click.IntRange(0), help="Index of the GPU. [default: 0]")
@click.option(
    "--check",
    is_flag=True,
    help="With --device cuda: first check all results against the CPU's; exit code "
    "1 if one is wrong.",
)
def bench_flow(
    as_json: bool, device: str, gpu: int | None, check: bool, **options: Any
) -> None:
    """Compare TV-L1 optical flow with OpenCV's.

    On one CPU core, or on a GPU.
    """
    if device == "cuda":
        from pipeline.bench import flow_gpu

        result = _print_bench(flow_gpu, as_json, gpu=gpu, check=check, **options)
        if not result.get("passed", True):
            raise click.exceptions.Exit(1)
        return
    if check or gpu is not None:
        raise click.UsageError("--check and --gpu need --device cuda")
    from pipeline.bench import flow

    _print_bench(flow, as_json, **options)


@bench.command("decode")
@bench_options
@click.option(
    "--rounds", type=click.IntRange(1), help="Number of repetitions. [default: 7]"
)
def bench_decode(as_json: bool, **options: Any) -> None:
    """Compare decoding to RGB at the stored size with cv2.VideoCapture."""
    from pipeline.bench import decode

    _print_bench(decode, as_json, **options)


@bench.command("vectors")
@bench_options
@click.option(
    "--rounds", type=click.IntRange(1), help="Number of repetitions. [default: 7]"
)
@click.option(
    "--peer-python",
    type=click.Path(exists=True, path_type=Path),
    help="Python interpreter of an environment with motion-vector-extractor; "
    "without it, only this program is measured.",
)
def bench_vectors(as_json: bool, **options: Any) -> None:
    """Compare reading motion vectors with motion-vector-extractor."""
    from pipeline.bench import vectors

    _print_bench(vectors, as_json, **options)


@bench.command("read")
@click.argument("store", type=StoreAddress())
@click.option(
    "--against",
    type=StoreAddress(),
    help="Another store of the same videos, such as one of another codec, from which "
    "the same clips are read in turn.",
)
@cache_options
@JSON
@click.option(
    "--rounds", type=click.IntRange(1), help="Number of repetitions. [default: 20]"
)
def bench_read(as_json: bool, **options: Any) -> None:
    """Compare reading random RGB clips with decoding in memory.

    Both decode the same bytes.
    """
    from pipeline.bench import read

    _print_bench(read, as_json, **options)


class _Counts(click.ParamType):
    """`1,2,4`."""

    name = "1,2,4"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        try:
            counts = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            counts = ()
        if not counts or min(counts) < 1:
            self.fail(f"expected numbers from 1, got {value!r}", param, ctx)
        return counts


@bench.command("workers")
@bench_options
@click.option(
    "--flow-device",
    "backend",
    type=click.Choice(("auto", "cpu", "cuda", "none")),
    help="Device of the optical flow. cpu: the CPU is used in place of a GPU; "
    "none: flow at no cost, to measure the CPU's part. [default: auto]",
)
@click.option(
    "--workers",
    type=_Counts(),
    help="Numbers of workers to measure. [default: 1, 2, 4, ... and the number that "
    "an extraction would have]",
)
@click.option(
    "--videos",
    type=click.IntRange(1),
    help="Videos to extract per worker. [default: 40]",
)
@click.option(
    "--modalities",
    type=CommaList(MODALITIES),
    help=f"Modalities to extract. [default: {','.join(MODALITIES)}]",
)
@click.option(
    "--short-side",
    type=click.IntRange(16, 4096),
    help="Short side of the frames in px. [default: 256]",
)
def bench_workers(as_json: bool, **options: Any) -> None:
    """Measure frame pairs per second and GPU load by number of workers."""
    from pipeline.bench import workers

    _print_bench(workers, as_json, **options)


bench.add_command(bench_gpu)
