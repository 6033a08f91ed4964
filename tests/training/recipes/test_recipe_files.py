"""Recipes as TOML, and of Python files: read back whole, and refused in one line."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from training.errors import RecipeError
from training.losses.attention import AttentionTransfer
from training.recipes import get_recipe, recipe_names, to_distill, to_teach
from training.recipes.change import parse_changes
from training.recipes.changes import with_changes
from training.recipes.files import own_recipe, recipe_named
from training.recipes.toml_recipes import from_toml, to_toml
from training.run_files.settings_json import as_json

MINE = """
from = "dtmv_small"
name = "mine"
epochs = 40
label_weight = 2
[optim]
learning_rate = 3e-4
milestones = [0.5, 0.75]
[optim.rates]
"conv1." = 0
[clip]
crop_px = [48, 64]
[terms.soft]
temperature = 3
[terms.map]
is = "AttentionTransfer"
taps = ["conv4", "conv5"]
[balance]
[needs.teacher]
epochs = 20
"""


@pytest.mark.parametrize("size", ["", "_small", "_tiny", "_medium"])
def test_every_recipe_reads_back_equal(size):
    names = [n for n in recipe_names() if n.endswith(size) or not size]
    assert len(names) > 10
    for name in names[:: 1 if size else 7]:
        recipe = get_recipe(name)
        text = to_toml(recipe)
        assert from_toml(text) == recipe, name
        assert tomllib.loads(text)["from"] == name


def test_a_changed_recipe_reads_back_equal():
    texts = (
        "epochs=3",
        "optim.rates.conv1.=0",
        'student.weights=a "b\\\\ é.pth',
        "init=none",
        "terms.map=AttentionTransfer",
        "terms.map.taps=conv3",
        "teacher:optim.learning_rate=0.5",
    )
    recipe = with_changes(get_recipe("dtmv_small"), parse_changes(texts))
    assert len(recipe.changes) == len(texts)
    found = from_toml(to_toml(recipe))
    assert found == recipe and found.name == recipe.name


def test_a_file_has_the_settings_that_differ():
    found, usual = from_toml(MINE), get_recipe("dtmv_small")
    assert found.name == "mine"
    assert found.settings == replace(
        usual.settings,
        epochs=40,
        label_weight=2.0,
        optim=replace(
            usual.settings.optim,
            learning_rate=3e-4,
            milestones=(0.5, 0.75),
            rates={"conv1.": 0.0},
        ),
        clip=replace(usual.settings.clip, crop_px=(48, 64)),
        terms={
            "soft": replace(usual.settings.terms["soft"], temperature=3.0),
            "map": AttentionTransfer(taps=("conv4", "conv5")),
        },
        balance={},
    )
    teacher = found.needs["teacher"]
    assert (teacher.settings.epochs, teacher.settings.clip.crop_px) == (20, (48, 64))
    assert "terms.deep=off" in found.changes and "teacher.epochs=20" in found.changes
    on_top = with_changes(found, parse_changes(["epochs=5"]))
    assert on_top.name == "mine+epochs=5"


def test_settings_of_a_file_stay_for_other_modalities():
    """Recipes for any pair of modalities are made anew for each; those of a file are not."""
    found = from_toml('from = "demo"\nepochs = 3\n[needs.teacher]\nepochs = 2\n')
    assert found.name == "demo+epochs=3+teacher.epochs=2"
    asked = to_distill(found, ("rgb",), "mv")
    assert (asked.settings.epochs, asked.settings.teacher.sees) == (3, "rgb")
    assert asked.needs["teacher"].settings.epochs == 2
    assert to_teach(found, "mv").settings.epochs == 2
    assert from_toml('from = "demo"') == get_recipe("demo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 3", 'expected from = "NAME"'),
        ("from = 3", 'expected from = "NAME"'),
        ("epochs = ", "expected TOML"),
        ('from = "dtmw"', "no recipe 'dtmw'"),
        ('from = "dtmv"\nepoch = 3', "no setting epoch: did you mean epochs?"),
        ('from = "dtmv"\nepochs = 3.5', "epochs: expected a whole number, got '3.5'"),
        ('from = "dtmv"\nepochs = 2026-01-01', "epochs: expected a number, a text or"),
        ('from = "dtmv"\n[terms.x]\nis = "No"', "expected a loss among SoftTargets"),
        ('from = "dtmv"\n[terms.x]\nweight = 1.0', "no setting terms.x"),
        ('from = "dtmv"\n[needs.other]\nepochs = 1', "(teacher), got needs.other"),
        ('from = "dtmv"\nneeds = 3', "expected tables [needs.ROLE]"),
        ('from = "dtmv"\nname = "a/b"', "expected a name of letters"),
        ('from = "dtmv"\nname = "emv"', "that no other recipe has, got 'emv'"),
        ('from = "mv"\n[model]\nnet = "x.py:f"', "give its file with --code"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    (tmp_path / "x.py").write_text("raise SystemExit('run')")
    with pytest.raises(RecipeError) as told:
        recipe_named(str(path))
    assert message in str(told.value) and str(path) in str(told.value)
    assert "\n" not in str(told.value)


PYTHON = """
from dataclasses import dataclass, replace

import torch
from torch import nn
import torch.nn.functional as F

from training.losses.terms import Outputs, Term, pairs
from training.models.backbones import BackboneConfig
from training.models.user_nets import register_net
from training.recipes import get_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Term):
    weight: float = 1.0
    taps: tuple[str, ...] = ("stem",)

    def __call__(self, student: Outputs, teacher: Outputs):
        found = pairs(student, teacher, self.taps)
        return torch.stack(
            [1 - F.cosine_similarity(a.flatten(1), b.flatten(1)).mean() for a, b in found]
        ).mean()


