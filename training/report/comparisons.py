"""Paired differences of any two systems of a report, on the same videos and seeds."""

from collections.abc import Collection, Sequence

from motion_shards.near import near
from pipeline.store import Json

from ..errors import RunError
from ..papers.orderings import Ordering
from ..papers.verdicts import Verdict, evaluate_ordering
from .numbers import Systems, estimate_numbers, finite
from .orderings import detectable_text, points
from .page import Page
from .read import outcomes_of, with_same


def compared(systems: Systems, pairs: Sequence[str]) -> list[Verdict]:
    """The paired differences, as those of the papers' orderings.

    Args:
        pairs: "A,B", names of two systems: the difference is that of A minus B.

    Raises:
        RunError: a system is not among the runs.
    """
    if not pairs:
        return []
    known = with_same(systems)
    named = [_two(pair, known) for pair in pairs]
    outcomes = outcomes_of(known, None)
    return [
        evaluate_ordering(Ordering("", "", "", first, (second,), ()), outcomes)
        for first, second in named
    ]


def _two(pair: str, known: Collection[str]) -> tuple[str, str]:
    """The two systems of "A,B"; names with changed settings have commas of their own."""
    parts = [part.strip() for part in pair.split(",")]
    halves = [(",".join(parts[:i]), ",".join(parts[i:])) for i in range(1, len(parts))]
    for first, second in halves:
        if {first, second} <= {*known}:
            return first, second
    unknown = [name for half in halves[:1] for name in half if name not in known]
    got = unknown[0] + near(unknown[0], known) if len(halves) == 1 else pair
    raise RunError(
        f"expected two systems of the report ({', '.join(sorted(known))}) to compare, got"
        f" {got}"
    )


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
