"""The `training` command."""

import click

from motion_shards import __version__

from .bench import bench
from .console import Cli
from .evaluate import evaluate
from .export import export
from .features import features
from .predict import predict
from .ray_train import ray_train
from .recipes import recipes
from .runs import runs
from .sweep import sweep
from .systems import COMMANDS
from .teach import distill, teach
from .watch import watch


@click.group(cls=Cli)
@click.version_option(__version__)
def main() -> None:
    """Train action recognition on a store, with students taught by optical flow."""


for command in (
    teach,
    distill,
    evaluate,
    recipes,
    bench,
    ray_train,
    *COMMANDS,
    export,
    features,
    predict,
    runs,
    sweep,
    watch,
):
    main.add_command(command)
