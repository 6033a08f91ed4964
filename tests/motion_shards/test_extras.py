"""A library of an extra that is missing: one line names the extra; bugs stay bugs."""

import importlib
import sys
import types

import click
import pytest
from click.testing import CliRunner, Result

from motion_shards import extras
from motion_shards.console import Commands, Console
from motion_shards.extras import CUDA, EXTRAS, extra_of, is_there
from pipeline.flow import gpu_solver
from pipeline.flow.errors import FlowError
from training.commands.cli import Cli


def ended(group: type[Console], module: str, *words: str) -> Result:
    """A command `tool` that imports a module, after its words."""

    @click.group(cls=group)
    def tool() -> None:
        pass

    @click.group(cls=Commands)
    def inner() -> None:
        pass

    @click.command()
    def load() -> None:
        importlib.import_module(module)

    tool.add_command(inner)
    for each in (tool, inner):
        each.add_command(load)
    return CliRunner().invoke(tool, words, prog_name="tool")


@pytest.mark.parametrize("group", [Console, Cli])
@pytest.mark.parametrize("words", [["load"], ["inner", "load"]])
def test_a_command_names_the_extra_that_it_needs(group, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    result = ended(group, "torch", *words)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: tool {' '.join(words)} needs PyTorch:"
        " pip install 'motion-shards[training]'\n"
    )


@pytest.mark.parametrize("module", ["absent_library", "torchvision.absent"])
def test_other_modules_that_are_not_there_are_bugs(module):
    result = ended(Console, module, "load")
    assert isinstance(result.exception, ModuleNotFoundError)
    assert result.stderr == ""


def test_a_module_that_was_made_by_hand_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", types.ModuleType("timm"))
    assert is_there("timm") and extra_of("timm.models") is None
    monkeypatch.setitem(sys.modules, "timm", None)
    assert extra_of("timm.models") == extras.TIMM


def test_every_module_is_of_one_extra():
    modules = [module for extra in EXTRAS for module in extra.modules]
    assert len(modules) == len(set(modules))


def test_flow_on_a_gpu_names_its_extra(monkeypatch):
    monkeypatch.setattr(extras, "is_there", lambda module: module != "numba_cuda")
    assert not CUDA.installed
    with pytest.raises(FlowError) as error:
        gpu_solver()
    assert str(error.value) == (
        "flow back end cuda needs numba-cuda: pip install 'motion-shards[cuda]'"
    )
