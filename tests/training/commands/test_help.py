"""What `--help` says of defaults that no option shows."""

import pytest
from click.testing import CliRunner

from training.commands.cli import main
from training.recipes import default_name, default_system


def help_of(command: str) -> str:
    told = CliRunner().invoke(main, [command, "--help"], terminal_width=400).output
    return " ".join(told.split())


@pytest.mark.parametrize("command", ["motion", "fuse", "collaborate"])
def test_help_names_the_recipe_of_a_system_without_one(command):
    assert f"is {default_system(command, 'paper')}." in help_of(command)


def test_help_of_teach_names_the_recipe_of_each_modality():
    told = help_of("teach")
    for modality in ("flow", "mv", "rgb"):
        assert default_name("paper", teach=modality) in told.partition("Options:")[0]
