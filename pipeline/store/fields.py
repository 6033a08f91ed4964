"""Types and bounds of the values in a store's JSON files, checked before use."""

import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

MAX_COUNT = 2**53
"""Largest count: beyond it, JSON readers of other languages lose digits."""
MAX_SIDE_PX, MAX_AREA_PX = 65_500, 2**28
"""Limits of a stored frame: the longest side of a JPEG, and an area that fits in memory."""
Fits = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    return type(value) is str


def is_flag(value: Any) -> bool:
    return type(value) is bool


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def is_number(value: Any) -> bool:
    """Finite, of any sign."""
    return type(value) in (int, float) and math.isfinite(value)


def is_hash(value: Any) -> bool:
    """Whether a value is the hexadecimal text of an xxh3-128 hash."""
    return type(value) is str and re.fullmatch("[0-9a-f]{32}", value) is not None


def is_object(value: Any) -> bool:
    return type(value) is dict


def is_list(value: Any) -> bool:
    return type(value) is list


def is_texts(value: Any) -> bool:
    """A list of them."""
    return is_list(value) and all(map(is_text, value))


def is_text_object(value: Any) -> bool:
    """Text -> text."""
    return is_object(value) and all(map(is_text, value.values()))


def is_grid(height: Any, width: Any) -> bool:
    """Whether a frame can have this height and width, px."""
    return (
        type(height) is type(width) is int
        and 0 < height <= MAX_SIDE_PX
        and 0 < width <= MAX_SIDE_PX
        and height * width <= MAX_AREA_PX
    )


def fields_of(kind: type, **own: Fits) -> Mapping[str, Fits]:
    """Field of a dataclass -> its check: by its type, or the one given for its name."""
    usual: Mapping[Any, Fits] = {
        bool: is_flag,
        int: is_count,
        float: is_number,
        str: is_text,
        float | None: lambda value: value is None or is_number(value),
    }
    return {
        field.name: own.get(field.name) or usual[field.type] for field in fields(kind)
    }


def require_fields(value: Any, checks: Mapping[str, Fits]) -> None:
    """
    Raises:
        ValueError: not an object, or one with other fields, or with a value that is not
            of its field. The message is one short line.
    """
    if type(value) is not dict:
        raise ValueError(f"an object, got {shown(value)}")
    if odd := value.keys() ^ checks.keys():
        name = min(odd)
        what = "lacks" if name in checks else "has an unknown"
        raise ValueError(f"it {what} {shown(name)}")
    for name, fits in checks.items():
        if not fits(value[name]):
            raise ValueError(f"{name}: {shown(value[name])}")


def shown(value: Any) -> str:
    """A value in a message, whatever it is."""
    return reprlib.repr(value)
