"""Settings as a recipe.json records them -> the dataclass that they were."""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import RunError

T = TypeVar("T")

ADDED = {"added": True}
"""Metadata of a field that records lack where it has its default, so that a recipe that does
not use it is recorded as before there was one, and its runs are found again."""

LARGEST = 1 << 20
"""Limit of numbers in settings that are read back."""


def is_left_out(field: "dataclasses.Field[Any]", value: Any) -> bool:
    """Whether records lack a field: it is `ADDED` and has its default."""
    if not field.metadata.get("added"):
        return False
    if field.default_factory is dataclasses.MISSING:
        return bool(value == field.default)
    return bool(value == field.default_factory())


def recorded(kind: type[T], values: Any, *, where: str) -> T:
    """A dataclass from the object that `as_json` made of it.

    Args:
        kind: whose fields are numbers, texts, choices and tuples of these.
        where: for the message: "runs/a/recipe.json: clip".

    Raises:
        RunError: a field is unknown, or of another type than the dataclass says.
        RecipeError: the values do not fit each other.
    """
    if not isinstance(values, Mapping):
        raise RunError(f"{where}: expected the settings of a {kind.__name__}")
    hints = get_type_hints(kind)
    known = {f.name for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    found = {}
    for name, value in values.items():
        if name == "is":
            continue
        if name not in known:
            raise RunError(f"{where}: expected no setting {name!r} in {kind.__name__}")
        if not _fits(value, hints[name]):
            expected = getattr(hints[name], "__name__", str(hints[name]))
            raise RunError(
                f"{where}.{name}: expected {expected.replace('typing.', '')}, got"
                f" {str(value)[:60]}"
            )
        found[name] = tuple(value) if isinstance(value, list) else value
    return kind(**found)


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        if not isinstance(value, list):
            return False
        if len(inner) == 2 and inner[1] is Ellipsis:
            return len(value) <= LARGEST and all(_fits(one, inner[0]) for one in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if hint is type(None):
        return value is None
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool)
    if hint is float:
        return (
            isinstance(value, (int, float))
            and abs(value) <= LARGEST
            and math.isfinite(value)
        )
    if hint is int:
        return isinstance(value, int) and abs(value) <= LARGEST
    return isinstance(hint, type) and isinstance(value, hint)
