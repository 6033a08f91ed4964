"""Python files of the user's own, which the command line names: nets, losses, recipes.

Importing a file runs it. Only names on a command line lead here, never a name that a run's
folder, a store, a recipe's TOML file or an exported model has.
"""

import dataclasses
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ..errors import RecipeError

MODULES = "_of_user_"
"""Beginning of the names of modules that are files of the user's."""


class UserFile(NamedTuple):
    """A file that this process has run."""

    path: Path
    text: str
    module: ModuleType

    @property
    def name(self) -> str:
        """The name of the file without its folder."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the text in UTF-8, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


FILES: dict[str, UserFile] = {}
"""Name of a file -> the file of that name that this process has run."""
OWNERS: dict[str, str] = {}
"""Name of a network without a file in it -> the name of the file that registered it."""
_RUNNING: list[str] = []


def imported(path: Path) -> ModuleType:
    """A Python file as a module, run once in a process.

    Raises:
        RecipeError: there is none, it fails (the error is named), or another file of its
            name has been run.
    """
    if not path.is_file():
        raise RecipeError(f"{path}: expected a Python file, found none")
    if path.suffix != ".py":
        raise RecipeError(f"{path}: expected a Python file, whose name ends in .py")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: expected a Python file: {error}") from None
    before = FILES.get(path.name)
    if before is not None and before.text == text:
        return before.module
    if before is not None:
        raise RecipeError(
            f"{path}: expected one file of the name {path.name}, got {before.path} too"
        )
    module = _run(path)
    FILES[path.name] = UserFile(path.resolve(), text, module)
    return module


def running() -> str | None:
    """The name of the file that is being run; None outside of one."""
    return _RUNNING[-1] if _RUNNING else None


def place_of(error: BaseException) -> str:
    """The line of a user's file in which an error arose: "lab.py, line 7"; else nothing."""
    names = {str(file.module.__file__): file.name for file in FILES.values()}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if name := names.get(frame.filename):
            return f"{name}, line {frame.lineno}"
    return ""


def used_files(settings: Any) -> dict[str, str]:
    """The files whose nets or losses settings have: name -> SHA-256.

    Args:
        settings: a dataclass, with dataclasses, tuples and mappings in it.
    """
    names = sorted(set(_names_in(settings)))
    return {name: FILES[name].sha256 for name in names if name in FILES}


def classes_of(base: type) -> dict[str, type]:
    """The classes derived from another one in all files that were run, by name."""
    return {
        name: kind
        for file in FILES.values()
        for name, kind in vars(file.module).items()
        if isinstance(kind, type)
        and base in kind.__mro__
        and kind.__module__ == file.module.__name__
    }


def _names_in(value: Any) -> Iterator[str]:
    module = type(value).__module__
    for file in FILES.values():
        if module == file.module.__name__:
            yield file.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        net = getattr(value, "net", None)
        if isinstance(net, str):
            yield OWNERS.get(net, net.partition(":")[0])
        for field in dataclasses.fields(value):
            yield from _names_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _names_in(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from _names_in(one)


def _run(path: Path) -> ModuleType:
    name = MODULES + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    _RUNNING.append(path.name)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        said = str(error).strip().partition("\n")[0]
        raise RecipeError(f"{path}: {type(error).__name__}: {said}") from error
    finally:
        _RUNNING.pop()
    return module
