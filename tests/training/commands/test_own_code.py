"""Files of the user's own: run where they are named, copied into runs, never run by reading."""

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.commands.cli import main
from training.errors import RunError
from training.models import user_files, user_nets
from training.report.runs_table import runs_below
from training.runs.record import Run
from training.runs.trained import trained_model

SOURCE = """
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from training.losses.terms import Outputs, Term, pairs
from training.recipes import get_recipe

Path(__file__).with_name("has_run").write_text("x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Term):
    weight: float = 1.0
    taps: tuple[str, ...] = ("avgpool",)

    def __call__(self, student: Outputs, teacher: Outputs):
        found = pairs(student, teacher, self.taps)
        return torch.stack(
            [1 - F.cosine_similarity(a.flatten(1), b.flatten(1)).mean() for a, b in found]
        ).mean()


class Small(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Conv3d(channels, 4, 3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(4, classes)

    def forward(self, clips):
        return self.fc(self.avgpool(self.stem(clips)).flatten(1))


tiny = get_recipe("tiny")
"""


@pytest.fixture
def data(store, tmp_path, monkeypatch) -> Path:
    """A data folder with one store, as users have it, and no file that was run."""
    shutil.copytree(store.folder, tmp_path / "stores" / "moving")
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    another_process(monkeypatch)
    return tmp_path


def another_process(monkeypatch) -> None:
    """Forget the files that were run, as a new process."""
    for name in [name for name in sys.modules if name.startswith(user_files.MODULES)]:
        monkeypatch.delitem(sys.modules, name)
    for table in (user_files.FILES, user_files.OWNERS, user_nets.REGISTERED):
        table.clear()


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def done(*arguments: str):
    told = call(*arguments)
    assert told.exit_code == 0, told.output
    return told


