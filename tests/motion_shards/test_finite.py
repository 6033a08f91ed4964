"""Numbers that are none do not pass as options."""

import click
import pytest

from motion_shards.finite import FiniteRange


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_only_finite_numbers_pass(text):
    with pytest.raises(click.BadParameter, match="finite|range"):
        FiniteRange(0).convert(text, None, None)
    assert FiniteRange(0).convert("2.5", None, None) == 2.5


def test_no_command_takes_a_range_that_lets_nan_pass():
    from pipeline.commands.cli import main as pipeline
    from training.commands.cli import main as training

    def options(command):
        for each in getattr(command, "commands", {}).values():
            yield from options(each)
        yield from command.params

    floats = [
        option
        for command in (pipeline, training)
        for option in options(command)
        if isinstance(option.type, click.types.FloatParamType)
    ]
    assert len(floats) > 5
    assert {
        option.name for option in floats if type(option.type) is not FiniteRange
    } == set()
