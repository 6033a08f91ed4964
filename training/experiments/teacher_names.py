"""Names and roles of the teachers of a distillation, and terms that name them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..losses.terms import Term, sides
from ..models.backbones import BackboneConfig


def names_of(teachers: Sequence[BackboneConfig]) -> tuple[str, ...]:
    """A name for each teacher: what it sees, with a number from 2 on where another one has
    that name.

    >>> names_of([replace(net, sees=sees) for sees in ("flow", "rgb", "flow")])
    ('flow', 'rgb', 'flow2')
    """
    seen = [net.sees for net in teachers]
    before = [seen[:place].count(name) for place, name in enumerate(seen)]
    return tuple(
        f"{name}{count + 1}" if count else name
        for name, count in zip(seen, before, strict=True)
    )


def roles_of(teachers: Sequence[BackboneConfig]) -> tuple[str, ...]:
    """The role of each teacher: of the first one teacher, of others with their name.

    >>> roles_of([replace(net, sees=sees) for sees in ("flow", "rgb", "flow")])
    ('teacher', 'teacher_rgb', 'teacher_flow2')
    """
    return ("teacher", *(f"teacher_{name}" for name in names_of(teachers)[1:]))


def renamed_teachers(
    term: Term, first: str, new: Mapping[str, str], several: tuple[bool, bool]
) -> Term:
    """A term with other names of its teachers.

    Args:
        first: name of the first teacher before.
        new: name before -> name now, of the teachers that stay.
        several: whether there were several teachers, and whether there are now.
    """
    were, are = several
    taps = []
    for written in term.taps:
        ours, theirs = sides(written)
        name, tap = first, theirs
        if were:
            name, _, tap = theirs.partition(".")
        if name in new:
            theirs = f"{new[name]}.{tap}" if are else tap
            written = theirs if ours == theirs else f"{ours}:{theirs}"
        taps.append(written)
    changed: dict[str, Any] = {}
    if tuple(taps) != term.taps:
        changed["taps"] = tuple(taps)
    if new.get(term.teacher or "", term.teacher) != term.teacher:
        changed["teacher"] = new[term.teacher or ""]
    return replace(term, **changed) if changed else term  # type: ignore[type-var]
