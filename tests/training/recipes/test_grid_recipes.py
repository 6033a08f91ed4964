"""Students on the grid of vectors, trained at size tiny."""

from dataclasses import replace

import pytest
from tiny_recipe import tiny_context

from training.errors import RecipeError
from training.experiments.evaluate import evaluate
from training.recipes import get_recipe
from training.recipes.change import parse_changes
from training.recipes.changes import with_changes
from training.recipes.run import run_recipe
from training.run_files.run_config import read_recipe
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.trained import trained_model


def test_vectors_on_their_grid_learn_from_flow(store, tmp_path):
    context = tiny_context(store, tmp_path)
    run = run_recipe(get_recipe("grid_tiny"), context)
    names = sorted(folder.name for folder in tmp_path.iterdir())
    assert names == [
        "moving-flow2d_tiny-split1-seed0",
        "moving-grid_tiny-split1-seed0",
    ]
    model, sees = trained_model(run)
    assert sees.net == "grid_tiny" and model.fc.out_features == 2
    results = run.results()
    assert results.test.top1.mean is not None
    again = evaluate(
        run, store=store, crops=3, machine=Machine(), reporter=SilentReporter()
    )
    assert again is not None
    assert read_recipe(run.folder).run.recipe.name == "grid_tiny"
    assert run_recipe(get_recipe("grid_tiny"), context).folder == run.folder


@pytest.mark.parametrize("name", ["grid_mv_tiny", "grid_attention_tiny"])
def test_the_others_train_too(store, tmp_path, name):
    run = run_recipe(get_recipe(name), tiny_context(store, tmp_path))
    assert run.results().test.top1.mean is not None


def test_cells_and_nets_of_cells_go_together():
    settings = get_recipe("grid_small").settings
    with pytest.raises(RecipeError, match="expected clips with cells"):
        replace(settings, clip=replace(settings.clip, cells=None))
    painted = get_recipe("mv_small").settings
    with pytest.raises(RecipeError, match="expected clips without cells"):
        replace(painted, clip=replace(painted.clip, cells=(5, 6)))


def test_a_teacher_on_flow_is_the_same_for_other_values_of_cells():
    changes = parse_changes(["clip.cell_values=log"])
    recipe = with_changes(get_recipe("grid_small"), changes)
    assert recipe.settings.clip.cell_values == "log"
    assert recipe.needs["teacher"] == get_recipe("grid_small").needs["teacher"]
    taught = with_changes(recipe, parse_changes(["teacher_mv=grid_mv_small"]))
    assert taught.needs["teacher_mv"].settings.clip.cell_values == "log"


def test_a_grid_covers_what_the_crop_shows():
    """Cells of 8 px of the frames that a size is for, 256 or 120 px high."""
    for name, height in (("grid", 256), ("grid_medium", 256), ("grid_small", 120)):
        clip = get_recipe(name).settings.clip
        short = clip.grid_short_px or clip.crop_px[0]
        for cells, px in zip(clip.cells, clip.crop_px, strict=True):
            assert cells == pytest.approx(px / short * height / 8, abs=0.5), name


def test_the_teacher_keeps_its_ten_entries_where_clips_are_longer(store, tmp_path):
    """A length that the command sets is the student's; six entries are two windows of four."""
    changes = parse_changes(["clip.length=6"])
    recipe = with_changes(get_recipe("grid_tiny"), changes)
    teacher = recipe.needs["teacher"].settings
    assert recipe.settings.clip.length == 6 and teacher.clip.length == 4
    assert recipe.settings.entries_of_teachers() == {"flow": 4}
    run = run_recipe(recipe, tiny_context(store, tmp_path))
    assert (tmp_path / "moving-flow2d_tiny-split1-seed0").is_dir()
    assert run.results().test.top1.mean is not None
    small = get_recipe("grid_small").settings
    assert small.clip_of(small.teacher).length == 10
    assert small.clip_of(small.student).length == small.clip.length == 16
