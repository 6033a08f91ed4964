"""Settings of a recipe as JSON, and the places where two JSON values differ."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from .fields import is_left_out


def as_json(value: Any) -> Any:
    """Settings as JSON: a dataclass becomes its fields, with its name under "is".

    Fields that are `ADDED` are left out where they have their default.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: as_json(inner)
            for f in dataclasses.fields(value)
            if not is_left_out(f, inner := getattr(value, f.name))
        }
        return {"is": type(value).__name__} | fields
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value


def differences(first: Any, second: Any, where: str = "") -> list[str]:
    """Places where two JSON values differ, each as `where: first, second`."""
    if isinstance(first, dict) and isinstance(second, dict):
        found = []
        for key in sorted(first.keys() | second.keys()):
            place = f"{where}.{key}" if where else key
            if key not in first:
                found.append(f"{place}: absent, {_short(second[key])}")
            elif key not in second:
                found.append(f"{place}: {_short(first[key])}, absent")
            else:
                found += differences(first[key], second[key], place)
        return found
    if first != second:
        return [f"{where}: {_short(first)}, {_short(second)}"]
    return []


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
