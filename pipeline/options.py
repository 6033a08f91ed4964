"""What the commands of `pipeline` share: option types, groups of options, one-line errors."""

import io
import sys
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from .interruption import EXIT_CODE, as_ctrl_c

DATASETS = ("hmdb51", "ucf101", "thumos14", "folder", "list", "demo")
MODALITIES = ("rgb", "flow", "mv")
PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow"),
)
ExistingFolder = click.Path(exists=True, file_okay=False, path_type=Path)
ExistingFile = click.Path(exists=True, dir_okay=False, path_type=Path)
AnyPath = click.Path(path_type=Path)


class Commands(click.Group):
    """A group of commands: `-h` is help, and a command that is not there has neighbours."""

    def __init__(self, *args: Any, **more: Any) -> None:
        more.setdefault("context_settings", {})
        more["context_settings"].setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **more)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), n=3)
            if not close or "id you mean" in error.message:
                raise
            said = f"{error.message} Did you mean {' or '.join(close)}?"
            raise click.UsageError(said, ctx) from error


class Cli(Commands):
    """Shows our own errors as one line. Bugs keep their traceback.

    Ctrl-C, SIGTERM and SIGHUP end a command with a line and exit code 130.
    """

    def main(self, *args: Any, **more: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # characters it lacks: escapes
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with as_ctrl_c():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as stopped:
            from pipeline.store import printable

            with suppress(OSError):  # the terminal may be gone
                click.echo(printable(str(stopped) or "interrupted"), err=True)
            raise click.exceptions.Exit(EXIT_CODE) from None
        except click.ClickException as error:
            raise _on_one_line(error) from error
        except Exception as error:
            from pipeline.store import printable, printable_lines

            if isinstance(error, OSError) and error.filename and error.strerror:
                line = f"{error.filename}: {error.strerror}"
            elif isinstance(error, _our_errors()):
                line = str(error)
            else:
                raise
            for note in getattr(error, "__notes__", ()):
                click.echo(printable_lines(note), err=True)
            raise click.ClickException(printable(line)) from error


def _on_one_line(error: click.ClickException) -> click.ClickException:
    """The same error, with no line ends or escapes of what was typed."""
    from pipeline.store import printable

    told = error.format_message()
    if isinstance(error, click.UsageError):
        own_lines = error.ctx is not None and told == error.ctx.get_help()
        if own_lines or isinstance(error, click.MissingParameter):
            return error
        return click.UsageError(printable(told), error.ctx)
    return click.ClickException(printable(told))


def _our_errors() -> tuple[type[BaseException], ...]:
    # here, because --help must not wait for numpy and h5py
    from motion_shards.address import ClusterError
    from pipeline.adapters.errors import DatasetError
    from pipeline.extract.errors import VideoError
    from pipeline.flow.errors import FlowError
    from pipeline.plan import PlanError
    from pipeline.publish import SourceChanged
    from pipeline.retries import ExtractionError
    from pipeline.store.errors import StoreError

    return (
        ClusterError,
        DatasetError,
        ExtractionError,
        FlowError,
        OSError,
        PlanError,
        SourceChanged,
        StoreError,
        VideoError,
    )


class CommaList(click.ParamType):
    """`a,b,c`, optionally held to a set of words."""

    name = "a,b,c"

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self._words = words

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(n.strip() for n in value.split(",") if n.strip()))
        strange = [name for name in names if self._words and name not in self._words]
        if strange or (self._words and not names):
            self.fail(
                f"expected some of {', '.join(self._words)}, got {value!r}", param, ctx
            )
        return names


def dataset_options(command: Any) -> Any:
    """The options that say which videos."""
    for option in reversed(
        (
            click.option(
                "--dataset",
                type=click.Choice(DATASETS),
                required=True,
                help="How the folder is organised.",
            ),
            click.option(
                "--name",
                "called",
                metavar="NAME",
                help="What a data set of your own (folder, list) is called, as is its "
                "store. [default: the name of its folder]",
            ),
            click.option(
                "--videos",
                type=AnyPath,
                help="The data set as unpacked; for `list`, the folder its paths start "
                "from. [default: $VIDEO_DATA/videos/NAME, NAME being DATASET without --name]",
            ),
            click.option(
                "--splits",
                type=AnyPath,
                help="Split lists; for `list`, the list file. "
                "[default: $VIDEO_DATA/splits/NAME]",
            ),
            click.option(
                "--holdout",
                type=click.FloatRange(0, 1, min_open=True, max_open=True),
                help="Share of the groups for a test part of your own, where there are "
                "no official lists.",
            ),
            click.option("--seed", default=0, show_default=True, help="Of --holdout."),
            click.option(
                "--limit",
                type=click.IntRange(1),
                help="At most so many videos, spread over the classes.",
            ),
            click.option(
                "--classes",
                multiple=True,
                metavar="CLASS,...",
                help="Only these classes; may be repeated. A name with a comma stands "
                "alone or in double quotes.",
            ),
        )
    ):
        command = option(command)
    return command
