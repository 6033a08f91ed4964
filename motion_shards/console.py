"""Groups of commands, as `pipeline` and `training` both have them."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, NoReturn

import click

from .errors import MissingExtra, MotionShardsError
from .extras import extra_of
from .interruption import EXIT_CODE, as_ctrl_c
from .plain_text import error_text, printable, printable_lines

STANDARD_OUTPUT = "standard output"
"""Its name in errors of writing."""


class Commands(click.Group):
    """A group of commands in which `-h` is help, too.

    A command that needs a library of an extra which is not installed names the extra.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        more.setdefault("context_settings", {})
        more["context_settings"].setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = extra_of(error.name or "")
            if extra is None:
                raise
            command = f"{ctx.command_path} {ctx.invoked_subcommand or ''}".rstrip()
            raise MissingExtra(extra.needed_by(command)) from error


class Console(Commands):
    """A whole command. Expected errors are one line; bugs keep their traceback.

    Ctrl-C, SIGTERM and SIGHUP end it with a line and exit code 130. Characters that the
    terminal lacks are printed as escapes.
    """

    interruptions: tuple[type[BaseException], ...] = (KeyboardInterrupt,)
    """Exceptions that are no errors: the user has stopped the command."""

    def main(self, *args: Any, **more: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        _name_standard_output()
        try:
            return super().main(*args, **more)
        except BrokenPipeError:
            raise
        except OSError as error:  # of --help
            if error.filename != STANDARD_OUTPUT:
                raise
            _give_up_standard_output()
            click.echo(f"Error: {error_text(error)}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with as_ctrl_c():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # a closed pipe (`| head`): click ends silently
        except self.interruptions as error:
            self.interrupted(error)
        except click.ClickException as error:
            self.source(error)
            raise on_one_line(error) from error
        except (MotionShardsError, OSError) as error:
            line = self.source(error) + error_text(error)
            if getattr(error, "filename", "") == STANDARD_OUTPUT:
                _give_up_standard_output()
            for note in getattr(error, "__notes__", ()):
                click.echo(printable_lines(note), err=True)
            raise click.ClickException(printable(line)) from error

    def source(self, error: Exception) -> str:
        """The start of an error's line: where it comes from, if not from this process."""
        return ""

    def interrupted(self, error: BaseException) -> NoReturn:
        """End the command after one of `interruptions`."""
        with suppress(OSError):  # the terminal may be gone
            click.echo(printable(str(error) or "interrupted"), err=True)
        raise click.exceptions.Exit(EXIT_CODE) from None


def _name_standard_output() -> None:
    """Have errors of writing to standard output name it, as those of files name theirs."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and "write" not in vars(stream):
        vars(stream)["write"] = _naming(stream.write)
        vars(stream)["flush"] = _naming(stream.flush)


def _naming(write: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(write)
    def named(*args: Any) -> Any:
        try:
            return write(*args)
        except OSError as error:
            error.filename = STANDARD_OUTPUT
            raise

    return named


def _give_up_standard_output() -> None:
    """Drop what could not be written: Python tries it again when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def on_one_line(error: click.ClickException) -> click.ClickException:
    """The same error, with no line ends or escapes of what was typed."""
    told = error.format_message()
    if isinstance(error, click.UsageError):
        own_lines = error.ctx is not None and told == error.ctx.get_help()
        if own_lines or isinstance(error, click.MissingParameter):
            return error
        return click.UsageError(printable(told), error.ctx)
    return click.ClickException(printable(told))
