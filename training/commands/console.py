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

RESUMED = {
    "collaborate",
    "distill",
    "features",
    "fuse",
    "motion",
    "ray-train",
    "reproduce",
    "sweep",
    "teach",
}
"""Commands that go on where they were interrupted; `predict` does so with --results."""


class Cli(Console):
    """The command of a training, which may be one of several processes."""

    interruptions = (Interrupted, KeyboardInterrupt)

    def source(self, error: Exception) -> str:
        return let_the_first_say(error)

    def interrupted(self, error: BaseException) -> NoReturn:
        text, resumes = str(error), _resumes()
        if resumes and not text:
            text = "stopped; run the same command to resume"
        if is_first():
            click.echo(
                printable(f"Interrupted: {text}" if text else "Interrupted"), err=True
            )
            if resumes:
                again = shlex.join(["training", *sys.argv[1:]])
                click.echo(f"Resume with: {printable(again)}", err=True)
        raise SystemExit(EXIT_CODE) from None


def _resumes() -> bool:
    """Whether the command that was typed goes on where it was interrupted."""
    name = click.get_current_context().invoked_subcommand
    results = any(word.startswith("--results") for word in sys.argv)
    return name in RESUMED or name == "predict" and results
