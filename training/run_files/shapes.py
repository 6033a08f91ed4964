"""Shapes of JSON values: types, bounds, keys. The first place that is wrong is named."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import RunError

KINDS = {"str": "a text", "dict": "an object", "list": "a list"}


class Within(NamedTuple):
    """A number between two bounds, in a shape."""

    low: float
    high: float
    whole: bool = False

    def fits(self, value: Any) -> bool:
        kind = int if self.whole else (int, float)
        return (
            isinstance(value, kind)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"


SHARE, DIFFERENCE = Within(0, 1), Within(-1, 1)
COUNT, SEED = Within(0, 1 << 53, True), Within(-(1 << 63), (1 << 64) - 1, True)
NUMBER, RATE = Within(-1e300, 1e300), Within(1e-9, 1e300)


def check(value: Any, shape: Any, *, where: str) -> None:
    """Check the shape of a JSON value.

    Args:
        shape: a type; `Within`; a text, or None; [of items]; {key: of its value}, where
            a key that ends with "?" may be missing and others are let be; {str: of all
            values}; a tuple of several of these.

    Raises:
        RunError: the first place that is wrong is named.
    """
    if wrong := _wrong(value, shape, ""):
        place, expected, got = wrong
        raise RunError(
            f"{where}: {place + ': ' * bool(place)}expected {expected}, {got}"
        )


def fits(value: object, shape: Any) -> bool:
    """Whether a JSON value has a shape; see `check`."""
    return _wrong(value, shape, "") is None


Wrong = tuple[str, str, str]
"""Key, expected value, actual value."""


def _wrong(value: Any, shape: Any, place: str) -> Wrong | None:
    match shape:
        case tuple() if not isinstance(shape, Within):
            return _none_of(value, shape, place)
        case dict():
            return _wrong_object(value, shape, place)
        case list():
            return _wrong_list(value, shape[0], place)
        case Within():
            fits, expected = shape.fits(value), str(shape)
        case type():
            fits = isinstance(value, shape)
            expected = KINDS.get(shape.__name__, shape.__name__)
        case _:
            fits, expected = value == shape, json.dumps(shape)
    return None if fits else (place, expected, _got(value))


def _none_of(value: Any, shapes: Sequence[Any], place: str) -> Wrong | None:
    found = [_wrong(value, shape, place) for shape in shapes]
    if not all(found):
        return None
    deeper = [one for one in found if one and one[0] != place]
    if deeper:
        return deeper[0]
    return place, " or ".join(one[1] for one in found if one), _got(value)


def _wrong_object(value: Any, shape: Mapping[Any, Any], place: str) -> Wrong | None:
    if not isinstance(value, dict):
        return place, "an object", _got(value)
    for name, inner in shape.items():
        if name is str:
            pairs = [(key, inner) for key in value]
        elif name.removesuffix("?") in value:
            pairs = [(name.removesuffix("?"), inner)]
        elif name.endswith("?"):
            continue
        else:
            return place, f"{name} in it", "but it is missing"
        for key, one in pairs:
            shown = f"{place}.{key}" if place else key
            if wrong := _wrong(value[key], one, shown):
                return wrong
    return None


def _wrong_list(value: Any, shape: Any, place: str) -> Wrong | None:
    if not isinstance(value, list):
        return place, "a list", _got(value)
    for number, item in enumerate(value):
        if wrong := _wrong(item, shape, f"{place}[{number}]"):
            return wrong
    return None


def _got(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"got {value}"
    if isinstance(value, (dict, list)):
        return f"got {'an object' if isinstance(value, dict) else 'a list'}"
    text = str(value) if isinstance(value, int) and abs(value) > 1e15 else None
    text = text or json.dumps(value)
    return f"got {text if len(text) <= 60 else text[:57] + '...'}"
