"""docs/architecture.md shows the house as it is: its floors, its folders, its files."""

import re
from collections import Counter
from pathlib import Path

import pytest
from test_floors import LINES, TOPS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMES = re.findall(r"`((?:pipeline|training|motion_shards|tests|tools)/[\w/.]*)`", TEXT)


def floors_of_the_page() -> list[list[str]]:
    """Folders and modules of each row of the table, from the ground up."""
    table = TEXT.partition("## Floors")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    return [re.findall(r"`([\w/]+)`", row) for row in reversed(rows)]


def test_the_floors_are_those_that_imports_keep_to() -> None:
    def units(line: list[str]) -> list[str]:
        return [unit.replace(".", "/") for unit in line]

    (_, *above), (ground, *shown) = map(units, LINES), floors_of_the_page()
    assert ground == ["motion_shards"]
    assert shown == above


def test_every_folder_has_a_row() -> None:
    shown = {name for floor in floors_of_the_page() for name in floor}
    folders = {
        f"{top}/{path.name}"
        for top in TOPS[1:]
        for path in (ROOT / top).iterdir()
        if (path / "__init__.py").is_file()
    }
    assert folders <= shown


def test_no_two_test_modules_have_one_name() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("top", ["pipeline", "training"])
def test_folders_of_tests_mirror_the_packages(top: str) -> None:
    for path in (ROOT / "tests" / top).rglob("test_*.py"):
        folder = ROOT / path.parent.relative_to(ROOT / "tests")
        module = folder / path.name.removeprefix("test_")
        inner = folder.name != top and (folder / "__init__.py").is_file()
        assert inner or module.is_file(), path


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_every_file_that_it_names_is_there(name: str) -> None:
    path = ROOT / name
    assert path.exists() or path.with_suffix(".py").exists()


@pytest.mark.parametrize(
    ("word", "file"),
    [
        ("DataSet", "pipeline/adapters/videos.py"),
        ("ADAPTERS", "pipeline/adapters/loading.py"),
        ("OFFICIAL_DATASETS", "motion_shards/choices.py"),
        ("LAYOUT", "pipeline/store/schema.py"),
        ("MODALITIES", "motion_shards/choices.py"),
        ("Codec", "pipeline/store/codec.py"),
        ("CODECS", "pipeline/store/codecs.py"),
        ("JpegFlow", "pipeline/store/jpeg_codecs.py"),
        ("ExtractSettings", "pipeline/extract/settings.py"),
        ("MOTION", "motion_shards/choices.py"),
        ("COST", "pipeline/executors/workers.py"),
        ("CHANNELS", "training/models/backbones.py"),
        ("Net", "training/models/net.py"),
        ("NETS", "training/models/backbones.py"),
        ("Term", "training/losses/terms.py"),
        ("System", "training/recipes/systems.py"),
        ("KINDS", "training/recipes/systems.py"),
        ("SYSTEMS", "training/recipes/__init__.py"),
        ("Step", "training/steps/step.py"),
        ("run_training", "training/runs/lifecycle.py"),
        ("TrainConfig", "training/runs/config.py"),
        ("doctor", "pipeline/doctor/report.py"),
        ("Check", "pipeline/doctor/machine.py"),
        ("Store", "pipeline/store/reader.py"),
    ],
)
def test_every_name_stands_in_its_file(word: str, file: str) -> None:
    assert f"`{word}`" in TEXT
    text = (ROOT / file).read_text("utf-8")
    assert re.search(rf"^(?:class |def )?{word}\b", text, re.MULTILINE)
