"""The papers' tables, with our numbers next to theirs."""

from collections.abc import Sequence

from ..papers.facts import DATASET_TITLES, NUM_CLASSES, PAPERS, Fact, facts_to_compare
from ..papers.groups import Group
from ..run_files.reproduction import Reproduction
from ..run_files.results import Interval
from .numbers import Systems
from .page import Page
from .read import EvaluatedRun, Splits, accuracy


def percent(interval: Interval | None) -> str:
    """67.5 [64.1, 70.8]"""
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def paper_tables(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    state: Reproduction,
    dataset: str,
) -> None:
    """Each table of a paper.

    Args:
        dataset: of our runs. Where the paper has rows for it, only those are shown.
    """
    facts = _shown(paper, dataset)
    if state.paper is None:
        facts = [fact for fact in facts if fact.system in systems]
    if not facts:
        return
    page.heading(f"{PAPERS[paper]} (`{paper}`)")
    tables = dict.fromkeys(fact.table for fact in facts)
    for table in tables:
        of_table = [fact for fact in facts if fact.table == table]
        rows = [
            _row(row, own, systems, groups, state, dataset)
            for row, own in _rows_of(of_table).items()
        ]
        head = ("row", "system", "paper", "ours", *(g.name for g in groups))
        name = table if table.startswith("text") else f"table {table}"
        page.table(
            (*head, "difference", "seeds"),
            rows,
            caption=f"{name[0].upper()}{name[1:]}: top-1 or mAP in percent",
        )


def _shown(paper: str, dataset: str) -> list[Fact]:
    """Rows of the tables of a paper, or of all of them."""
    return [fact for fact in facts_to_compare(paper, dataset) if fact.metric != "fps"]


def _rows_of(facts: Sequence[Fact]) -> dict[tuple[str, str, str], list[Fact]]:
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
            f"not run: {why}" if why else "not run",
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
    return (
        name,
        recipe,
        printed,
        percent(ours) + told_crops + told_split,
        *(percent(accuracy(runs, group)) for group in groups),
        difference,
        seeds_text(runs),
    )


def _printed(fact: Fact, splits: Sequence[str]) -> str:
    """74.4 (UCF101), with its split where it is not clear that ours is the same."""
    of_split = ", mean of 3 splits" * ("3" in fact.split)
    if len(splits) > 1 and fact.split in splits:
        of_split = f", split {fact.split}"
    dataset = DATASET_TITLES.get(fact.dataset, fact.dataset)
    return f"{fact.value:g} ({dataset}{', mAP' * (fact.metric == 'map')}{of_split})"


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
    page: Page, paper: str, systems: Systems, groups: Sequence[Group], dataset: str
) -> None:
    """Stages and controls that are in no table."""
    printed = {fact.system for fact in _shown(paper, dataset)}
    others = [name for name in systems if name not in printed]
    if not others:
        return
    page.heading("Beside the papers' rows")
    page.text(
        "Intermediate networks and further comparisons that the papers' tables lack."
    )
    page.table(
        ("system", "ours", *(g.name for g in groups), "seeds"),
        [
            (
                name,
                percent(accuracy(systems[name])),
                *(percent(accuracy(systems[name], group)) for group in groups),
                seeds_text(systems[name]),
            )
            for name in others
        ],
        caption="Top-1 in percent",
    )
