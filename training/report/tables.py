"""The papers' tables, with our numbers next to theirs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..papers.facts import DATASET_TITLES, NUM_CLASSES, PAPERS, Fact, facts_to_compare
from ..papers.groups import Group
from ..run_files.reproduction import Reproduction
from ..run_files.results import Interval
from .numbers import Systems
from .page import Page
from .read import EvaluatedRun, Splits, accuracy
from .speed import speed_table


def percent(interval: Interval | None) -> str:
    """67.5 [64.1, 70.8]"""
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


class Shown:
    """Runs whose accuracy a table has, so that it stands as a result once."""

    def __init__(self) -> None:
        self._first: dict[frozenset[tuple[Path, bool]], tuple[str, str]] = {}

    def again(self, runs: Splits, system: str, where: str) -> str:
        """Note the runs of a row.

        Returns:
            "same runs as fts in fts table 1" where a row before had them, else nothing.
        """
        key = frozenset(
            (run.folder, run.scores is run.crops10)
            for seeds in runs.values()
            for run in seeds.values()
        )
        if key not in self._first:
            self._first[key] = (system, where)
            return ""
        before, there = self._first[key]
        return f"same runs as {'' if before == system else f'{before} '}in {there}"


def paper_tables(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    state: Reproduction,
    dataset: str,
    shown: Shown,
) -> None:
    """Each table of a paper.

    Args:
        dataset: of our runs. Where the paper has rows for it, only those are shown.
        shown: by the tables before.
    """
    facts = facts_to_compare(paper, dataset)
    if state.paper is None:
        facts = tuple(fact for fact in facts if fact.system in systems)
    if not facts:
        return
    page.heading(f"{PAPERS[paper]} (`{paper}`)")
    for table in dict.fromkeys(fact.table for fact in facts):
        of_table = [fact for fact in facts if fact.table == table]
        rows = [
            _row(row, own, systems, groups, state, dataset, shown)
            for row, own in _rows_of(f for f in of_table if f.metric != "fps").items()
        ]
        head = ("row", "system", "paper", "ours", *(g.name for g in groups))
        name = table if table.startswith("text") else f"table {table}"
        title = f"{name[0].upper()}{name[1:]}"
        if rows:
            page.table(
                (*head, "difference", "seeds"),
                rows,
                caption=f"{title}: top-1 or mAP in percent",
            )
        speeds = [fact for fact in of_table if fact.metric == "fps"]
        speed_table(page, speeds, state, title)


def _rows_of(facts: Iterable[Fact]) -> dict[tuple[str, str, str], list[Fact]]:
    """Facts of a row stand together: one number for each data set."""
    rows: dict[tuple[str, str, str], list[Fact]] = {}
    for fact in facts:
        rows.setdefault((fact.row, fact.system, fact.crops), []).append(fact)
    return rows


def _row(
    row: tuple[str, str, str],
    facts: Sequence[Fact],
    systems: Systems,
    groups: Sequence[Group],
    state: Reproduction,
    dataset: str,
    shown: Shown,
) -> tuple[str, ...]:
    name, system, crops = row
    if crops:
        name += f" ({crops} crops)" if crops.isdigit() else f" ({crops} crop)"
    printed = "; ".join(_printed(fact, state.splits) for fact in facts)
    recipe = (state.recipe_of or {}).get(system, system)
    runs = systems.get(system)
    if not runs:
        why = state.not_run.get(system, "")
        blank = ("",) * len(groups)
        return (
            name,
            system,
            printed,
            f"not run: {why.partition(';')[0]}" if why else "not run",
            *blank,
            "",
            "",
        )
    told_crops = ""
    if crops == "10":
        ten = _ten_crops(runs)
        runs, told_crops = (ten, "") if ten else (runs, " (centre)")
    ours = accuracy(runs)
    told_split = fewer_splits_text(len(runs), state)
    if len(runs) == 1 and any("3" in fact.split for fact in facts):
        told_split = " (one split)"
    classes = {
        len(run.classes) for of_split in runs.values() for run in of_split.values()
    }
    whole = classes == {NUM_CLASSES.get(dataset)}
    same = [f for f in facts if whole and f.dataset == dataset]
    difference = ""
    if same and ours is not None:
        alike = ours
        if len(runs) > 1 and same[0].split in runs:
            alike = accuracy({same[0].split: runs[same[0].split]}) or ours
        difference = f"{100 * alike.mean - same[0].value:+.1f}"
    cells = _accuracies(
        runs,
        groups,
        shown.again(runs, system, facts[0].citation),
        told_crops + told_split,
    )
    return (name, recipe, printed, *cells, difference, seeds_text(runs))


def _accuracies(
    runs: Splits, groups: Sequence[Group], again: str, remark: str = ""
) -> tuple[str, ...]:
    """Accuracy on all videos and on those of each group.

    Args:
        again: where a row before has the same runs; then the mean alone is repeated.
        remark: behind the first accuracy.
    """
    ours = accuracy(runs)
    if again:
        mean = f"{100 * ours.mean:.1f}" if ours else ""
        return (f"{mean}{remark}: {again}", *("" for _ in groups))
    of_groups = (percent(accuracy(runs, group)) for group in groups)
    return (percent(ours) + remark, *of_groups)


def _printed(fact: Fact, splits: Sequence[str]) -> str:
    """74.4 (UCF101), with its split where it is not clear that ours is the same."""
    of_split = ", mean of 3 splits" * ("3" in fact.split)
    if len(splits) > 1 and fact.split in splits:
        of_split = f", split {fact.split}"
    dataset = DATASET_TITLES.get(fact.dataset, fact.dataset)
    more = f"; {fact.note}" if fact.note else ""
    mean = ", mAP" * (fact.metric == "map")
    return f"{fact.value:g} ({dataset}{mean}{of_split}{more})"


def _ten_crops(runs: Splits) -> dict[str, dict[int, EvaluatedRun]]:
    """The same runs with scores of ten crops, where these were evaluated."""
    ten = {
        split: {
            seed: run._replace(scores=run.crops10)
            for seed, run in seeds.items()
            if run.crops10 is not None
        }
        for split, seeds in runs.items()
    }
    return {split: seeds for split, seeds in ten.items() if seeds}


def fewer_splits_text(count: int, state: Reproduction) -> str:
    """Remark on a mean that lacks splits."""
    wanted = len(state.splits)
    return f" ({count} of {wanted} splits)" if 0 < count < wanted else ""


def seeds_text(runs: Splits) -> str:
    """Number of seeds per split: "5", or "4 to 5"."""
    counts = {len(seeds) for seeds in runs.values()}
    fewest, most = min(counts), max(counts)
    return f"{most}" if fewest == most else f"{fewest} to {most}"


def others_table(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    dataset: str,
    shown: Shown,
) -> None:
    """Stages and controls that are in no table.

    Args:
        shown: by the papers' tables.
    """
    printed = {
        fact.system for fact in facts_to_compare(paper, dataset) if fact.metric != "fps"
    }
    others = [name for name in systems if name not in printed]
    if not others:
        return
    page.heading("Beside the papers' rows")
    page.text(
        "Intermediate networks and further comparisons that the papers' tables lack."
    )
    here = "this table"
    page.table(
        ("system", "ours", *(g.name for g in groups), "seeds"),
        [
            (
                name,
                *_accuracies(runs, groups, shown.again(runs, name, here)),
                seeds_text(runs),
            )
            for name in others
            for runs in (systems[name],)
        ],
        caption="Top-1 in percent",
    )
