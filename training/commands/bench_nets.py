"""The command that measures networks without data."""

import json

import click

from .options import DEVICE, JSON


@click.command("nets")
@click.option(
    "--net",
    "nets",
    multiple=True,
    metavar="NET",
    help="Network to measure; may be repeated.  [default: one of each family]",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Steps of training and evaluations that count, of each network.",
)
@DEVICE
@JSON
def bench_nets(nets: tuple[str, ...], rounds: int, device: str, as_json: bool) -> None:
    """Measure the clips per second of networks at their usual sizes.

    Weights are drawn at random and clips are noise, so neither a store nor a run is
    needed. On a CPU it is the CPU time of one core that counts, some minutes for all; on
    a GPU the clock.

    \b
    training bench nets --net r3d_18 --net grid
    """
    from ..bench import nets as measured  # here, because torch takes two seconds
    from ..run_files.json_dataclasses import to_json

    found = measured.measure(nets or measured.FAMILIES, rounds=rounds, device=device)
    click.echo(json.dumps(to_json(found)) if as_json else measured.text(found))
