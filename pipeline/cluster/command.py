"""A command line of ours -> the same one for another machine and another folder."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import click

from motion_shards.store_address import StoreAddress, is_address, local_path

PROGRAMS = ("pipeline", "training")


def elsewhere(words: Sequence[str], *, folder: Path) -> list[str]:
    """The command with its relative paths made absolute, starting from a folder.

    The types of the command's own options tell which values are paths. `pipeline` may be
    left out.

    Args:
        words: `pipeline extract ...`, `extract ...` or `training distill ...`.
        folder: absolute; where the user is.

    Raises:
        click.UsageError: not a command of ours, or one without such an option.
    """
    if not words:
        raise click.UsageError("expected a command, such as `pipeline extract ...`")
    if words[0] not in PROGRAMS:
        words = ["pipeline", *words]
    program, *rest = words
    command = _program(program)
    context = click.Context(command, info_name=program, **command.context_settings)
    known = [program]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(
                f"expected a command of `{' '.join(known)}` "
                f"({', '.join(command.list_commands(context))}), got {name!r}"
            )
        command = found
        context = click.Context(
            found, info_name=name, parent=context, **found.context_settings
        )
        known.append(name)
    # Refuse what click itself would refuse.
    command.make_parser(context).parse_args(list(rest))
    return [*known, *_absolute(rest, command.params, folder)]


def _program(name: str) -> click.Command:
    """The click command of a program by its name: this package does not import the other."""
    return import_module(f"{name}.commands.cli").main


def _absolute(
    words: Sequence[str], params: Sequence[click.Parameter], folder: Path
) -> Iterator[str]:
    options = {
        name: param
        for param in params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    arguments = [param for param in params if isinstance(param, click.Argument)]
    left, place, only_arguments = iter(words), 0, False
    for word in left:
        name, equals, value = word.partition("=")
        option = None if only_arguments else options.get(name)
        if option is not None and equals:
            yield f"{name}={_value(value, option, folder)}"
        elif option is not None:
            yield word
            if not (option.is_flag or option.count):
                for _ in range(option.nargs):
                    yield _value(next(left), option, folder)
        elif word.startswith("-") and not only_arguments:
            only_arguments = word == "--"
            yield word
        else:
            here = arguments[min(place, len(arguments) - 1)] if arguments else None
            place += 1
            yield _value(word, here, folder)


def _value(text: str, param: click.Parameter | None, folder: Path) -> str:
    kind = param.type if param is not None else None
    if isinstance(kind, StoreAddress) and not is_address(text):
        return str(folder / local_path(text))
    if isinstance(kind, click.Path):
        return str(folder / text)
    return text
