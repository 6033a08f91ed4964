"""What `make` says on machines that lack something. Stubs stand in for the machine."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "bootstrap.sh"

PYTHON = """#!/bin/sh
# Stands in for a Python: WITHOUT lists what it cannot load, VERSION_OK its age.
case "$*" in
    -V) echo "Python 3.9.2" ;;
    *version_info*) [ "${VERSION_OK:-yes}" = yes ] ;;
    *ensurepip*) case "$WITHOUT" in *venv*) exit 1 ;; esac ;;
    *ctypes*libGL*) case "$WITHOUT" in *libGL*) exit 1 ;; esac ;;
    *ctypes*glib* | *ctypes*gthread*) case "$WITHOUT" in *glib*) exit 1 ;; esac ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path):
    """Runs the script on a machine of stubs; gives its exit code and last line."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()

    def stub(name: str, text: str) -> None:
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)

    def run(python: str = "python3", user: int = 1000, sudo: int = 1, **variables: str):
        stub("python3", PYTHON)
        stub("id", f"#!/bin/sh\necho {user}\n")
        stub("uname", "#!/bin/sh\necho Linux\n")
        stub(
            "sudo",
            f"#!/bin/sh\n[ {sudo} = 0 ] && [ $# -gt 2 ] && shift 2 && exec $@\nexit {sudo}\n",
        )
        stub(
            "apt-get",
            f"#!/bin/sh\necho apt-get $@ >> {tmp_path}/asked\n[ $1 = update ]\n",
        )
        answer = subprocess.run(
            ["sh", str(SCRIPT), python, str(tmp_path / "venv"), ""],
            env={"PATH": f"{stubs}:{os.defpath}", "WITHOUT": "", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = answer.stderr.strip().splitlines()
        assert len(lines) == 1, answer.stderr
        return answer.returncode, lines[0]

    return run


def test_old_python_is_named_with_its_version(machine) -> None:
    code, line = machine(VERSION_OK="no")
    assert code == 1
    assert line == (
        "make: expected Python 3.11 or newer, python3 is 3.9.2 "
        "(another one: make PYTHON=/path/to/python3)"
    )


def test_missing_python_is_named(machine) -> None:
    code, line = machine(python="no-such-python")
    assert code == 1
    assert line.startswith(
        "make: expected Python 3.11 or newer, found no no-such-python"
    )


def test_user_who_may_not_install_gets_the_line_to_type(machine) -> None:
    code, line = machine(WITHOUT="venv libGL glib")
    assert code == 1
    assert line.endswith(
        "type: sudo apt-get update && sudo apt-get install -y "
        "--no-install-recommends python3-venv libgl1 libglib2.0-0"
    )


def test_only_what_is_missing_is_asked_for(machine) -> None:
    _, line = machine(WITHOUT="libGL")
    assert line.endswith("--no-install-recommends libgl1")


@pytest.mark.parametrize(("user", "sudo"), [(0, 1), (1000, 0)])
def test_who_may_install_does_and_hears_if_it_fails(
    machine, tmp_path, user, sudo
) -> None:
    """The stub of apt-get lets the update pass and the installation fail."""
    code, line = machine(user=user, sudo=sudo, WITHOUT="glib")
    assert code == 1
    assert line.startswith("make: apt-get could not install them; when that is mended")
    assert (tmp_path / "asked").read_text().splitlines() == [
        "apt-get update -q",
        "apt-get install -y -q --no-install-recommends libglib2.0-0",
    ]
