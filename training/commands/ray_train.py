"""The command `training ray-train`."""

from functools import partial

import click

from motion_shards.plain_text import printable

from .console import Cli
from .teach import distill, teach

IN_WORKERS = Cli("training", commands=[teach, distill])
"""The commands that several processes can run together."""


@click.command("ray-train", context_settings={"ignore_unknown_options": True})
@click.option(
    "--num-workers",
    type=click.IntRange(1),
    required=True,
    help="Number of workers, one process each.",
)
@click.option("--gpus/--no-gpus", help="Give every worker a GPU.")
@click.option(
    "--ray",
    default="auto",
    show_default=True,
    help="Ray cluster to use. auto: that of $RAY_ADDRESS or one that runs on this "
    "machine; local: start Ray on this machine; or an address.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def ray_train(num_workers: int, gpus: bool, ray: str, command: tuple[str, ...]) -> None:
    """Run `teach` or `distill` on the workers of a Ray cluster.

    \b
    training ray-train --num-workers 4 --gpus -- teach --modality flow
    """
    if command[0] not in IN_WORKERS.commands:
        expected = " or ".join(IN_WORKERS.commands)
        raise click.UsageError(
            f"expected {expected} to run on the workers, got {printable(command[0])}"
        )
    from .. import ray_train as started  # here, because ray and torch take seconds

    job = partial(_in_worker, command)
    started.run(job, workers=num_workers, gpus=gpus, address=ray)


def _in_worker(command: tuple[str, ...]) -> None:
    IN_WORKERS.main(list(command), prog_name="training", standalone_mode=False)
