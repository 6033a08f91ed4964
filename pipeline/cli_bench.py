"""`pipeline bench`: measure on this machine."""

import json
from pathlib import Path
from typing import Any

import click

from motion_shards.console import Commands

from .options import MODALITIES, CommaList, ExistingFolder


@click.group(cls=Commands)
def bench() -> None:
    """Measure on this machine: the same answer first, then the time, as ratios."""


def bench_options(command: Any) -> Any:
    """What all benchmarks take."""
    clips = click.option(
        "--clips",
        "clips_folder",
        type=ExistingFolder,
        envvar="VIDEO_TEST_DATA",
        show_envvar=True,
        help="The folder of real clips.",
    )
    return clips(click.option("--json", "as_json", is_flag=True)(command))


def _print_bench(module: Any, as_json: bool, **options: Any) -> dict:
    given = {name: value for name, value in options.items() if value is not None}
    result = module.run(**given)
    click.echo(json.dumps(result) if as_json else module.table(result))
    return result


@bench.command("flow")
@bench_options
@click.option("--pairs", type=click.IntRange(1), help="Frame pairs to time.")
@click.option(
    "--device",
    type=click.Choice(("cpu", "cuda")),
    default="cpu",
    show_default=True,
    help="One core, or an NVIDIA GPU.",
)
@click.option("--gpu", type=click.IntRange(0), help="Which GPU; else the first.")
@click.option(
    "--check",
    is_flag=True,
    help="With cuda: first compare all answers with the cpu's; exit 1 if one is wrong.",
)
def bench_flow(
    as_json: bool, device: str, gpu: int | None, check: bool, **options: Any
) -> None:
    """TV-L1 of ours against OpenCV's, per core, or on a GPU."""
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
@click.option("--rounds", type=click.IntRange(1))
def bench_decode(as_json: bool, **options: Any) -> None:
    """Decoding to RGB at the stored size, against cv2.VideoCapture."""
    from pipeline.bench import decode

    _print_bench(decode, as_json, **options)


@bench.command("vectors")
@bench_options
@click.option("--rounds", type=click.IntRange(1))
@click.option(
    "--peer-python",
    type=click.Path(exists=True, path_type=Path),
    help="Python of an environment that has motion-vector-extractor.",
)
def bench_vectors(as_json: bool, **options: Any) -> None:
    """Motion vectors alone and with RGB, against motion-vector-extractor."""
    from pipeline.bench import vectors

    _print_bench(vectors, as_json, **options)


@bench.command("read")
@click.argument("store", type=ExistingFolder)
@click.option("--json", "as_json", is_flag=True)
@click.option("--rounds", type=click.IntRange(1))
def bench_read(as_json: bool, **options: Any) -> None:
    """Random RGB clips from a store, against decoding the same JPEGs from memory."""
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
    "--workers", type=_Counts(), help="How many at a time. [default: 1,2,4,8]"
)
@click.option(
    "--videos", type=click.IntRange(1), help="To extract, per worker. [default: 40]"
)
@click.option(
    "--modalities",
    type=CommaList(MODALITIES),
    help="What to extract. [default: rgb,flow,mv]",
)
@click.option("--short-side", type=click.IntRange(16, 4096), help="[default: 256]")
def bench_workers(as_json: bool, **options: Any) -> None:
    """How many workers and cores one GPU needs: pairs/s, share of time it is busy."""
    from pipeline.bench import workers

    _print_bench(workers, as_json, **options)
