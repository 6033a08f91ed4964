"""The folder of a run."""

import pytest

from training.errors import RunError
from training.run_files.run_config import (
    RecipeSettings,
    RunConfig,
    SplitFacts,
    StartedOn,
    StoreFacts,
)
from training.runs.record import Run


def config(**settings) -> RunConfig:
    return RunConfig(
        kind="teach",
        recipe=RecipeSettings(name="tiny", settings=settings),
        model={"net": "r3d_tiny", "sees": "flow"},
        modalities=("flow",),
        store=StoreFacts(dataset="demo", classes=("a", "b")),
        split=SplitFacts(name="1", kind="lists", videos="0"),
        seed=0,
        precision="float32",
    )


def test_a_run_goes_on_with_its_recipe_and_refuses_another(tmp_path):
    folder = tmp_path / "runs" / "a"
    Run.open(folder, config(epochs=3), machine=StartedOn(threads=1))
    again = Run.open(folder, config(epochs=3), machine=StartedOn(threads=2))
    assert again.machine() == StartedOn(threads=1)
    with pytest.raises(
        RunError, match="a: expected a run of this recipe, .*epochs: 3, 4"
    ):
        Run.open(folder, config(epochs=4), machine=StartedOn())


def test_folders_that_are_something_else_are_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(RunError, match="expected a run or an empty folder"):
        Run.open(tmp_path, config(epochs=3), machine=StartedOn())
    assert [entry.name for entry in tmp_path.iterdir()] == ["photo.jpg"]
    with pytest.raises(RunError, match="expected a run, but it has no recipe.json"):
        Run(tmp_path).config()
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(RunError, match="recipe.json: expected JSON"):
        Run(tmp_path).config()
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(RunError, match="recipe.json: expected an object, got a list"):
        Run(tmp_path).config()


def test_lines_after_a_checkpoint_are_forgotten(tmp_path):
    run = Run.open(tmp_path / "run", {}, machine={})
    assert run.metrics() == []
    run.log(kind="steps", epoch=0, step=2)
    run.log(kind="epoch", epoch=0, step=4, seconds=1.0, waited=0.0)
    run.log(kind="steps", epoch=1, step=6)
    run.log(kind="epoch", epoch=1, step=8, seconds=1.0, waited=0.0)
    with open(run.path("metrics.jsonl"), "a") as file:
        file.write('{"kind": "st')  # the process was killed here
    assert len(run.metrics()) == 4
    run.forget_after(8, 1)
    assert [line["step"] for line in run.metrics()] == [2, 4, 6]
    run.forget_after(4, 1)
    assert [line["step"] for line in run.metrics()] == [2, 4]
    assert run.path("metrics.jsonl").read_text().endswith("\n")
