"""Verdicts on the papers' orderings as a table, with the rule by which they were made."""

from collections.abc import Sequence

from motion_shards.plain_text import counted

from ..papers.groups import Group
from ..papers.orderings import MARGIN
from ..papers.verdicts import LEVEL, NOT_RUN, Verdict
from ..run_files.reproduction import Reproduction
from ..run_files.results import Interval
from ..scoring.intervals import Estimate
from .numbers import Systems, grouped_outcomes, narrower, verdicts
from .page import Page
from .speed import speed_verdicts
from .tables import fewer_splits_text

MARKS = {"holds": "good", "consistent": "fair", "not reproduced": "poor"}


def points(interval: Interval | Estimate | None) -> str:
    """+8.1 [+3.0, +13.2]"""
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval[:3])
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def orderings_part(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    state: Reproduction,
) -> None:
    """The section of verdicts.

    Args:
        groups: all of the data set; those that ask a narrower question have a column.
    """
    rows, marks = [], []
    outcomes = grouped_outcomes(systems, groups)
    groups = [group for group in groups if group.narrower]
    found = verdicts(outcomes, paper)
    for verdict in found:
        if verdict.verdict == NOT_RUN and state.paper is None:
            continue  # a report of some runs need not name all that is not among them
        claim = verdict.ordering
        text = claim.text
        if len(claim.than) > 1 and verdict.against:
            text += f" (nearest: {verdict.against})"
        of_groups = narrower(verdict, outcomes)
        rows.append(
            (
                claim.name,
                text,
                claim.strength,
                points(verdict.difference),
                detectable_text(verdict),
                _p(verdict),
                *(points(of_groups.get(group.name)) for group in groups),
                f"{verdict.wins} of {verdict.seeds}" if verdict.seeds else "",
                verdict.text + fewer_splits_text(verdict.splits, state),
            )
        )
        marks.append(MARKS.get(verdict.verdict, "" if verdict.seeds else "none"))
    speeds = speed_verdicts(state, paper) if state.paper else ()
    for name, text, strength, ratio, word in speeds:
        rows.append(
            (name, text, strength, ratio, "", "", *("" for _ in groups), "", word)
        )
        marks.append(MARKS.get(word, "none"))
    if not rows:
        return
    several = ""
    if len(state.splits) > 1:
        several = (
            " of each split; seeds won are those with a mean over the splits above 0"
        )
    first = next(
        run for of in systems.values() for s in of.values() for run in s.values()
    )
    page.heading("Do the papers' orderings hold?")
    page.text(
        "The rule: at least 5 seeds, each side trained with the same seeds and "
        f"evaluated on the same videos{several}. An ordering `holds` if the 95 % "
        "interval of the mean paired difference lies above 0, is `consistent` if "
        "only the mean does, and is `not reproduced` otherwise. Of several "
        "opponents the nearest is shown."
        + " Differences are of mean average precision."
        * (first.scores.relevant is not None)
        + _margin_text(found)
        + " The same difference on groups of classes says where it comes from, and"
        " decides nothing." * bool(groups)
    )
    page.text(_correction_text(found))
    names = [f"on {group.name}" for group in groups]
    head = ("", "claim", "weight", "difference, points", "detectable", "p", *names)
    page.table(
        (*head, "seeds won", "verdict"),
        rows,
        marks=marks,
    )


def detectable_text(verdict: Verdict) -> str:
    """Smallest difference that the runs could have shown, in points."""
    found = verdict.detectable
    if found is None:
        return ""
    return f"{100 * found:.1f}" if found < 1 else "none"


def _p(verdict: Verdict) -> str:
    """The p of an ordering, and its p after correction: 0.004; 0.06"""
    if verdict.p is None:
        return ""
    each = [verdict.p]
    each += [] if verdict.p_adjusted is None else [verdict.p_adjusted]
    return "; ".join("<0.0001" if p < 1e-4 else f"{p:.2g}" for p in each)


def _margin_text(found: Sequence[Verdict]) -> str:
    if not any(one.ordering.margin for one in found):
        return ""
    return (
        " A claim of >= is one of non-inferiority: there the interval, or the mean, must"
        f" lie above -{100 * MARGIN:g} points, twice the largest difference that the"
        " papers print in such rows."
    )


def _correction_text(found: Sequence[Verdict]) -> str:
    """Sentences on the units of the intervals, Holm's correction and detectable differences."""
    family = [one for one in found if one.p_adjusted is not None and not one.same_as]
    before = [one for one in found if one.verdict != one.uncorrected and one.decided]
    text = (
        "`detectable` is the smallest true difference, in points, whose interval would lie"
        " above 0 in four of five repetitions with other seeds and videos; a smaller one"
        " cannot be expected to show. `p` is two-sided, and 1 where the mean is on the"
        " other side."
    )
    if not family:
        return text
    return (
        f"{text} {counted(len(family), 'ordering')} of weight must"
        f" {'was' if len(family) == 1 else 'were'} decided here at once, so their p, after"
        " the semicolon, is corrected for that number (Holm): one holds if this too is"
        f" below {LEVEL:g}. {len(before) or 'None'} of them held before the correction"
        " only. What the same runs decide is decided and counted once. Orderings of weight"
        " should and weak are not corrected."
    )
