"""Groups of classes, whose accuracies say more than one number over all.

Within a group the question may be narrower than the class: of `motion` the best of the
motion classes counts, of a pair the better of its two.
"""

from typing import NamedTuple

import numpy as np

MOTION = ("left", "right", "cw", "ccw", "expand", "contract", "osc_h", "osc_v")
PAIRS = (("rise_bright", "rise_dark"), ("fall_warm", "fall_cool"))


class Group(NamedTuple):
    """Some classes, and who competes."""

    name: str
    sets: tuple[tuple[str, ...], ...]
    """A video counts if its class is in one of these; the classes of that set compete."""
    chance: float
    limits: str = ""
    """Best accuracy that can be reached, and the cue that reaches it."""


DEMO = (
    Group("motion", (MOTION,), 1 / 8, "1 from motion, 0.125 from one frame"),
    Group("pair", PAIRS, 1 / 2, "0.5 from motion, 1 from one frame"),
)
DEMO_LIMITS = (
    "What can be reached on the demo data set, by construction: 0.833 from motion alone"
    " (8/12 and half of 4/12), 0.417 from one frame (4/12 and an eighth of 8/12), 1 from"
    " both. `motion` is the accuracy on the eight motion classes with the answer"
    " restricted to them (chance 0.125); `pair` is whether the right one of two"
    " appearances of the same motion was named (chance 0.5)."
)


def groups_of(dataset: str, classes: tuple[str, ...]) -> tuple[Group, ...]:
    """Groups that we know for a data set, as far as its classes are there."""
    if dataset != "demo":
        return ()
    known = []
    for group in DEMO:
        sets = tuple(s for s in group.sets if set(s) <= set(classes))
        if sets:
            known.append(group._replace(sets=sets))
    return tuple(known)


def group_hits(
    scores: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], group: Group
) -> np.ndarray:
    """Whether the right class is the best of those that compete.

    Args:
        scores: (V, K), higher is better.
        labels: (V,) integers.

    Returns:
        (N,) bool for the N videos of the group, in order.
    """
    place = {name: i for i, name in enumerate(classes)}
    found = np.full(len(labels), -1)
    for one in group.sets:
        columns = np.array([place[name] for name in one])
        inside = np.isin(labels, columns)
        best = columns[scores[inside][:, columns].argmax(axis=1)]
        found[inside] = best == labels[inside]
    return found[found >= 0].astype(bool)


def videos_of(labels: np.ndarray, classes: tuple[str, ...], group: Group) -> np.ndarray:
    """(V,) bool: whether a video's class is in the group."""
    names = {name for one in group.sets for name in one}
    return np.isin(labels, [i for i, name in enumerate(classes) if name in names])
