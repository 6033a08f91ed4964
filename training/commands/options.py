"""Options that several commands of `training` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click

from motion_shards.finite import FiniteRange
from motion_shards.store_address import StoreAddress, cache_options

from .parameter_types import (
    Choice,
    Device,
    ExistingFile,
    Folder,
    RecipeName,
    Setting,
    Size,
)

_STORE = click.option(
    "--store",
    type=StoreAddress(),
    help="Store to train on: a folder, or an address (s3://..., https://...).  [default: "
    "the only one in $VIDEO_DATA/stores]",
)


def STORE(command: Any) -> Any:
    """The option --store of one store, and those of its cache."""
    return _STORE(cache_options(command))


SEED = click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed of initial weights, order of clips and crops.",
)
OUT = click.option(
    "--out",
    type=Folder,
    help="Folder of the run.  [default: a folder in $VIDEO_DATA/runs]",
)
DEVICE = click.option(
    "--device",
    type=Device,
    default="auto",
    show_default=True,
    help="Device to run on. auto: a GPU if available.",
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(0),
    help="Number of processes that read clips.  [default: 0 on a CPU; with a "
    "GPU all cores but two, up to 32]",
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of trainings that run in parallel, with one thread each.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
RECIPE = click.option(
    "--recipe",
    type=RecipeName(),
    help="Name of a recipe, as `training recipes` lists them, or its file: FILE.toml, or"
    " FILE.py:NAME, which is run.",
)


def _run_files(ctx: Any, param: Any, paths: tuple[Path, ...]) -> None:
    from ..models.user_files import imported

    for path in paths:
        imported(path)


CODE = click.option(
    "--code",
    type=ExistingFile,
    multiple=True,
    expose_value=False,
    callback=_run_files,
    help="Python file with nets or losses of your own, which is run; may be repeated. Runs"
    " that use such a file need it again.",
)
SIZE = click.option(
    "--size",
    type=Size,
    help="Size of the recipe. small: for the demo data set (56x40 px, minutes); medium: for"
    " real clips without a large GPU (112x112 px, hours); paper: as published."
    "  [default: small without a GPU, else paper]",
)
SET = click.option(
    "--set",
    "changes",
    type=Setting(),
    multiple=True,
    help="Setting of the recipe to change, as epochs=40, optim.learning_rate=3e-4 or "
    "terms.deep=off; may be repeated. `training recipes NAME` lists them. "
    "teacher:epochs=40 changes the recipe that fills this role.",
)
INIT = click.option(
    "--init",
    metavar="WEIGHTS",
    help="First weights of the network, or of the student: torchvision:NAME, timm:NAME, a"
    " file (.pth, .pt, .safetensors), or the folder of a run. Clips are scaled as for them.",
)
SPLIT = click.option(
    "--split", help="Name of the split.  [default: 1, or the only one]"
)
HELD_OUT = click.option(
    "--held-out",
    type=FiniteRange(0, 0.9),
    metavar="SHARE",
    help="Share of the training groups held out for model selection; 0: none.  "
    "[default: that of the recipe, mostly 0.1; none in a small data set if "
    "the recipe selects no model]",
)
MIN_KNOWN_SHARE = click.option(
    "--min-known-share",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Minimum share of intervals with known motion vectors that a store must "
    "have to train on mv.",
)
SPLITS = click.option(
    "--split",
    help='Split name, comma-separated names, or "all"; several splits also '
    "report their mean.  [default: 1, or the only one]",
)
INPUTS = click.option(
    "--inputs",
    type=click.Choice(["auto", "host", "device"]),
    default="auto",
    show_default=True,
    help="Place where clips are scaled and normalised. host: the processes that read them; "
    "device: the device, which is sent frames as bytes and motion as it is stored; "
    "auto: device on a GPU.",
)
MEMORY_FORMAT = click.option(
    "--memory-format",
    type=Choice(["auto", "contiguous", "channels_last"]),
    default="auto",
    show_default=True,
    help="Order in memory of clips and of the weights of convolutions. auto: what a trial of "
    "a few steps finds fastest on a GPU, channels_last for 3D on a CPU.",
)

MACHINE = (
    DEVICE,
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
        help="Floating-point precision. auto: bfloat16 on a GPU, float32 on a CPU.",
    ),
    WORKERS,
    click.option(
        "--memory-gb",
        type=FiniteRange(0, 1e6),
        default=1.0,
        show_default=True,
        help="Memory in GiB that keeps decoded clips, so that they are read once.",
    ),
    click.option(
        "--checkpoint-minutes",
        type=FiniteRange(0),
        default=3.0,
        show_default=True,
        help="Minutes between checkpoints.",
    ),
    INPUTS,
    MEMORY_FORMAT,
    click.option(
        "--deterministic",
        is_flag=True,
        help="Use deterministic operations only (slower on a GPU).",
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Compile networks with torch.compile: takes a minute, then trains faster.",
    ),
    click.option(
        "--log",
        "loggers",
        type=Choice(["tensorboard"]),
        multiple=True,
        help="Also log the metrics for TensorBoard, in the run's folder; metrics.jsonl and "
        "metrics.csv are written always.",
    ),
)
MACHINE_NAMES = (
    "device",
    "precision",
    "workers",
    "memory_gb",
    "checkpoint_minutes",
    "inputs",
    "memory_format",
    "deterministic",
    "compiled",
    "loggers",
)


def all_of(*options: Callable) -> Callable:
    """Several options as one decorator, in this order."""

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


TRAINING = all_of(
    click.option(
        "--store",
        "stores",
        type=StoreAddress(),
        multiple=True,
        help="Store to train on: a folder, or an address (s3://..., https://...); may be "
        "repeated: several are trained jointly, with a classifier for each.  [default: "
        "the only one in $VIDEO_DATA/stores]",
    ),
    cache_options,
    click.option(
        "--variant",
        "variants",
        type=StoreAddress(),
        multiple=True,
        help="Store of the same videos and frames with another coding of what the network "
        "sees, as vectors of another encoder; may be repeated. Every training clip comes "
        "from one of the stores at random, and the network is also tested on each.",
    ),
    RECIPE,
    SIZE,
    SET,
    CODE,
    INIT,
    SPLITS,
    HELD_OUT,
    MIN_KNOWN_SHARE,
    SEED,
    click.option(
        "--seeds",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Number of runs, with consecutive seeds from --seed on; several also "
        "report their mean.",
    ),
    OUT,
    *MACHINE,
    JSON,
)
"""Options that `teach` and `distill` share."""


Options: TypeAlias = dict[str, Any]
"""The values of a command's options by name."""


def machine_of(options: Options) -> Options:
    """Takes the machine's options out of a command's."""
    return {name: options.pop(name) for name in MACHINE_NAMES}
