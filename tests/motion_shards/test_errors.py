"""One base of all errors: both commands show them as a line, and leave a bug its traceback."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODULES = [
    "motion_shards.errors",
    *(
        f"pipeline.{name}errors"
        for name in (
            "",
            "store.",
            "adapters.",
            "extract.",
            "flow.",
            "exchange.",
            "management.",
            "browse.",
        )
    ),
    "training.errors",
]
"""The modules of errors."""
BUG = {"ChildError"}
"""Holds the traceback of a bug in a child process."""

COMMANDS = [("motion_shards.console", "Console"), ("training.commands.cli", "Cli")]

RAISE = """
import click
from {module} import {group}

@click.group(cls={group})
def command(): pass

@command.command()
def fail():
    from {where} import {error}
    raise {error}("no \\033[31mroom\\nat all")

command(["fail"])
"""


def error_classes() -> set[str]:
    """Names of the classes that are raised: those that derive from an exception, by name."""
    bases: dict[str, set[str]] = {}
    for top in ("motion_shards", "pipeline", "training"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    names = {
                        base.id for base in node.bases if isinstance(base, ast.Name)
                    }
                    bases.setdefault(node.name, set()).update(names)
    found: set[str] = {"Exception", "ValueError", "RuntimeError", "OSError", "KeyError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found & bases.keys()


def test_every_error_has_the_one_base():
    names = error_classes()
    assert {"StoreError", "PlanError", "ExtractionError", "DecodeError"} < names
    code = f"""
import pkgutil, importlib
from motion_shards.errors import MotionShardsError
def family(kind):
    return {{kind.__name__}}.union(*map(family, kind.__subclasses__()))
for module in {MODULES}:
    importlib.import_module(module)
print(*family(MotionShardsError))
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert names - set(told.stdout.split()) == BUG


@pytest.mark.parametrize(("module", "group"), COMMANDS)
@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("motion_shards.errors", "ClusterError"),
        ("pipeline.errors", "ExtractionError"),
        ("pipeline.extract.errors", "DecodeError"),
        ("pipeline.store", "StoreNotFound"),
        ("training.errors", "DataError"),
    ],
)
def test_a_command_shows_an_error_as_one_line(module, group, where, error):
    ended = fail(module=module, group=group, where=where, error=error)
    assert ended.returncode == 1
    assert ended.stderr == "Error: no \\x1b[31mroom\\nat all\n"


@pytest.mark.parametrize(("module", "group"), COMMANDS)
def test_a_bug_keeps_its_traceback(module, group):
    ended = fail(module=module, group=group, where="builtins", error="ValueError")
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in ended.stderr


def fail(**names: str) -> subprocess.CompletedProcess[str]:
    return run(RAISE.format(**names))


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


@pytest.mark.parametrize(("module", "group"), COMMANDS)
def test_a_missing_file_is_named_in_the_words_of_the_system(module, group):
    code = RAISE.format(module=module, group=group, where="builtins", error="OSError")
    code = re.sub(r"raise .*", lambda _: "open('/nowhere/a\\nb')", code)
    ended = run(code)
    assert ended.returncode == 1
    assert ended.stderr == "Error: /nowhere/a\\nb: No such file or directory\n"
