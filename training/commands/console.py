"""The group of the `training` commands, each of which may be one of several processes."""

import shlex
import sys
from typing import NoReturn

import click

from motion_shards.console import Console
from motion_shards.interruption import EXIT_CODE
from motion_shards.plain_text import printable

from ..errors import Interrupted
from .several_processes import is_first, let_the_first_say


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
