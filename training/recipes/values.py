"""Values of settings as text: read by the type that a dataclass declares, and written."""

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from motion_shards.near import near

from ..errors import RecipeError
from ..losses.kinds import TERMS
from ..losses.terms import Term
from ..models.user_files import classes_of

NONE, OFF = "none", "off"
YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")


def value_of(hint: Any, text: str, *, path: str) -> Any:
    """A value of a type from its text.

    >>> value_of(float, "3e-4", path="optim.learning_rate")
    0.0003
    >>> value_of(tuple[int, int], "112,112", path="clip.crop_px")
    (112, 112)

    Args:
        hint: a number, text, choice, tuple of these, a term, or a union with None.
        path: named in the message.

    Raises:
        RecipeError: the text is of another type.
    """
    try:
        return _value(hint, text.strip())
    except RecipeError as error:  # of a term's name
        raise RecipeError(f"{path}: {error}") from None
    except (ValueError, ZeroDivisionError):
        choices = map(str, get_args(hint)) if get_origin(hint) is Literal else ()
        raise RecipeError(
            f"{path}: expected {expected(hint)}, got {text!r}{near(text, choices)}"
        ) from None


def _value(hint: Any, text: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(inner, text)
    if origin is Literal:
        for choice in inner:
            if str(choice) == text:
                return choice
        raise ValueError
    if origin is tuple:
        return _tuple(inner, text)
    if hint is Term:
        return term_of(text)()
    if hint is bool:
        if text.lower() not in YES + NO:
            raise ValueError
        return text.lower() in YES
    if hint is int:
        return int(text)
    if hint is float:
        return _number(text)
    if hint is str:
        if not text:
            raise ValueError
        return text
    raise ValueError


def _one_of(hints: tuple[Any, ...], text: str) -> Any:
    if types.NoneType in hints and text.lower() == NONE:
        return None
    for hint in hints:
        if hint is not types.NoneType:
            try:
                return _value(hint, text)
            except (ValueError, ZeroDivisionError):
                continue
    raise ValueError


def _tuple(inner: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    if text[:1] + text[-1:] in ("[]", "()"):
        text = text[1:-1]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_value(inner[0], part) for part in parts)
    if len(parts) != len(inner):
        raise ValueError
    return tuple(map(_value, inner, parts))


def _number(text: str) -> float:
    first, _, second = text.partition("/")
    value = float(first) / float(second) if second else float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def term_of(name: str) -> type[Term]:
    """The class of terms of a name, in any case of letters.

    Raises:
        RecipeError: no such class.
    """
    terms = TERMS | classes_of(Term)
    for known, kind in terms.items():
        if known.lower() == name.lower():
            return kind
    raise RecipeError(
        f"expected a loss among {', '.join(terms)}, got {name}{near(name, terms)}"
    )


def expected(hint: Any) -> str:
    """A type in words, for messages."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rest = [one for one in inner if one is not types.NoneType]
        return " or ".join([*map(expected, rest), *([NONE] * (len(rest) < len(inner)))])
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is tuple:
        what = {int: "whole numbers", float: "numbers"}.get(inner[0], "names")
        count = "" if inner[-1] is Ellipsis else f"{len(inner)} "
        return f"{count}{what} with commas between"
    named: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text",
        Term: f"a loss among {', '.join(TERMS)}",
    }
    return named.get(hint, "one of its fields to be set (PATH.FIELD=VALUE)")


def text_of(value: Any) -> str:
    """A value as `value_of` reads it."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(text_of, value))
    return repr(value) if isinstance(value, float) else str(value)


def entries(settings: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every field that can be set, by its path, with its value as text.

    A term has an entry of its own, the name of its class, before those of its fields.

    >>> dict(entries(get_recipe("dtmv_small").settings))["terms.soft.temperature"]
    '2.0'
    """
    if is_term(settings):
        yield path, type(settings).__name__
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        for field in dataclasses.fields(settings):
            yield from entries(getattr(settings, field.name), below(path, field.name))
    elif isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from entries(value, below(path, name))
    elif isinstance(settings, tuple) and any(map(dataclasses.is_dataclass, settings)):
        for place, value in enumerate(settings):
            yield from entries(value, below(path, str(place)))
    else:
        yield path, text_of(settings)


def below(path: str, name: str) -> str:
    """The path of a part of what lies at a path."""
    return f"{path}.{name}" if path else name


def is_term(value: Any) -> bool:
    """Whether a value is a term of a distillation."""
    return Term in type(value).__mro__
