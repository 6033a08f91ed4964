"""setup.cfg requires what the code imports, and nothing else: core, and each extra."""

import configparser
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from test_floors import IMPORTS, TOPS, module_of

from motion_shards.extras import CUDA, EXPORT, EXTRAS, LOG, RAY_TRAIN, TIMM, TRAINING

ROOT = Path(__file__).parents[1]
PACKAGE = "motion-shards"

PROVIDED_BY = {
    "aiohttp": "ray[default]",
    "cuda": "numba-cuda",
    "cv2": "opencv-contrib-python",
    "grpc": "ray[default]",
    "llvmlite": "numba",
    "numba.cuda": "numba-cuda",
    "numba_cuda": "numba-cuda",
    "pandas": "ray[train]",
    "pyarrow": "ray[train]",
    "ray": "ray[default]",
    "ray.train": "ray[train]",
    "torch.utils.tensorboard": "tensorboard",
    "yaml": "pyyaml",
}
"""Module -> requirement, where they are called differently."""
NOT_REQUIRED = {"mvextractor": "a program to compare with, of users who have it"}
NOT_IMPORTED = {
    "aiobotocore": "s3fs imports it; named for the boto3 that moto may have beside it",
    "cuda-toolkit": "libraries that numba-cuda loads",
    "huggingface_hub": "fsspec imports it, for hf://",
    "onnx": "torch.onnx imports it",
    "onnxscript": "torch.onnx imports it",
    "s3fs": "fsspec imports it, for s3://",
}
NEED = {
    "training": """
    pipeline.bench.flow_torch
    training.bench training.sweep
    training.commands.contexts training.commands.recipe_facts
    training.commands.recipe_page training.commands.recipe_record
    training.commands.teachers training.commands.train training.commands.train_systems
    training.data.dataset training.data.joined training.data.mixing
    training.data.packed training.data.packing
    training.data.store_clips training.data.workers
    training.engine training.experiments training.export
    training.losses training.models
    training.recipes training.reproduce training.runs training.steps
    training.run_files.safetensors training.run_files.weights
    training.scoring.fusion training.scoring.protocols
    """,
    "cuda": """
    pipeline.flow.cuda pipeline.bench.flow_gpu
    pipeline.bench.gpu.faults pipeline.bench.gpu.flow_speed
    pipeline.bench.gpu.kernel_times
    """,
}
"""Folders and files that cannot be imported without an extra."""
COMMANDS = {
    "build",
    "flask",
    "flask-cors",
    "moto",
    "mypy",
    "pytest",
    "pytest-xdist",
    "ruff",
    "setuptools",
    "webdataset",
}
"""Of the extra for tests: run, or imported by tests alone."""


def requirements() -> dict[str, list[Requirement]]:
    """Requirements by extra; those of all installations under ""."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = {"": setup["options"]["install_requires"]}
    texts |= setup["options.extras_require"]
    return {
        extra: [Requirement(line) for line in text.strip().splitlines()]
        for extra, text in texts.items()
    }


def own(extra: str) -> set[str]:
    """Names of an extra's requirements, without those of extras that it contains."""
    return {
        str(each).partition(">")[0] if each.name == "ray" else each.name
        for each in REQUIREMENTS[extra]
        if each.name != PACKAGE
    }


def contained(extra: str) -> set[str]:
    """Names of the extras that an extra contains."""
    return {
        name
        for each in REQUIREMENTS[extra]
        if each.name == PACKAGE
        for name in each.extras
    }


REQUIREMENTS = requirements()


def requirement(module: str) -> str:
    """The requirement that brings a module."""
    parts = module.split(".")
    dotted = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((PROVIDED_BY[name] for name in dotted if name in PROVIDED_BY), parts[0])


IMPORTED = {
    each: requirement(each.target)
    for each in IMPORTS
    if each.target.split(".")[0] not in (*sys.stdlib_module_names, *TOPS, "")
}
"""Import of a library -> its requirement."""


def test_every_import_is_of_a_requirement():
    known = set().union(*map(own, REQUIREMENTS)) - COMMANDS
    strange = {
        f"{each.file}:{each.line} imports {each.target}"
        for each, name in IMPORTED.items()
        if name not in known and each.target.split(".")[0] not in NOT_REQUIRED
    }
    assert not strange


@pytest.mark.parametrize("extra", sorted(REQUIREMENTS))
def test_every_requirement_is_imported(extra):
    found = set(IMPORTED.values())
    assert not own(extra) - found - NOT_IMPORTED.keys() - COMMANDS
    assert not found & NOT_IMPORTED.keys()


def test_every_extra_has_its_line_where_it_is_missing():
    assert {extra.name for extra in EXTRAS} == REQUIREMENTS.keys() - {"", "all", "test"}
    for extra in EXTRAS:
        brought = own(extra.name)
        for module in extra.modules:
            assert requirement(module) in brought


def test_an_extra_brings_nothing_that_all_have_or_another_brings():
    names = [name for extra in REQUIREMENTS for name in own(extra)]
    assert len(names) == len(set(names))


def test_pytorch_decides_the_version_of_the_cuda_toolkit():
    """pip 23 finds no way out where both have one: it pins the newest first."""
    (toolkit,) = (e for e in REQUIREMENTS["cuda"] if e.name == "cuda-toolkit")
    assert not toolkit.specifier


def test_what_needs_pytorch_brings_it():
    for extra in (EXPORT, LOG, RAY_TRAIN, TIMM):
        assert contained(extra.name) == {TRAINING.name}
    assert contained(TRAINING.name) == contained(CUDA.name) == set()


def test_all_is_all_and_tests_need_no_optional_service():
    assert contained("all") == {extra.name for extra in EXTRAS}
    assert contained("test") == {"cuda", "export", "remote", "training"}


def imported_with(module: str) -> set[str]:
    """Modules of ours that run when a module is imported: itself, and folders around it."""
    parts = module.removesuffix(".__init__").split(".")
    folders = {".".join([*parts[:count], "__init__"]) for count in range(1, len(parts))}
    return folders | {module}


def needing(extra: str) -> set[str]:
    """Modules that cannot be imported without an extra."""
    direct = {
        each.file
        for each, name in IMPORTED.items()
        if name in own(extra) and each.at_top
    }
    found: set[str] = set()
    while more := direct - found:
        found |= more
        direct = {
            each.file
            for each in IMPORTS
            if each.at_top
            and each.target.split(".")[0] in TOPS
            and imported_with(module_of(each.target)) & found
        }
    return found


@pytest.mark.parametrize("extra", sorted(REQUIREMENTS.keys() - {""}))
def test_only_what_must_is_imported_with_an_extra(extra):
    """So commands, stores, recognition and reports work without."""
    units = NEED.get(extra, "").split()
    found = {unit: [] for unit in units}
    others = []
    for module in needing(extra):
        unit = next((u for u in units if f"{module}.".startswith(f"{u}.")), None)
        found.get(unit, others).append(module)
    assert not others
    assert all(found.values()), "these do not need it"
