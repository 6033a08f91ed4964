"""Versions, commit and command line of this process, for the record of a run."""

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

import motion_shards

LIBRARIES = ("numpy", "av")
"""Distributions whose versions are recorded. PyAV (`av`) brings FFmpeg's libraries."""
SOURCE = Path(motion_shards.__file__).parents[1]
"""Folder of the packages: of a checkout, or of all that is installed."""
GIT_SECONDS = 10.0


@cache
def versions() -> dict[str, str]:
    """Versions of the package, of Python, and of libraries, as far as they are installed."""
    found = {
        "motion-shards": motion_shards.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    try:
        from av import ffmpeg_version_info
    except ImportError:
        return found
    return found | {"ffmpeg": str(ffmpeg_version_info)}


@cache
def source_commit(folder: Path = SOURCE) -> str | None:
    """The commit that is checked out in a folder.

    Returns:
        40 hexadecimal digits, with " and changes" after them where tracked files differ
        from it; None where the folder is not the top of a git checkout, or git is missing.
    """
    if not (
        folder / ".git"
    ).exists():  # a checkout around it would be of something else
        return None
    try:
        commit = _git(folder, "rev-parse", "--verify", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + " and changes" * bool(changes)


def command_line() -> str:
    """This process's program and its arguments, as a shell takes them."""
    program = Path(sys.argv[0] if sys.argv else "")
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join([name, *sys.argv[1:]])


def _git(folder: Path, *arguments: str) -> str:
    own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    ran = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
        env=own,
    )
    return ran.stdout.strip()
