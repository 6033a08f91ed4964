"""Output that cannot be written: one plain line, without numbers of the system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
"""A device on which every write fails (Linux)."""


@pytest.mark.parametrize("package", ["pipeline", "training"])
def test_a_full_disk_behind_the_output_is_one_line(package: str) -> None:
    code = f"from {package}.commands.cli import main; import click\n"
    code += "@main.command()\ndef long(): click.echo('line\\n' * 100_000)\n"
    code += "main(['long'])"
    with open(FULL, "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "Error: No space left on device\n"
