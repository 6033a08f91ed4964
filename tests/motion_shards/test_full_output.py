"""Output that cannot be written: one plain line, without numbers of the system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
"""A device on which every write fails (Linux)."""


LONG = """
import click
from pathlib import Path
from pipeline.store.replacement import replacing
@main.command()
def long():
    with replacing(Path('a-file')):
        click.echo('line\\n' * 100_000)
main(['long'])
"""
"""A command that also writes a file, which is not the one without space."""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "package, command",
    [("pipeline", LONG), ("training", LONG), ("pipeline", "main(['--help'])")],
)
def test_a_full_disk_behind_the_output_is_one_line(
    package: str, command: str, unbuffered: str, tmp_path: Path
) -> None:
    code = f"from {package}.commands.cli import main\n{command}"
    with open(FULL, "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            cwd=tmp_path,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "Error: standard output: No space left on device\n"
    assert not list(tmp_path.iterdir())
