"""A change of a setting, [RECIPE:]PATH=VALUE, as `--set` takes it."""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import RecipeError
from ..models.user_files import FILES
from ..models.user_nets import load_net

LONGEST_MARK = 48
"""Most characters of changes in a recipe's name; longer changes become a hash."""
_PLAIN = re.compile(r"[A-Za-z0-9_.,=+-]*")


class Change(NamedTuple):
    """One `--set`."""

    of: str
    """The recipe that it is for: a role, roles with colons between, or a system; empty
    for the recipe itself."""
    path: str
    value: str

    @property
    def text(self) -> str:
        return f"{self.of}:{self.path}={self.value}".removeprefix(":")


def parse_change(text: str) -> Change:
    """A change from [RECIPE:]PATH=VALUE of a command line.

    A net as FILE.py:function is imported, which runs the file.

    Raises:
        RecipeError: the text is of another form.
    """
    left, equals, value = text.partition("=")
    of, _, path = left.strip().rpartition(":")
    if not equals or not path or not all(path.split(".")[:-1]):
        raise RecipeError(
            f"expected PATH=VALUE, as epochs=40 or teacher:epochs=40, got {text!r}"
        )
    file = value.rpartition(":")[0]
    if path.rpartition(".")[2] == "net" and file.endswith(".py") and file not in FILES:
        value = load_net(value)  # the command line names the file
    return Change(of, path, value)


def parse_changes(texts: Sequence[str]) -> tuple[Change, ...]:
    """The changes of a command.

    Raises:
        RecipeError: see `parse_change`; or two are of one setting.
    """
    found: dict[tuple[str, str], Change] = {}
    for one in map(parse_change, texts):
        before = found.setdefault(one[:2], one)
        if before is not one:
            raise RecipeError(
                f"expected each setting once, got {before.text} and {one.text}"
            )
    return tuple(found.values())


def mark(changes: Sequence[str]) -> str:
    """The changes as the end of a name: "+epochs=40", or a hash where that is long."""
    text = "".join(f"+{one}" for one in changes)
    if len(text) <= LONGEST_MARK and _PLAIN.fullmatch(text):
        return text
    return "+" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
