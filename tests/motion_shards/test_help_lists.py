"""The lists of commands that `--help` shows."""

from collections.abc import Iterator
from importlib import import_module

import click
import pytest

COLUMNS = 78
"""Width of click's help on a terminal of 80 columns."""


def groups(group: click.Group) -> Iterator[click.Group]:
    """A group, and those in it."""
    yield group
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from groups(command)


@pytest.mark.parametrize("name", ["pipeline", "training"])
def test_no_line_of_a_list_of_commands_is_cut_off(name: str) -> None:
    cut = [
        short
        for group in groups(import_module(f"{name}.commands.cli").main)
        for command in group.commands.values()
        if (
            short := command.get_short_help_str(
                COLUMNS - 6 - max(map(len, group.commands))
            )
        ).endswith("...")
    ]
    assert cut == []
