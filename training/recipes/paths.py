"""Settings with other values, each named by its path: `optim.learning_rate`."""

import dataclasses
import types
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Union, get_args, get_origin, get_type_hints

from motion_shards.near import near

from ..errors import NoSuchPath, RecipeError
from .values import NONE, OFF, below, entries, is_term, text_of, value_of

Texts = Mapping[str, str]
"""Rest of a path -> text. The path of a whole value inside itself is empty."""

LEAVES_OUT = (OFF, NONE)
"""Texts that remove a name from a mapping."""


def with_values(
    settings: Any, values: Texts, *, fields: Mapping[str, Any] | None = None
) -> Any:
    """Settings with other values, all put in at once.

    >>> with_values(recipe.settings, {"epochs": "40", "terms.deep": "off"})

    Args:
        values: path -> text. A path ends at a field, at a name in a mapping ("off" leaves
            it out), or at a term, whose text is the name of its class.
        fields: name of a field of the settings -> another value of it, in which the paths
            are looked up.

    Raises:
        NoSuchPath: a path is of no field.
        RecipeError: a value is of another type, or the settings refuse it.
    """
    try:
        return _changed(type(settings), settings, values, "", fields or {})
    except NoSuchPath as error:
        raise NoSuchPath(_meant(settings, values) or str(error)) from None


def has_path(settings: Any, path: str, text: str) -> bool:
    """Whether settings have a field at a path, whatever they say about the value."""
    try:
        with_values(settings, {path: text})
    except NoSuchPath:
        return False
    except RecipeError:
        return True
    return True


