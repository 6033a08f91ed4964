"""`--set` as typed: another run, found again, its teacher looked up, and reports apart."""

import json
import shutil
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.commands.cli import main
from training.errors import RunError
from training.reproduce.plan import Stage, recipe_of_stage
from training.reproduce.run import reproduce
from training.runs.progress import SilentReporter
from training.runs.record import Run


@pytest.fixture
def data(store, tmp_path, monkeypatch) -> Path:
    """A data folder with one store, as users have it."""
    shutil.copytree(store.folder, tmp_path / "stores" / "moving")
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def done(*arguments: str) -> str:
    told = call(*arguments)
    assert told.exit_code == 0, told.output
    return told.stderr


def folders(data: Path) -> set[str]:
    return {path.name for path in (data / "runs").iterdir()}


def test_another_setting_is_another_run_and_is_found_again(data):
    teach = ("teach", "--recipe", "mv_tiny")
    said = done(*teach, "--set", "epochs=1", "--set", "optim.learning_rate=1e-3")
    assert "recipe mv_tiny+optim.learning_rate=0.001+epochs=1: optim.learning" in said
    done(*teach, "--set", "epochs=1")
    done(*teach)
    names = {
        "moving-mv_tiny+optim.learning_rate=0.001+epochs=1-split1-seed0",
        "moving-mv_tiny+epochs=1-split1-seed0",
        "moving-mv_tiny-split1-seed0",
    }
    assert folders(data) == names
    for again in ((), ("--set", "epochs=1"), ("--set", "epochs=2")):
        assert "complete, nothing to do" in done(*teach, *again)
    assert folders(data) == names
    run = Run(data / "runs" / "moving-mv_tiny+epochs=1-split1-seed0")
    assert run.setting("epochs") == 1
    assert len([m for m in run.metrics() if m["kind"] == "epoch"]) == 1
    assert run.machine().changes == ("epochs=1",)
    assert run.config().recipe.name == "mv_tiny+epochs=1"
    plain = Run(data / "runs" / "moving-mv_tiny-split1-seed0")
    assert "changes" not in json.loads(plain.path("recipe.json").read_text())["machine"]
    refused = call(*teach, "--out", str(run.folder))
    assert refused.exit_code == 1
    assert 'differ in recipe.name: "mv_tiny+epochs=1"' in refused.stderr
    done(*teach, "--set", "epochs=1", "--out", str(run.folder))


def test_a_teacher_is_looked_up_by_its_settings(data):
    distill = ("distill", "--recipe", "dtmv_tiny")
    done(*distill, "--set", "teacher:epochs=1")
    assert folders(data) == {
        "moving-flow2d_tiny+epochs=1-split1-seed0",
        "moving-dtmv_tiny+teacher.epochs=1-split1-seed0",
    }
    found = done(*distill, "--set", "teacher:epochs=1", "--set", "epochs=1")
    assert "no complete flow teacher" not in found
    assert "no complete flow teacher" in done(*distill, "--set", "clip.crop_px=16,20")
    assert "moving-flow2d_tiny+clip.crop_px=16,20-split1-seed0" in folders(data)
    given = str(data / "runs" / "moving-flow2d_tiny+epochs=1-split1-seed0")
    for changes, message in (
        (("teacher:epochs=3",), "expected no change of a teacher of --teacher-run"),
        (("clip.motion_gain=3",), "expected a teacher of the same clips"),
    ):
        options = [word for one in changes for word in ("--set", one)]
        refused = call(*distill, "--teacher-run", given, *options)
        assert refused.exit_code == 1 and message in refused.stderr, refused.output
    assert len(folders(data)) == 5


def test_a_recipe_is_shown_with_its_changes():
    shown = call("recipes", "dtmv_small", "--set", "epochs=3").stdout
    assert shown.startswith("dtmv_small+epochs=3: DTMV")
    assert "  schedule  3 epochs" in shown and "            epochs=3\n" in shown
    assert "terms.soft.temperature=2.0" in shown and "teacher:PATH=VALUE" in shown
    for arguments, code in (
        (("recipes", "dtmv_small", "--set", "epoch=3"), 1),
        (("recipes", "--set", "epochs=3"), 2),
        (("recipes", "dtmv_small", "--set", "epochs"), 2),
    ):
        refused = call(*arguments)
        assert refused.exit_code == code and "Traceback" not in refused.output


def test_a_fusion_of_runs_has_other_settings(data):
    runs = []
    for recipe in ("mv_tiny", "frame_tiny"):
        told = call("teach", "--recipe", recipe, "--set", "epochs=1", "--json")
        runs.append(json.loads(told.stdout)["run"])
    done("fuse", *runs)
    done("fuse", *runs, "--set", "on=logits")
    names = [name for name in folders(data) if "average" in name]
    plain = "mv_tiny+epochs=1+frame_tiny+epochs=1-average"
    assert sorted(names) == [plain, f"{plain}+on=logits"]
    refused = call("fuse", *runs, "--set", "first:epochs=1")
    assert "expected PATH=VALUE, as nothing is needed" in refused.stderr


def test_a_reproduction_with_changes_stands_alone(store, tmp_path):
    settings = {
        "size": "tiny",
        "seeds": (0,),
        "store": store,
        "splits": ("1",),
        "out": tmp_path / "report",
        "rows": ("ti",),
        "machine": {"device": "cpu", "precision": "float32", "workers": 0},
        "controls": False,
        "reporter": SilentReporter(),
    }
    state = reproduce("dtmv", **settings, changes=("epochs=1",))
    assert set(state.recipe_of or ()) == {"ti", "flow2d"}
    assert state.recipe_of["ti"] == "ti_tiny+epochs=1+teacher.epochs=1"
    assert all(Run(Path(one)).setting("epochs") == 1 for one in state.runs.values())
    assert "ti" in json.loads((tmp_path / "report/table.json").read_text())["systems"]
    with pytest.raises(RunError, match="with changes None, but it has changes"):
        reproduce("dtmv", **settings)
    for page in ("report.html", "report.md"):
        text = (tmp_path / "report" / page).read_text()
        assert "With other settings than the recipes': epochs=1." in unescape(text)


def test_a_stage_finds_its_recipe_by_its_name():
    """In a process of its own, where recipes are made anew."""
    from training.recipes.change import parse_changes

    changes = parse_changes(["epochs=1"])
    stage = Stage("ti_tiny+epochs=1+teacher.epochs=1", 0, "1")
    assert recipe_of_stage(stage, changes).name == stage.recipe
