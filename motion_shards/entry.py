"""Entry points of the commands `pipeline` and `training`.

In a package with a name that nobody else uses: it is found where ours are hidden behind a
user's own `pipeline.py`, and can say so.
"""

import sys
from importlib import import_module

import click

from motion_shards.errors import Shadowed
from motion_shards.packages import require_own_package
from motion_shards.variables import unpack


def pipeline() -> None:
    """Run the `pipeline` command."""
    _command("pipeline")()


def training() -> None:
    """Run the `training` command."""
    _command("training")()


def _command(name: str) -> click.Command:
    unpack()
    try:
        require_own_package(name)
    except Shadowed as error:
        sys.exit(f"Error: {error}")
    return import_module(f"{name}.commands.cli").main
