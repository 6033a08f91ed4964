"""JSON objects <-> frozen dataclasses, whose type hints give the allowed values.

A field is a text, a number or a named tuple of numbers (`Annotated` with their bounds), a
choice, another dataclass, a tuple or a mapping of these, or `Json`. One that has a default may be missing; `None`, if
that is its default, is left out when it is written.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from .shapes import check, fits

T = TypeVar("T")


def from_json(kind: type[T], value: object, *, where: str) -> T:
    """A dataclass from its JSON object. Keys that it has no field for are ignored.

    Args:
        where: for the message: "runs/a/results.json".

    Raises:
        RunError: a value is missing, of another type or out of its bounds; it is named.
    """
    hint: Any = kind
    check(value, shape_of(hint), where=where)
    found: T = _built(hint, value)
    return found


def to_json(value: Any) -> Any:
    """A dataclass as a JSON object, and likewise everything in it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: to_json(inner)
            for f in dataclasses.fields(value)
            if (inner := getattr(value, f.name)) is not None or f.default is not None
        }
    if hasattr(value, "_asdict"):
        return to_json(value._asdict())
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


@cache
def shape_of(hint: Any) -> Any:
    """The values that a type hint allows, in the form of `check`."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, bounds = hint.__origin__, hint.__metadata__[0]
        names = getattr(kind, "_fields", ())
        return dict.fromkeys(names, bounds) if names else bounds
    if origin is Literal:
        return inner
    if origin in (Union, UnionType):
        return tuple(None if one is NoneType else shape_of(one) for one in inner)
    if origin is tuple:
        return [shape_of(inner[0])]
    if origin is not None:  # a mapping
        return {str: shape_of(inner[1])}
    if not (hints := _hints(hint)):
        return hint
    return {
        f.name + "?" * _has_default(f): shape_of(hints[f.name])
        for f in dataclasses.fields(hint)
    }


def _built(hint: Any, value: Any) -> Any:
    """A value that fits a hint, made of the JSON value that fits its shape."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _built(hint.__origin__, value)
    if origin in (Union, UnionType):
        return _built(next(one for one in inner if fits(value, _shape(one))), value)
    if origin is tuple:
        return tuple(_built(inner[0], one) for one in value)
    if hints := _hints(hint):
        return hint(**{n: _built(hints[n], value[n]) for n in hints.keys() & value})
    if hasattr(hint, "_fields"):
        return hint(**{name: value[name] for name in hint._fields})
    if origin is not None and origin is not Literal:
        return {key: _built(inner[1], one) for key, one in value.items()}
    return value


def _shape(hint: Any) -> Any:
    return None if hint is NoneType else shape_of(hint)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Field -> its type hint; empty for what is not a dataclass."""
    if not dataclasses.is_dataclass(kind):
        return {}
    return get_type_hints(kind, include_extras=True)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing
