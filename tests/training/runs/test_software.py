"""What a run records of the program that trains it."""

import platform
import subprocess
import sys

import av
import numpy as np
import pytest
import torch

from motion_shards import __version__
from motion_shards.cores import processor_name
from training.runs.machine import Machine
from training.runs.software import command_line, source_commit, versions


def git(folder, *arguments):
    own = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(
        ["git", "-C", folder, *own, *arguments], capture_output=True, check=True
    )
    return ran.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("one")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_commit_of_a_checkout_and_whether_its_files_differ(checkout, monkeypatch):
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")  # as in a hook of another repository
    assert source_commit.__wrapped__(checkout) == commit
    (checkout / "new.py").write_text("not tracked")
    assert source_commit.__wrapped__(checkout) == commit
    (checkout / "a.py").write_text("two")
    assert source_commit.__wrapped__(checkout) == f"{commit} and changes"


def test_no_commit_of_a_checkout_around_the_packages_or_without_git(
    checkout, monkeypatch
):
    (inside := checkout / "site-packages").mkdir()
    assert source_commit.__wrapped__(inside) is None
    monkeypatch.setenv("PATH", str(inside))
    assert source_commit.__wrapped__(checkout) is None


def test_versions_are_those_the_libraries_say():
    assert versions() == {
        "motion-shards": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
    }


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("/env/bin/training", "training teach flow --store 'a b'"),
        ("/src/training/__main__.py", "training teach flow --store 'a b'"),
    ],
)
def test_the_command_can_be_typed_again(monkeypatch, program, expected):
    monkeypatch.setattr(sys, "argv", [program, "teach", "flow", "--store", "a b"])
    assert command_line() == expected


def test_the_record_of_a_machine_names_processor_and_cores(monkeypatch):
    monkeypatch.setattr("training.runs.machine.usable_cores", lambda: 1.5)
    facts = Machine().facts()
    assert (facts.processor, facts.cores) == (processor_name(), 1.5)
    assert facts.versions == versions() and facts.command == command_line()
    assert facts.commit == source_commit()
