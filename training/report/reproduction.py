"""The runs of a reproduction -> its report: orderings, tables next to the papers', figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from motion_shards.plain_text import counted

from ..papers.facts import PAPERS
from ..papers.groups import DEMO_LIMITS, KINDS_NOTE, groups_of
from ..papers.verdicts import SEEDS, Verdict
from ..run_files.reproduction import Reproduction
from .comparisons import comparisons_part
from .confusions import confusions_part
from .differences import differences_part
from .illustrations import figures_part
from .learning_curves import curves_part
from .numbers import Systems
from .orderings import orderings_part
from .page import Page
from .printed import printed_part
from .provenance import provenance_part
from .read import EvaluatedRun, by_system, with_same
from .records import RunRecord
from .speed import speed_part
from .tables import Shown, others_table, paper_tables
from .text import split_text
from .variants import variants_part


def page_of(
    state: Reproduction,
    runs: Sequence[EvaluatedRun],
    records: Sequence[RunRecord] = (),
    *,
    unfinished: Mapping[str, str] | None = None,
    folder: Path | None = None,
    comparisons: Sequence[Verdict] = (),
) -> Page:
    """The whole report.

    Args:
        state: the reproduction, or as much of it as is known.
        runs: complete runs, of any systems and seeds.
        records: of these and of the runs without scores of videos.
        unfinished: folder of a run that is not complete -> how far it is.
        folder: where figures.npz lies.
        comparisons: of `compared`.
    """
    systems = by_system(runs, state.recipe_of, splits=state.splits)
    paper = state.paper or "all"
    title = f"Reproduction: {paper}" if state.paper else "Report of trained networks"
    page = Page(title=title)
    first = runs[0]
    every = groups_of(first.dataset, first.classes)
    groups = tuple(group for group in every if group.narrower)
    _what(page, state, runs, unfinished or {})
    if first.dataset == "demo":
        page.text(DEMO_LIMITS)
    if first.dataset == "ucf101" and every:
        page.text(KINDS_NOTE)
    orderings_part(page, paper, systems, every, state)
    comparisons_part(page, comparisons)
    printed_part(page, paper, systems, first.dataset)
    shown = Shown()
    for name in PAPERS if paper == "all" else (paper,):
        if paper == "all" and name == "mars":
            continue  # its rows are in the Dual-action Stream's tables
        paper_tables(page, name, systems, groups, state, first.dataset, shown)
    others_table(page, paper, systems, groups, first.dataset, shown)
    variants_part(page, records)
    figures_part(page, systems, every, folder)
    curves_part(page, records)
    confusions_part(page, systems)
    speed_part(page, state)
    differences_part(page, systems)
    provenance_part(page, state, records)
    _not_run(page, state, systems)
    return page


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
        f" {many}. Brackets are 95 % intervals over {_units(runs, seeds)}. Numbers of the papers stand in their own column, with the data set they were measured on;"
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
    if state.changes:
        page.text(f"With other settings than the recipes': {', '.join(state.changes)}.")
    for name, how_far in unfinished.items():
        page.text(f"Not in this report: {name}, {how_far}.")
    done, total = state.done, state.total
    if done is not None and total is not None and done < total:
        page.text(
            f"Not finished: {done} of {total} stages are complete. Resume with "
            f"`{state.command}`."
        )


def _units(runs: Sequence[EvaluatedRun], seeds: Sequence[int]) -> str:
    """Units of the intervals: seeds and groups of videos, or groups alone."""
    groups = len({unit for run in runs for unit in run.scores.units})
    videos = len({video for run in runs for video in run.scores.ids})
    of = f"{counted(groups, 'group')} of test videos (clips of one recording)"
    if groups == videos:
        of = f"{counted(groups, 'test video')}, each a group of its own"
    if len(seeds) < 2:
        return f"{of}; one seed: how much another would change is not in them"
    return f"{counted(len(seeds), 'seed')} and {of}"


def _not_run(page: Page, state: Reproduction, systems: Systems) -> None:
    """Those that were not, nor are the same at this size as one that was."""
    ran = with_same(systems)
    rows = sorted((name, why) for name, why in state.not_run.items() if name not in ran)
    if rows:
        page.heading("Not run")
        page.table(("system", "why"), rows)
