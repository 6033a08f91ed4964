"""Options that stand on a command line, apart from those that have their default."""

from collections.abc import Collection, Iterator

import click
from click.core import ParameterSource


def given_options(context: click.Context, names: Collection[str]) -> Iterator[str]:
    """The options of these names that were given, as they are typed: "--hop", "--all"."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in names:
            continue
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            off = parameter.secondary_opts and not context.params[name]
            yield (parameter.secondary_opts if off else parameter.opts)[0]
