"""Paired differences of any two systems of a report, on the same videos and seeds."""

from collections.abc import Sequence

from motion_shards.near import near
from pipeline.store import Json

from ..errors import RunError
from ..papers.orderings import Ordering
from ..papers.verdicts import Verdict, evaluate_ordering
from .numbers import Systems, estimate_numbers, finite
from .orderings import detectable_text, points
from .page import Page
from .read import outcomes_of, with_same

Pair = tuple[str, str]
"""Names of two systems: the difference is the first minus the second."""


def compared(systems: Systems, pairs: Sequence[Pair]) -> list[Verdict]:
    """The paired differences, as those of the papers' orderings.

    Raises:
        RunError: a system is not among the runs.
    """
    if not pairs:
        return []
    known = with_same(systems)
    for name in (name for pair in pairs for name in pair):
        if name not in known:
            raise RunError(
                f"expected two systems of the report ({', '.join(sorted(known))}) to"
                f" compare, got {name}{near(name, known)}"
            )
    outcomes = outcomes_of(known, None)
    return [
        evaluate_ordering(Ordering("", "", "", first, (second,), ()), outcomes)
        for first, second in pairs
    ]


def comparisons_part(page: Page, found: Sequence[Verdict]) -> None:
    """A table of the differences that were asked for."""
    if not found:
        return
    page.heading("Comparisons")
    page.text(
        "Mean paired differences, in points, on the same test videos, of the seeds that both"
        " have; with 95 % intervals. They are not corrected for their number. `detectable`"
        " is the smallest true difference that such runs show in four of five repetitions."
    )
    page.table(
        ("systems", "difference, points", "detectable", "seeds won"),
        [
            (
                f"{one.ordering.better} - {one.ordering.than[0]}",
                points(one.difference) or _why_not(one),
                detectable_text(one),
                f"{one.wins} of {one.seeds}" if one.seeds else "",
            )
            for one in found
        ],
    )


def comparison_numbers(found: Sequence[Verdict]) -> list[Json]:
    """The same for programs."""
    return [
        {
            "systems": [one.ordering.better, one.ordering.than[0]],
            "difference": estimate_numbers(one.difference) if one.difference else None,
            "smallest_detectable": finite(one.detectable),
            "seeds": one.seeds,
            "seeds_won": one.wins,
        }
        for one in found
    ]


def _why_not(verdict: Verdict) -> str:
    return "the same runs" if verdict.against else "no seed and video of both"
