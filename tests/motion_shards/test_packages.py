"""A user's own `pipeline.py` is named where it hides ours; Ray's workers look past it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from motion_shards import packages

ROOT = Path(__file__).parents[2]


def python(code: str, *folders: Path, **options: object) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter that looks into these folders first."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*folders, ROOT)))},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize("name", packages.NAMES)
@pytest.mark.parametrize("form", ["module", "package"])
def test_the_command_names_the_file_that_hides_our_package(name, form, tmp_path):
    theirs = tmp_path / (f"{name}.py" if form == "module" else f"{name}/__init__.py")
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("raise SystemExit('theirs ran')")
    done = python(f"from motion_shards.entry import {name}; {name}()", tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"Error: expected {name} to be the package in {ROOT}")
    assert f"got {theirs}, which comes first" in done.stderr
    assert f"take {tmp_path} off PYTHONPATH" in done.stderr


@pytest.mark.parametrize("name", packages.NAMES)
def test_the_command_starts_where_nothing_hides_it(name):
    code = f"import sys; sys.argv[1:] = ['--help']; from motion_shards.entry import {name}; {name}()"
    done = python(code)
    assert done.returncode == 0 and "Usage" in done.stdout, done.stderr


def test_a_worker_loads_ours_in_spite_of_another(tmp_path):
    for name in packages.NAMES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('theirs ran')")
    code = (
        "import pickle; from motion_shards.remote import run\n"
        "call = pickle.dumps((max, (1, 2)))\n"
        "assert run({}, call) == 2\n"
        "import pipeline.store, training.errors; print(pipeline.__file__)"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / "pipeline/__init__.py"


def test_ours_are_no_shadow():
    assert [packages.shadow(name) for name in packages.NAMES] == [None, None]
    assert packages.ROOT == ROOT