def differing(
    before: Any,
    after: Any,
    path: str = "",
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[tuple[str, str]]:
    """The paths and texts that make the second of the first settings, in their order.

    The fields of a new term are named where they are not the defaults of its class.

    Args:
        fields: values of whole fields that count more than those of `before`.
    """
    if type(before) is type(after) and before == after and not fields:
        return
    if is_term(after) and type(before) is not type(after):
        yield path, type(after).__name__
        before = type(after)()
    if type(before) is type(after) and dataclasses.is_dataclass(after):
        for field in dataclasses.fields(after):
            ours, theirs = (getattr(one, field.name) for one in (before, after))
            ours = fields.get(field.name, ours)
            yield from differing(ours, theirs, below(path, field.name))
    elif isinstance(after, Mapping):
        known = before if isinstance(before, Mapping) else {}
        for name, value in after.items():
            yield from differing(known.get(name), value, below(path, name))
        for name in known:
            if name not in after:
                yield below(path, name), OFF
    elif _of_settings(after) and _of_settings(before) and len(after) == len(before):
        for place, (ours, theirs) in enumerate(zip(before, after, strict=True)):
            yield from differing(ours, theirs, below(path, str(place)))
    else:
        yield path, text_of(after)


def _changed(
    hint: Any,
    value: Any,
    texts: Texts,
    path: str,
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """A value with those in it that paths name.

    Args:
        hint: its type.
        path: of the value itself.
        fields: values of its fields that count more than its own.
    """
    inner = {rest: text for rest, text in texts.items() if rest}
    if "" in texts:
        value = _whole(hint, value, texts[""], path)
    if not inner and not fields:
        return value
    if isinstance(value, Mapping):
        return _changed_mapping(get_args(hint)[1], value, inner, path)
    if _of_settings(value):
        return _changed_tuple(value, inner, path)
    if value is None and (kind := _settings_of(hint)):
        value = kind()
    if not dataclasses.is_dataclass(value):
        rest = next(iter(inner))
        raise NoSuchPath(f"no setting {below(path, rest)}, as {path} has no parts")
    hints = get_type_hints(type(value))
    made = {
        name: _changed(
            hints[name],
            fields[name] if name in fields else getattr(value, name),
            below_it,
            below(path, name),
        )
        for name, below_it in _by_field(value, inner, path).items()
    }
    return _replaced(value, {**fields, **made}, path)


def _by_field(value: Any, texts: Texts, path: str) -> dict[str, dict[str, str]]:
    """The rests of paths behind each field of a dataclass."""
    known = [field.name for field in dataclasses.fields(value) if field.init]
    found: dict[str, dict[str, str]] = {}
    for rest, text in texts.items():
        name, _, further = rest.partition(".")
        if name not in known:
            where = f" of {path}" if path else ""
            raise NoSuchPath(
                f"no setting {below(path, rest)}: expected a field{where} among"
                f" {', '.join(known)}"
            )
        found.setdefault(name, {})[further] = text
    return found


def _replaced(value: Any, fields: Mapping[str, Any], path: str) -> Any:
    try:
        return dataclasses.replace(value, **fields)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}" if path else str(error)) from None
    except (TypeError, ValueError) as error:  # of a class of the user's
        raise RecipeError(f"{path or type(value).__name__}: {error}") from None


def _changed_mapping(
    hint: Any, value: Mapping[str, Any], texts: Texts, path: str
) -> dict[str, Any]:
    """A mapping of terms, or one of numbers, whose names may have dots."""
    found = dict(value)
    groups: dict[str, dict[str, str]] = {}
    for rest, text in texts.items():
        name, _, further = rest.partition(".") if hint is not float else (rest, "", "")
        groups.setdefault(name, {})[further] = text
    for name, inner in groups.items():
        here = below(path, name)
        if inner.get("", "").lower() in LEAVES_OUT:
            if name not in found:
                raise NoSuchPath(
                    f"no setting {here} to leave out: expected a name among"
                    f" {', '.join(found) or 'none'}"
                )
            del found[name]
            continue
        if name not in found and "" not in inner:
            raise NoSuchPath(
                f"no setting {here}: expected a name among {', '.join(found) or 'none'},"
                f" or {here}=KIND before it"
            )
        found[name] = _changed(hint, found.get(name), inner, here)
    return found


def _changed_tuple(value: tuple[Any, ...], texts: Texts, path: str) -> tuple[Any, ...]:
    found = list(value)
    groups: dict[str, dict[str, str]] = {}
    for rest, text in texts.items():
        place, _, further = rest.partition(".")
        groups.setdefault(place, {})[further] = text
    for place, inner in groups.items():
        if not place.isdecimal() or int(place) >= len(found):
            raise NoSuchPath(
                f"no setting {below(path, place)}: expected a number from 0 to"
                f" {len(found) - 1}"
            )
        one = found[int(place)]
        found[int(place)] = _changed(type(one), one, inner, below(path, place))
    return tuple(found)


def _whole(hint: Any, value: Any, text: str, path: str) -> Any:
    if isinstance(value, Mapping):
        if text.lower() in LEAVES_OUT:
            return {}
        raise RecipeError(f"{path}: expected off, or {path}.NAME=VALUE, got {text!r}")
    if dataclasses.is_dataclass(value) and not is_term(value):
        names = ", ".join(field.name for field in dataclasses.fields(value))
        if not (text.lower() in LEAVES_OUT and _settings_of(hint)):
            raise RecipeError(
                f"{path}: expected {path}.FIELD=VALUE with a field among {names}, got"
                f" {text!r}"
            )
    return value_of(hint, text, path=path)


def _settings_of(hint: Any) -> Any:
    """The dataclass of an optional one; None for another type."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [one for one in get_args(hint) if dataclasses.is_dataclass(one)]
        return kinds[0] if kinds else None
    return None


def _of_settings(value: Any) -> bool:
    return isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value))


def _meant(settings: Any, values: Iterable[str]) -> str:
    """A message with paths similar to one that does not exist; empty if there are none."""
    known = [path for path, _ in entries(settings)]
    for path in values:
        if path in known or any(one.startswith(f"{path}.") for one in known):
            continue
        name = path.rpartition(".")[2]
        same = [one for one in known if one.rpartition(".")[2] == name]
        if same and "." not in path:
            return f"no setting {path}: did you mean {' or '.join(same[:2])}?"
        if meant := near(path, known):
            return f"no setting {path}{meant}"
    return ""
