"""`pipeline` and `training` are names that users give to files of their own, too.

Find the file that each name resolves to, and load this project's packages regardless.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

from motion_shards.errors import Shadowed

NAMES = ("pipeline", "training")
ROOT = Path(__file__).resolve().parents[1]
"""The folder in which this package and the others lie."""


def shadow(name: str) -> Path | None:
    """The file that Python takes for one of our packages, or None if it takes ours."""
    ours = ROOT / name / "__init__.py"
    spec = find_spec(name)
    if spec is None or spec.origin is None or not ours.is_file():
        return None
    found = Path(spec.origin).resolve()
    return None if found == ours else found


def require_own_package(name: str) -> None:
    """Check that a name leads to our package.

    Raises:
        Shadowed: it does not; the message names the other file and what to do about it.
    """
    if found := shadow(name):
        folder = found.parent.parent if found.name == "__init__.py" else found.parent
        raise Shadowed(
            f"expected {name} to be the package in {ROOT}, got {found}, which comes first: "
            f"rename that one, or take {folder} off PYTHONPATH"
        )


def load_own_packages() -> None:
    """Load this project's packages whatever comes first on the path. For workers of a
    cluster: Ray searches the user's current folder first."""
    for name in NAMES:
        if shadow(name):
            spec = PathFinder.find_spec(name, [str(ROOT)])
            assert spec and spec.loader  # `shadow` has seen it
            module = module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
