"""The examples that read clips run on a small store, as they are written."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def example(monkeypatch, capsys):
    """Runs a file of examples/ with arguments, and returns the lines it prints."""

    def run(name: str, *arguments: Path) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with torch.random.fork_rng():
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


def test_a_loop_of_ones_own(store, example):
    *epochs, last = example("own_training.py", store.folder)
    losses = [float(line.split()[-1]) for line in epochs]
    assert len(losses) == 3 and losses[-1] < losses[0]
    assert last.startswith("test clips: ") and last.endswith(" of 4 right")


def test_a_loss_of_ones_own(store, teacher, example):
    printed = example("own_loss.py", store.folder, teacher.folder)
    cosines = [float(line.split()[-1]) for line in printed]
    assert len(cosines) == 2
    assert 0 < cosines[1] < cosines[0] < 2


def test_the_notebook_runs(store, monkeypatch, capsys):
    """Its code cells, one after the other in one namespace, as Jupyter runs them."""
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    monkeypatch.setenv("STORE", str(store.folder))
    names: dict[str, object] = {}
    with torch.random.fork_rng():
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                assert not cell["outputs"]
                exec("".join(cell["source"]), names)  # noqa: S102  our own file
    printed = capsys.readouterr().out
    assert "classes: left, right" in printed
    assert "rgb (48, 64, 3) flow (48, 64, 2) mv (6, 8, 2)" in printed
    assert "'mv': torch.Size([2, 4, 32, 40])" in printed
    assert printed.splitlines()[-1] == "100% of 4 test clips right"


@pytest.mark.parametrize("name", ["own_training.py", "own_loss.py"])
def test_an_example_without_its_arguments_says_which_it_takes(name, example):
    with pytest.raises(SystemExit, match=rf"python examples/{name} STORE"):
        example(name)
