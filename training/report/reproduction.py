"""The runs of a reproduction -> its report: orderings, tables next to the papers', figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..papers.facts import PAPERS
from ..papers.groups import DEMO_LIMITS, Group, groups_of
from ..papers.orderings import NOT_RUN
from ..run_files.reproduction import Reproduction
from ..run_files.results import Interval
from ..scoring.metrics import SEEDS
from .illustrations import figures_part
from .numbers import Systems, grouped_hits, narrower, verdicts
from .page import Page
from .read import EvaluatedRun, by_system
from .speed import speed_part, speed_verdicts
from .tables import fewer_splits_text, others_table, paper_tables
from .text import split_text

MARKS = {"holds": "good", "consistent": "fair", "not reproduced": "poor"}


def page_of(
    state: Reproduction,
    runs: Sequence[EvaluatedRun],
    *,
    unfinished: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Page:
    """The whole report.

    Args:
        state: the reproduction, or as much of it as is known.
        runs: complete runs, of any systems and seeds.
        unfinished: folder of a run that is not complete -> how far it is.
        folder: where figures.npz lies.
    """
    systems = by_system(runs, state.recipe_of, splits=state.splits)
    paper = state.paper or "all"
    title = f"Reproduction: {paper}" if state.paper else "Report of trained networks"
    page = Page(title=title)
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    _what(page, state, runs, unfinished or {})
    if first.dataset == "demo":
        page.text(DEMO_LIMITS)
    _orderings(page, paper, systems, groups, state)
    for name in PAPERS if paper == "all" else (paper,):
        if paper == "all" and name == "mars":
            continue  # its rows are in the Dual-action Stream's tables
        paper_tables(page, name, systems, groups, state, first.dataset)
    others_table(page, paper, systems, groups, first.dataset)
    figures_part(page, systems, groups, folder)
    speed_part(page, state, paper)
    _not_run(page, state)
    return page


def points(interval: Interval | None) -> str:
    """+8.1 [+3.0, +13.2]"""
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _what(
    page: Page,
    state: Reproduction,
    runs: Sequence[EvaluatedRun],
    unfinished: Mapping[str, str],
) -> None:
    first, on_split = runs[0], dict[str, EvaluatedRun]()
    for run in runs:
        on_split.setdefault(run.split.name, run)
    seeds = sorted({run.seed for run in runs})
    many = ", ".join(map(str, seeds))
    several = len(state.splits) > 1
    data = "; ".join(
        f"{split_text(run.split)}, {len(run.scores)} test videos"
        for _, run in sorted(on_split.items())
    )
    page.text(
        f"Data set {first.dataset}, {data}"
        f" of {len(first.classes)} classes. Size {state.size or 'as recorded'}, seeds"
        f" {many}. Brackets are 95 % bootstrap intervals over seeds and videos"
        f"{' of each split' * several}. Numbers of the papers stand in their own column, with the data set they were measured on;"
        " a difference is given only where ours is the same data set with all its classes."
    )
    if several:
        page.text(
            f"Ours is the mean of the splits {', '.join(state.splits)}, which count"
            " alike. Where the paper's number is of one of them alone, the difference is"
            " taken on it. `table.json` has every split by itself."
        )
    if len(seeds) < SEEDS:
        page.text(
            f"Fewer than {SEEDS} seeds: no ordering is decided yet, whatever the intervals."
        )
    for name, how_far in unfinished.items():
        page.text(f"Not in this report: {name}, {how_far}.")
    done, total = state.done, state.total
    if done is not None and total is not None and done < total:
        page.text(
            f"Not finished: {done} of {total} stages are complete. Resume with "
            f"`{state.command}`."
        )


def _orderings(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    state: Reproduction,
) -> None:
    rows, marks = [], []
    hits = grouped_hits(systems, groups)
    for verdict in verdicts(hits, paper):
        if verdict.verdict == NOT_RUN and state.paper is None:
            continue  # a report of some runs need not name all that is not among them
        claim = verdict.ordering
        text = claim.text
        if len(claim.than) > 1 and verdict.against:
            text += f" (nearest: {verdict.against})"
        of_groups = narrower(verdict, hits)
        rows.append(
            (
                claim.name,
                text,
                claim.strength,
                points(verdict.difference),
                *(points(of_groups.get(group.name)) for group in groups),
                f"{verdict.wins} of {verdict.seeds}" if verdict.seeds else "",
                verdict.text + fewer_splits_text(verdict.splits, state),
            )
        )
        marks.append(MARKS.get(verdict.verdict, "" if verdict.seeds else "none"))
    speeds = speed_verdicts(state, paper) if state.paper else ()
    for name, text, strength, ratio, word in speeds:
        rows.append((name, text, strength, ratio, *("" for _ in groups), "", word))
        marks.append(MARKS.get(word, "none"))
    if not rows:
        return
    several = ""
    if len(state.splits) > 1:
        several = (
            " of each split; seeds won are those with a mean over the splits above 0"
        )
    page.heading("Do the papers' orderings hold?")
    page.text(
        "The rule: at least 5 seeds, each side trained with the same seeds and "
        f"evaluated on the same videos{several}. An ordering `holds` if the 95 % "
        "interval of the mean paired difference lies above 0, is `consistent` if "
        "only the mean does, and is `not reproduced` otherwise. Of several "
        "opponents the nearest is shown."
        + " The same difference on groups of classes says where it comes from, and"
        " decides nothing." * bool(groups)
    )
    names = [f"on {group.name}" for group in groups]
    page.table(
        ("", "claim", "weight", "difference, points", *names, "seeds won", "verdict"),
        rows,
        marks=marks,
    )


def _not_run(page: Page, state: Reproduction) -> None:
    if state.not_run:
        page.heading("Not run")
        page.table(("system", "why"), sorted(state.not_run.items()))
