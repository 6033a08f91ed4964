"""The `training` command."""

import shlex
import sys
from typing import NoReturn

import click

from motion_shards import __version__
from motion_shards.console import Console
from motion_shards.interruption import EXIT_CODE
from motion_shards.plain_text import printable

from ..errors import Interrupted
from .bench import bench
from .evaluate import evaluate
from .export import export
from .features import features
from .predict import predict
from .ray_train import ray_train
from .recipes import recipes
from .runs import runs
from .several_processes import is_first, let_the_first_say
from .sweep import sweep
from .systems import COMMANDS
from .teach import distill, teach
from .watch import watch


class Cli(Console):
    """The command of a training, which may be one of several processes."""

    interruptions = (Interrupted, KeyboardInterrupt)

    def source(self, error: Exception) -> str:
        return let_the_first_say(error)

    def interrupted(self, error: BaseException) -> NoReturn:
        if is_first():
            line = str(error) or "stopped; run the same command to resume"
            again = shlex.join(["training", *sys.argv[1:]])
            click.echo(f"Interrupted: {printable(line)}", err=True)
            click.echo(f"Resume with: {printable(again)}", err=True)
        raise SystemExit(EXIT_CODE) from None


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
