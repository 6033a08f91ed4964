"""Imports point downward: the floors of the two packages, and what only some may load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A file imports from lower lines; of its own line, files of the same
# folder that stand to its left. Inside a folder all may be imported, but not in circles.
FLOORS = """
motion_shards.errors motion_shards.plain_text motion_shards.markup motion_shards.page_frame motion_shards.extras motion_shards.choices motion_shards.finite motion_shards.hardware motion_shards.store_address motion_shards.output_path motion_shards.new_folders motion_shards.interruption motion_shards.private motion_shards.packages motion_shards.variables motion_shards.address motion_shards.remote motion_shards.guard motion_shards.joining motion_shards.entry motion_shards.cores motion_shards.processes motion_shards.silence motion_shards.pool motion_shards.near motion_shards.console
pipeline.store
pipeline.errors pipeline.kernels
pipeline.adapters pipeline.flow
pipeline.extract
pipeline.shard
pipeline.executors
pipeline.driver
pipeline.cluster pipeline.inspection pipeline.doctor pipeline.bench pipeline.management
pipeline.exchange
pipeline.browse
pipeline.commands
training.errors training.catalogue
training.run_files
training.data training.models
training.losses training.engine
training.steps
training.scoring
training.papers
training.report
training.runs
training.experiments
training.recognition
training.export
training.recipes
training.reproduce
training.bench training.ray_train training.sweep
training.commands
"""
LINES = [line.split() for line in FLOORS.strip().splitlines()]
TOPS = ("motion_shards", "pipeline", "training")
PLACE = {
    unit: (floor, place)
    for floor, line in enumerate(LINES)
    for place, unit in enumerate(line)
}


class Import(NamedTuple):
    """One import statement's target, seen from the file that has it."""

    file: str
    """Dotted name."""
    target: str
    line: int
    at_top: bool
    """Neither inside a function nor for types alone: it runs when the file is imported."""


def modules() -> list[str]:
    paths = [p for top in TOPS for p in (ROOT / top).rglob("*.py")]
    return sorted(".".join(p.relative_to(ROOT).with_suffix("").parts) for p in paths)


def imports(module: str) -> Iterator[Import]:
    """Every import of a module, relative ones spelled out, names included."""
    path = (ROOT / module.replace(".", "/")).with_suffix(".py")
    tree = ast.parse(path.read_text())
    inside = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        at_top = node not in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, at_top)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            parts = [*base, *([node.module] if node.module else [])]
            for alias in node.names:
                yield Import(
                    module, ".".join([*parts, alias.name]), node.lineno, at_top
                )


def unit_of(dotted: str) -> str:
    """The entry of FLOORS a module belongs to: its first two names."""
    return ".".join(dotted.split(".")[:2])


def module_of(dotted: str) -> str:
    """The module in which an imported name lies."""
    known = MODULES
    while dotted and dotted not in known and f"{dotted}.__init__" not in known:
        dotted = dotted.rpartition(".")[0]
    return dotted if dotted in known else f"{dotted}.__init__"


MODULES = frozenset(modules())
IMPORTS = [each for module in sorted(MODULES) for each in imports(module)]
OURS = [each for each in IMPORTS if each.target.split(".")[0] in TOPS]


def test_every_file_has_its_floor() -> None:
    tops = {f"{top}.__init__" for top in TOPS}
    homeless = {unit_of(module) for module in MODULES} - tops - set(PLACE)
    assert not homeless, "put these on a line of FLOORS"


def test_the_top_packages_import_nothing() -> None:
    for top in TOPS:
        assert not list(imports(f"{top}.__init__"))


@pytest.mark.parametrize("top", TOPS)
def test_imports_point_downward(top: str) -> None:
    upward = []
    for each in OURS:
        here, there = unit_of(each.file), unit_of(module_of(each.target))
        if not here.startswith(top) or here == there or there.endswith("__init__"):
            continue
        (floor, place), (low, left) = PLACE[here], PLACE[there]
        files = not any(
            (ROOT / unit.replace(".", "/")).is_dir() for unit in (here, there)
        )
        if not (low < floor or (low == floor and left < place and files)):
            upward.append(f"{each.file}:{each.line} imports {each.target}")
    assert not upward


