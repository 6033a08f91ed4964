"""Runs -> verdicts on the orderings that the papers claim.

The rule: at least 5 seeds; the same videos, and seed by seed, of both sides; the mean
difference with its 95 % interval over seeds and groups of videos, splits counting alike
(`scoring.intervals`). An ordering `holds` if the interval is above 0 (a claim of >=: above
minus its margin), is `consistent` if only the mean is, and is `not reproduced` otherwise.
Of the orderings of weight `must`, one that holds must also do so after Holm's correction
for their number. What the same runs decide is decided once.

Source:
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 1979. Of several opponents the largest p counts (Berger, Technometrics
    1982), which needs no correction.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..scoring.intervals import Estimate, difference, over_splits
from ..scoring.outcomes import SplitOutcomes, paired
from .orderings import Ordering

SEEDS = 5
"""Fewer seeds decide nothing about an ordering."""
LEVEL = 0.05
"""Two-sided p from which on an ordering does not hold."""

HOLDS, CONSISTENT, NOT_REPRODUCED = "holds", "consistent", "not reproduced"
TOO_FEW, NOT_RUN, SAME_RUNS = "too few seeds", "not run", "same runs"

Outcomes = Mapping[str, SplitOutcomes]
"""System -> split -> seed -> its answers."""


class Verdict(NamedTuple):
    """Result of our runs for one ordering."""

    ordering: Ordering
    verdict: str
    """The verdict after the correction, where there is one."""
    uncorrected: str = ""
    seeds: int = 0
    """On every split."""
    splits: int = 0
    videos: int = 0
    """Videos of all splits."""
    against: str = ""
    """The system that came nearest."""
    difference: Estimate | None = None
    wins: int = 0
    """Seeds with a difference above 0, the mean over the splits."""
    p: float | None = None
    """Two-sided, of a mean above 0 or above minus the margin; 1 where it is not above."""
    p_adjusted: float | None = None
    """After Holm's correction; None for an ordering that is not corrected."""
    same_as: Ordering | None = None
    """An earlier ordering that the same runs decide."""
    runs: tuple[frozenset[str], frozenset[frozenset[str]]] | None = None
    """Folders of the runs of the better system, and those of each of the others."""

    @property
    def decided(self) -> bool:
        return self.verdict in (HOLDS, CONSISTENT, NOT_REPRODUCED)

    @property
    def detectable(self) -> float | None:
        """Smallest true difference that these seeds and videos show in 4 of 5 repetitions."""
        return self.difference.detectable if self.difference else None

    @property
    def text(self) -> str:
        """The verdict, with what it lacks."""
        if self.verdict == SAME_RUNS:
            sides = f"{self.ordering.better} and {self.against}"
            return f"not decided: {sides} are the same runs"
        if self.difference is None:
            return self.verdict
        text = self.verdict
        if self.verdict == TOO_FEW:
            text += f" ({self.seeds} of {SEEDS}); so far: {self.uncorrected}"
        elif self.verdict != self.uncorrected:
            text += f" (before correction: {self.uncorrected})"
        if self.same_as:
            text += f" (same runs as {self.same_as.name}, {self.same_as.text})"
        return text


def evaluate_ordering(ordering: Ordering, outcomes: Outcomes) -> Verdict:
    """Apply the rule to one ordering, without correction.

    The least difference counts where there are several opponents.

    Args:
        outcomes: of the videos that the ordering is about.
    """
    if not all(outcomes.get(name) for name in (ordering.better, *ordering.than)):
        return Verdict(ordering, NOT_RUN)
    found: list[Verdict] = []
    sides = set[frozenset[str]]()
    for other in ordering.than:
        pairs = paired(outcomes[ordering.better], outcomes[other])
        if not pairs.difference:
            return Verdict(ordering, NOT_RUN)
        ours, theirs = pairs.runs
        sides.add(theirs)
        if ours == theirs:
            return Verdict(ordering, SAME_RUNS, against=other)
        influence = over_splits(pairs.difference)
        estimate = difference(influence)
        of_seed = influence.mean + len(pairs.seeds) * influence.values.sum(axis=1)
        word = judged(estimate, margin=ordering.margin)
        found.append(
            Verdict(
                ordering,
                word if len(pairs.seeds) >= SEEDS else TOO_FEW,
                uncorrected=word,
                seeds=len(pairs.seeds),
                splits=len(pairs.difference),
                videos=pairs.videos,
                against=other,
                difference=estimate,
                wins=int((of_seed > 1e-9).sum()),
                p=estimate.p_above(-ordering.margin),
                runs=(ours, frozenset()),
            )
        )
    nearest = min(found, key=lambda v: v.difference.low if v.difference else 0.0)
    return nearest._replace(
        p=max(one.p for one in found if one.p is not None),
        runs=(nearest.runs[0], frozenset(sides)) if nearest.runs else None,
    )


def judged(estimate: Estimate, *, margin: float = 0.0) -> str:
    """Word for a paired difference: holds, consistent or not reproduced."""
    if estimate.low > -margin:
        return HOLDS
    return CONSISTENT if estimate.mean > -margin else NOT_REPRODUCED


def corrected(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The same verdicts, musts after Holm's correction, what the same runs decide once."""
    first = [
        next(k for k, other in enumerate(verdicts) if k == i or _same(other, one))
        for i, one in enumerate(verdicts)
    ]
    musts = {
        first[i]: one.p
        for i, one in enumerate(verdicts)
        if one.decided and one.ordering.strength == "must" and one.p is not None
    }
    adjusted = dict(zip(musts, holm(list(musts.values())), strict=True))
    found = []
    for i, one in enumerate(verdicts):
        if first[i] != i:
            one = one._replace(same_as=verdicts[first[i]].ordering)
        p = adjusted.get(first[i])
        if p is not None and one.ordering.strength == "must":
            loses = one.verdict == HOLDS and p >= LEVEL
            word = CONSISTENT if loses else one.verdict
            one = one._replace(p_adjusted=p, verdict=word)
        found.append(one)
    return tuple(found)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p, in the order given: below a level where Holm would reject at it."""
    adjusted, least = [0.0] * len(p), 0.0
    for place, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        least = max(least, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = least
    return adjusted


def _same(first: Verdict, second: Verdict) -> bool:
    """Whether the same runs decide both, on the same videos."""
    one, other = first.ordering, second.ordering
    return (
        first.runs is not None
        and first.runs == second.runs
        and (one.group, one.margin) == (other.group, other.margin)
    )