class Small(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Conv3d(channels, 4, 3, padding=1)
        self.fc = nn.Linear(4, classes)

    def forward(self, clips):
        return self.fc(self.stem(clips).mean((2, 3, 4)))


register_net("OWNED", Small)
usual = get_recipe("tiny").settings
"""

WITH = """
fast = replace(
    usual,
    student=BackboneConfig(net="OWNED", sees="mv"),
    teacher=BackboneConfig(net="OWNED", sees="flow"),
    terms={"cosine": Cosine()},
)
"""


def python_file(folder: Path, name: str, more: str = "") -> Path:
    """A file of its own name: a process runs one file of each name."""
    path = folder / f"{name}.py"
    path.write_text((PYTHON + more).replace("OWNED", f"net_of_{name}"))
    return path


def test_a_python_file_has_nets_losses_and_recipes(tmp_path):
    path = python_file(tmp_path, "all_of_mine", WITH)
    found = recipe_named(f"{path}:fast")
    assert found.settings == recipe_named(f"{path}:fast").settings
    assert (found.name, found.system.kind) == ("all_of_mine.fast", "distill")
    assert found.code == ("all_of_mine.py",)
    teacher = found.needs["teacher"]
    assert teacher.settings.model == found.settings.teacher
    assert teacher.settings.clip == found.settings.clip
    assert (teacher.label, teacher.code) == ("flow", ("all_of_mine.py",))
    changes = parse_changes(["terms.more=Cosine", "terms.more.weight=3", "epochs=1"])
    more = with_changes(found, changes)
    assert more.settings.terms["more"].weight == 3
    assert as_json(more.settings)["terms"]["cosine"]["is"] == "Cosine"
    net = parse_changes([f"student.net={path}:Small"])
    assert with_changes(found, net).settings.student.net == "all_of_mine.py:Small"
    with pytest.raises(RecipeError, match="expected a recipe of `training recipes`"):
        to_toml(found)


def test_the_one_recipe_of_a_file_needs_no_name(tmp_path):
    path = python_file(tmp_path, "one_of_mine", WITH)
    with pytest.raises(RecipeError, match=f"got usual, fast: give {path}:NAME"):
        recipe_named(str(path))
    named = python_file(tmp_path, "named_of_mine", WITH + "RECIPE = fast\n")
    assert recipe_named(str(named)).name == "named_of_mine"
    (tmp_path / "a:b").mkdir()
    whole = tmp_path / "a:b" / "whole_of_mine.py"
    whole.write_text("from training.recipes import get_recipe\nx = get_recipe('mv')\n")
    found = recipe_named(str(whole))
    assert found == replace(get_recipe("mv"), code=("whole_of_mine.py",))


def test_settings_of_a_derived_class_are_of_the_kind_of_its_base(tmp_path):
    path = tmp_path / "derived_of_mine.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from training.experiments.teach import TeachRecipe\n"
        "@dataclass(frozen=True, slots=True, kw_only=True)\n"
        "class Mine(TeachRecipe):\n"
        "    epochs: int = 7\n"
        "mine = Mine()\n"
    )
    for text in (f"{path}:mine", str(path)):
        found = recipe_named(text)
        assert (found.system.kind, found.settings.epochs) == ("teach", 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise ValueError('x\\ny')", "ValueError: x"),
        ("import absent_module", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("RECIPE = 3", "expected RECIPE to be a recipe or settings of one, got int"),
        ("x = 3", "expected one recipe, or one called RECIPE, got none"),
    ],
)
def test_python_files_that_fail_are_one_line(text, message, tmp_path):
    path = tmp_path / f"bad_{abs(hash(text))}.py"
    path.write_text(text)
    with pytest.raises(RecipeError) as told:
        recipe_named(str(path))
    assert message in str(told.value) and "\n" not in str(told.value)


def test_a_name_that_a_file_has_not_is_said_with_those_that_it_has(tmp_path):
    path = tmp_path / "names.py"
    path.write_text(
        "from training.recipes import get_recipe\n"
        "fast, slow = (get_recipe(name).settings for name in ('tiny', 'mv_small'))\n"
    )
    with pytest.raises(
        RecipeError, match="among fast, slow, got fats: did you mean fast"
    ):
        recipe_named(f"{path}:fats")


def test_two_files_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "same_name.py"
        path.write_text(
            f"from training.recipes import get_recipe\nRECIPE = get_recipe('mv')\n# {folder}"
        )
        if folder == "a":
            assert recipe_named(str(path)).settings == get_recipe("mv").settings
    with pytest.raises(RecipeError, match="expected one file of the name same_name.py"):
        recipe_named(str(path))


def test_own_recipes_have_what_they_need():
    fused = get_recipe("frame_dtmv").settings
    with pytest.raises(RecipeError, match="expected `needs` with first"):
        own_recipe(fused, name="x")
    for name in ("dtmv", "a+b", "a/b"):
        with pytest.raises(RecipeError, match="that no other recipe has"):
            own_recipe(get_recipe("mv").settings, name=name)
    with pytest.raises(RecipeError, match="expected settings of a recipe, got 3"):
        own_recipe(3, name="x")
    wrong = {"teacher": get_recipe("mv_small")}
    with pytest.raises(
        RecipeError, match="expected teacher .mv_small. with the recipe"
    ):
        own_recipe(get_recipe("dtmv_small").settings, name="x", needs=wrong)
