"""The commands of `pipeline bench`."""

import json
from pathlib import Path
from typing import Any

import click

from motion_shards.choices import MODALITIES
from motion_shards.console import Commands

from .options import CommaList, ExistingFolder


@click.group(cls=Commands)
def bench() -> None:
    """Measure speed on this machine, after checking the answers."""


def bench_options(command: Any) -> Any:
    """What all benchmarks take."""
    clips = click.option(
        "--clips",
        "clips_folder",
        type=ExistingFolder,
        envvar="VIDEO_TEST_DATA",
        show_envvar=True,
        help="Folder of real clips.",
    )
    return clips(
        click.option("--json", "as_json", is_flag=True, help="Print as JSON.")(command)
    )


def _print_bench(module: Any, as_json: bool, **options: Any) -> dict:
    given = {name: value for name, value in options.items() if value is not None}
    result = module.run(**given)
    click.echo(json.dumps(result) if as_json else module.table(result))
    return result


@bench.command("flow")
@bench_options
@click.option("--pairs", type=click.IntRange(1), help="Number of frame pairs to time.")
@click.option(
    "--device",
    type=click.Choice(("cpu", "cuda")),
    default="cpu",
    show_default=True,
    help="cpu: one core; cuda: an NVIDIA GPU.",
)
@click.option("--gpu", type=click.IntRange(0), help="Index of the GPU. [default: 0]")
@click.option(
    "--check",
    is_flag=True,
    help="With cuda: first compare all answers with the CPU's; exit code 1 if one is wrong.",
)
def bench_flow(
    as_json: bool, device: str, gpu: int | None, check: bool, **options: Any
) -> None:
    """TV-L1 against OpenCV's, per core, or on a GPU."""
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
@click.option("--rounds", type=click.IntRange(1), help="Number of repetitions.")
def bench_decode(as_json: bool, **options: Any) -> None:
    """Decoding to RGB at the stored size, against cv2.VideoCapture."""
    from pipeline.bench import decode

    _print_bench(decode, as_json, **options)


@bench.command("vectors")
@bench_options
@click.option("--rounds", type=click.IntRange(1), help="Number of repetitions.")
@click.option(
    "--peer-python",
    type=click.Path(exists=True, path_type=Path),
    help="Python of an environment that has motion-vector-extractor.",
)
def bench_vectors(as_json: bool, **options: Any) -> None:
    """Reading motion vectors, against motion-vector-extractor."""
    from pipeline.bench import vectors

    _print_bench(vectors, as_json, **options)


@bench.command("read")
@click.argument("store", type=ExistingFolder)
@click.option("--json", "as_json", is_flag=True)
@click.option("--rounds", type=click.IntRange(1), help="Number of repetitions.")
def bench_read(as_json: bool, **options: Any) -> None:
    """Reading random RGB clips, against JPEGs in memory."""
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
    type=click.Choice(("auto", "cpu", "cuda")),
    help="cpu: the processor stands in for a GPU. [default: auto]",
)
@click.option(
    "--workers", type=_Counts(), help="Numbers of workers to try. [default: 1,2,4,8]"
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
    help="Short side of the frames, px. [default: 256]",
)
def bench_workers(as_json: bool, **options: Any) -> None:
    """Frame pairs per second and GPU load, by number of workers."""
    from pipeline.bench import workers

    _print_bench(workers, as_json, **options)