def test_no_folder_imports_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for each in OURS:
        target = module_of(each.target)
        if target != each.file and not target.endswith("__init__") and each.at_top:
            graph.setdefault(each.file, set()).add(target)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {error.args[1]}")


def test_pipeline_never_imports_training() -> None:
    assert not [e for e in OURS if e.file[0] == "p" and e.target.startswith("training")]


def test_training_knows_of_pipeline_the_store_and_recognition_the_extraction() -> None:
    strange = [
        f"{each.file}:{each.line} imports {each.target}"
        for each in OURS
        if each.file.startswith("training")
        and each.target.startswith("pipeline")
        and (module_of(each.target) != "pipeline.store.__init__")
        and not (
            each.file.startswith("training.recognition.")
            and each.target.startswith(
                ("pipeline.extract.", "pipeline.flow.", "pipeline.adapters.scan.")
            )
        )
    ]
    assert not strange, "training reads `from pipeline.store import ...`"


def third_party(prefix: str) -> set[str]:
    """Libraries that files of a unit import, wherever in the file."""
    return {
        each.target.split(".")[0]
        for each in IMPORTS
        if each.file.startswith(prefix)
        and each.target.split(".")[0] not in (*sys.stdlib_module_names, *TOPS, "")
    }


def test_ray_is_imported_by_what_runs_on_it_only() -> None:
    users = {each.file for each in IMPORTS if each.target.split(".")[0] == "ray"}
    parts = ("on_ray", "ray_board", "ray_files", "ray_resources")
    on_ray = {f"pipeline.executors.{part}" for part in parts}
    assert {unit_of(user) for user in users - on_ray} <= {
        "pipeline.cluster",
        "training.ray_train",
    }


def test_each_floor_has_its_libraries() -> None:
    assert third_party("pipeline.store") <= {
        "numpy",
        "h5py",
        "cv2",
        "xxhash",
        "fsspec",
        "av",
    }
    assert not third_party("pipeline.extract") & {"h5py", "ray", "torch"}
    assert not third_party("pipeline.flow") & {"h5py", "ray", "av"}
    assert not third_party("pipeline.driver.plan") - {"xxhash"}
    assert not third_party("training.models") & {"h5py", "ray", "av", "cv2"}
    assert not third_party("training.report") & {"torch", "h5py", "ray", "cv2"}


HEAVY = {"numpy", "h5py", "ray", "torch", "av", "cv2", "numba", "rich", "scipy"}


def loaded_by(code: str) -> set[str]:
    """Names of all modules that a fresh interpreter has after running this."""
    code = f"import sys\n{code}\nprint('loaded', *sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return set(answer.stdout.splitlines()[-1].split()[1:])


def test_reading_a_store_needs_neither_ray_nor_ffmpeg() -> None:
    loaded = loaded_by("import pipeline.store")
    assert "numpy" in loaded and "h5py" not in loaded
    assert not {"ray", "av", "cv2", "torch", "numba"} & loaded


def test_making_a_network_s_input_needs_no_torch() -> None:
    loaded = loaded_by(
        "import training.data.clip_arrays, training.data.frames\n"
        "import training.scoring.clip_protocol, training.scoring.weighting"
    )
    assert "numpy" in loaded
    assert not {"ray", "av", "cv2", "torch", "numba"} & loaded


@pytest.mark.parametrize("command", ["pipeline", "training"])
def test_help_loads_nothing_heavy(command: str) -> None:
    loaded = loaded_by(
        f"from {command}.commands.cli import main\nmain(['--help'], standalone_mode=False)"
    )
    assert f"{command}.commands.cli" in loaded
    assert not HEAVY & loaded