def test_a_net_and_a_loss_of_a_file(data, monkeypatch):
    path = data / "mine.py"
    path.write_text(SOURCE)
    teach = ("teach", "--recipe", "tiny", "--modality", "flow", "--set", "epochs=1")
    told = done(*teach, "--set", f"model.net={path}:Small", "--json")
    teacher = Run(Path(json.loads(told.stdout)["run"]))
    digest = sha256(SOURCE.encode()).hexdigest()
    assert teacher.config().code == {"mine.py": digest}
    assert (teacher.path("code") / "mine.py").read_text() == SOURCE
    assert teacher.config().net == "mine.py:Small"

    plain = done(*teach, "--json")
    assert Run(Path(json.loads(plain.stdout)["run"])).config().code is None
    another_process(monkeypatch)
    distill = ("distill", "--recipe", "tiny", "--set", "epochs=1")
    nets = ("--set", "student.net=mine.py:Small", "--set", "teacher.net=mine.py:Small")
    terms = ("--set", "terms=off", "--set", "terms.far=Cosine")
    needed = ("--set", "teacher:epochs=1")
    told = done(*distill, *nets, *terms, *needed, "--code", str(path), "--json")
    assert "no complete flow teacher" not in told.stderr, "the same file, found again"
    student = Run(Path(json.loads(told.stdout)["run"]))
    assert set(student.setting("terms")) == {"far"}
    assert any("far" in line.get("losses", line) for line in student.metrics())

    another_process(monkeypatch)
    for arguments in (
        ("evaluate", str(student.folder)),
        ("features", str(student.folder), "--out", str(data / "f.npz")),
        (*distill, "--teacher-run", str(teacher.folder), "--set", "terms.x=Cosine"),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1, refused.output
        assert "--code" in refused.stderr or "expected a loss among" in refused.stderr
        assert "Traceback" not in refused.stderr
    copy = student.path("code") / "mine.py"
    judged = call("evaluate", str(student.folder))
    assert f"give --code {copy}" in judged.stderr
    done("evaluate", str(student.folder), "--code", str(copy))

    another_process(monkeypatch)
    path.write_text(SOURCE + "# other\n")
    other = call("evaluate", str(student.folder), "--code", str(path))
    assert other.exit_code == 1
    assert "expected the mine.py of the training (SHA-256" in other.stderr
    again = done(*distill, *nets, *terms, *needed, "--code", str(path), "--json")
    assert json.loads(again.stdout)["run"] != str(student.folder), "another text"


def test_reading_a_run_never_runs_its_code(data, monkeypatch):
    """Neither its copies nor the file that it names, whatever recipe.json says."""
    path = data / "mine.py"
    path.write_text(SOURCE)
    told = done(
        "teach", "--recipe", "tiny", "--set", f"model.net={path}:Small",
        "--set", "epochs=1", "--json",
    )  # fmt: skip
    run = Run(Path(json.loads(told.stdout)["run"]))
    ran = data / "has_run"
    ran.unlink()
    (run.path("code") / "mine.py").write_text(SOURCE)
    another_process(monkeypatch)
    monkeypatch.chdir(data)
    assert any(one.folder == run.folder for one in runs_below(data / "runs"))
    with pytest.raises(RunError, match="runs only where it is named"):
        trained_model(run)
    done("runs", str(data / "runs"))
    done("report", str(run.folder), "--out", str(data / "report"))
    assert call("evaluate", str(run.folder)).exit_code == 1
    again = call("teach", "--recipe", "tiny", "--set", "model.net=mine.py:absent")
    assert "expected a function absent" in again.stderr, "named: it runs"
    assert ran.exists() and not (run.path("code") / "has_run").exists()


def test_recipes_of_files_are_trained_and_shown(data, monkeypatch):
    toml = data / "mine.toml"
    printed = done("recipes", "mv_tiny", "--toml").stdout
    assert printed.startswith('from = "mv_tiny"\n')
    toml.write_text(printed)
    first = done("teach", "--recipe", "mv_tiny", "--json")
    same = done("teach", "--recipe", str(toml), "--json")
    assert json.loads(same.stdout)["run"] == json.loads(first.stdout)["run"]
    toml.write_text('name = "mine"\n' + printed.replace("epochs = 2", "epochs = 1"))
    other = done("teach", "--recipe", str(toml), "--json")
    run = Run(Path(json.loads(other.stdout)["run"]))
    assert run.folder.name == "moving-mine-split1-seed0"
    assert (run.setting("epochs"), run.machine().changes) == (1, ("epochs=1",))
    assert "mine: ClarifaiNet" in done("recipes", str(toml)).stdout

    path = data / "lab.py"
    path.write_text(SOURCE + "\nRECIPE = replace(tiny.settings, epochs=1)\n")
    told = done("distill", "--recipe", str(path), "--json")
    run = Run(Path(json.loads(told.stdout)["run"]))
    assert run.folder.name == "moving-lab-split1-seed0"
    digest = sha256(path.read_bytes()).hexdigest()
    assert run.machine().code == {"lab.py": digest}
    assert (run.path("code") / "lab.py").read_bytes() == path.read_bytes()
    assert run.config().code is None, "its net and losses are ours"
    done("evaluate", str(run.folder))
    for arguments, message in (
        (
            ("teach", "--recipe", str(toml), "--size", "small"),
            "expected no --size small",
        ),
        (("teach", "--recipe", str(data / "no.toml")), "expected a file with a recipe"),
        (("recipes", str(path), "--toml"), "expected a recipe of `training recipes`"),
        (("evaluate", str(run.folder), "--code", str(toml)), "whose name ends in .py"),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1 and message in refused.stderr, refused.output


def test_an_error_in_a_net_of_a_file_names_its_line_and_leaves_no_folder(data):
    """A net that looks at values runs without them as little as one that is wrong."""
    path = data / "looks.py"
    forward = "        return self.fc(self.avgpool(self.stem(clips)).flatten(1))"
    assert forward in SOURCE
    value = "        assert clips.abs().max().item() < 1e9"
    path.write_text(SOURCE.replace(forward, f"{value}\n{forward}"))
    teach = ("teach", "--recipe", "tiny", "--modality", "flow", "--set", "epochs=1")
    wrong = data / "wrong.py"
    wrong.write_text(SOURCE.replace("nn.Linear(4,", "nn.Linear(5,"))
    refused = call(*teach, "--set", f"model.net={wrong}:Small")
    line = SOURCE[: SOURCE.index(forward)].count("\n") + 1
    assert refused.exit_code == 1
    assert f"(wrong.py, line {line})" in refused.stderr and "shapes" in refused.stderr
    assert not list(data.rglob("recipe.json"))
    done(*teach, "--set", f"model.net={path}:Small")
