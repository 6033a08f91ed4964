"""Groups of commands, as `pipeline` and `training` both have them."""

import io
import sys
from typing import Any

import click

from .plain_text import printable


class Commands(click.Group):
    """A group of commands in which `-h` is help, too."""

    def __init__(self, *args: Any, **more: Any) -> None:
        more.setdefault("context_settings", {})
        more["context_settings"].setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **more)


class Console(Commands):
    """A whole command: characters that the terminal lacks are printed as escapes."""

    def main(self, *args: Any, **more: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **more)


def on_one_line(error: click.ClickException) -> click.ClickException:
    """The same error, with no line ends or escapes of what was typed."""
    told = error.format_message()
    if isinstance(error, click.UsageError):
        own_lines = error.ctx is not None and told == error.ctx.get_help()
        if own_lines or isinstance(error, click.MissingParameter):
            return error
        return click.UsageError(printable(told), error.ctx)
    return click.ClickException(printable(told))
