"""A student on the grid of vectors with two teachers, as typed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tiny_recipe import tiny_context
from tiny_runs import StopAt

from training.commands.cli import main
from training.errors import Interrupted
from training.recipes import get_recipe
from training.recipes.change import parse_changes
from training.recipes.changes import with_changes
from training.recipes.run import run_recipe
from training.runs.record import Run

DISTILL = ("distill", "--recipe", "grid_tiny", "--set", "teacher_weights.rgb=2")
OWN = ("--set", "terms.own=SoftTargets", "--set", "terms.own.teacher=rgb")


@pytest.fixture(scope="module")
def data(store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(store.folder, folder / "stores" / "moving")
    return folder


@pytest.fixture(autouse=True)
def _data(data, monkeypatch):
    monkeypatch.setenv("VIDEO_DATA", str(data))


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_teachers_are_trained_and_found_again_by_name_recipe_or_run(data):
    first = call(*DISTILL, *OWN, "--teacher", "flow2d_tiny,r3d_rgb_tiny", "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    run = Run(Path(told["run"]))
    assert [one["run"] for one in told["teachers"]] == [
        "moving-flow2d_tiny-split1-seed0",
        "moving-r3d_rgb_tiny-split1-seed0",
    ]
    settings = run.config().recipe.settings
    assert settings["teacher_weights"] == {"rgb": 2.0}
    assert settings["terms"]["own"]["teacher"] == "rgb"
    assert "teacher" not in settings["terms"]["soft"]  # as before there was one
    assert len(run.config().teacher) == 2
    *_, last = (line for line in run.metrics() if line["kind"] == "steps")
    assert last["own"] != last["soft"]

    shown = (
        call("teach", "--recipe", "grid_mv_tiny").stdout,
        call(*DISTILL, *OWN, "--teacher", "flow2d_tiny,r3d_rgb_tiny").stdout,
    )
    assert [text.count("  teacher ") for text in shown] == [0, 2]

    role = ("--set", "teacher_rgb=r3d_rgb_tiny")
    rgb = str(data / "runs" / "moving-r3d_rgb_tiny-split1-seed0")
    for arguments in (
        (*DISTILL, *role, *OWN),
        (*DISTILL, *role, *OWN, "--teacher-run", f"rgb={rgb}"),
        (*DISTILL, *role, *OWN, "--teacher-run", rgb),
    ):
        again = call(*arguments, "--json")
        assert again.exit_code == 0, again.output
        assert json.loads(again.stdout)["teachers"] == told["teachers"]
        assert "no complete" not in again.stderr
    for arguments, message in (
        (("--teacher-run", f"mv={rgb}"), "expected a teacher of flow, rgb, got mv"),
        (("--teacher-run", f"flow={rgb}"), "expected a teacher that sees flow"),
        (
            ("--teacher-run", rgb) * 3,
            "at most one --teacher-run for each of 2 teachers",
        ),
        (
            ("--teacher-run", rgb, "--set", "teacher_rgb:epochs=3"),
            "expected no change of a teacher of --teacher-run",
        ),
    ):
        refused = call(*DISTILL, *role, *OWN, *arguments)
        assert refused.exit_code == 1 and message in refused.stderr, refused.stderr
    assert call(*DISTILL, "--teacher", "flow,r3d_rgb_tyny").exit_code == 2


def test_an_interrupted_student_of_two_goes_on_to_the_bit(store, data, tmp_path):
    changes = parse_changes(["teacher_rgb=r3d_rgb_tiny", "batch_size=2"])
    recipe = with_changes(get_recipe("grid_tiny"), changes)
    found = {
        name: data / "runs" / f"moving-{name}-split1-seed0"
        for name in ("flow2d_tiny", "r3d_rgb_tiny")
    }
    needed = dict(zip(recipe.needs, map(Run, found.values()), strict=True))
    whole = run_recipe(recipe, tiny_context(store, tmp_path / "a"), needed=needed)
    stopped = tiny_context(store, tmp_path / "b", reporter=StopAt(3))
    with pytest.raises(Interrupted):
        run_recipe(recipe, stopped, needed=needed)
    torch.manual_seed(99)
    again = run_recipe(recipe, tiny_context(store, tmp_path / "b"), needed=needed)
    ours, theirs = (
        torch.load(run.path("model.pt"), weights_only=True) for run in (whole, again)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
