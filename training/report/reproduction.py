"""The runs of a reproduction -> tables beside the papers', orderings, figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import metrics
from ..metrics import SEEDS, Interval
from . import figures
from .facts import PAPERS, Fact, facts_of
from .groups import DEMO_LIMITS, Group, groups_of
from .orderings import NOT_RUN, Verdict, concerning, judge
from .page import Page
from .read import Judged, Splits, accuracy, by_system, hits_of
from .speed import speed_part, speed_verdicts
from .text import split_text

MARKS = {"holds": "good", "consistent": "fair", "not reproduced": "poor"}
METRICS = {"top1": "top-1", "map": "mAP"}
DATASETS = {"ucf101": "UCF101", "hmdb51": "HMDB51", "thumos14": "THUMOS14"}

Systems = Mapping[str, Splits]


def page_of(
    told: Mapping[str, Any], runs: Sequence[Judged], *, folder: Path | None = None
) -> Page:
    """The whole report.

    Args:
        told: reproduction.json, or as much of it as is known.
        runs: complete runs, of any systems and seeds.
        folder: where figures.npz lies.
    """
    systems = by_system(runs, told.get("recipe_of"), splits=splits_of(told))
    paper = told.get("paper", "all")
    page = Page(title=told.get("title") or f"Reproduction: {paper}")
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    _what(page, told, runs)
    if first.dataset == "demo":
        page.text(DEMO_LIMITS)
    _orderings(page, paper, systems, groups, told)
    for name in PAPERS if paper == "all" else (paper,):
        if paper == "all" and name == "mars":
            continue  # its rows stand in the Dual-action Stream's tables
        _tables(page, name, systems, groups, told, first.dataset)
    _others(page, paper, systems, groups)
    _figures(page, systems, groups, folder)
    speed_part(page, told, paper)
    _not_run(page, told)
    return page


def numbers(told: Mapping[str, Any], runs: Sequence[Judged]) -> dict[str, Any]:
    """The tables' numbers and the verdicts, for programs."""
    systems = by_system(runs, told.get("recipe_of"), splits=splits_of(told))
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    paper = told.get("paper", "all")
    numbers: dict[str, Any] = {
        "dataset": first.dataset,
        "systems": {
            name: _system_numbers(of_split, groups)
            for name, of_split in systems.items()
        },
        "orderings": [
            _ordering_numbers(one) for one in verdicts(systems, paper, groups)
        ],
        "printed": [fact._asdict() for fact in facts_of(paper)],
    }
    splits = splits_of(told)
    if len(splits) < 2:
        return numbers | {"split": first.split}
    for name, of_split in systems.items():
        numbers["systems"][name]["splits"] = {
            split: _system_numbers({split: seeds}, groups)
            for split, seeds in of_split.items()
        }
    alone = {split: verdicts(only(systems, split), paper, groups) for split in splits}
    for place, one in enumerate(numbers["orderings"]):
        one["splits"] = {
            split: _ordering_numbers(found[place]) for split, found in alone.items()
        }
    known = {run.split["name"]: run.split for run in runs}
    return numbers | {"splits": [known[split] for split in splits if split in known]}


def _system_numbers(runs: Splits, groups: Sequence[Group]) -> dict[str, Any]:
    shown: tuple[Group | None, ...] = (None, *groups)
    return {
        "seeds": sorted({seed for seeds in runs.values() for seed in seeds}),
        "accuracy": {
            group.name if group else "all": found._asdict()
            for group in shown
            if (found := accuracy(runs, group)) is not None
        },
    }


def _ordering_numbers(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.ordering.name,
        "claim": verdict.ordering.text,
        "weight": verdict.ordering.strength,
        "group": verdict.ordering.group,
        "verdict": verdict.verdict,
        "against": verdict.against,
        "seeds": verdict.seeds,
        "seeds_won": verdict.wins,
        "difference": verdict.difference._asdict() if verdict.difference else None,
    }


def splits_of(told: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the splits that a reproduction is about; none where nothing was told."""
    return tuple(filter(None, told.get("split", "").split(",")))


def only(systems: Systems, split: str) -> Systems:
    """The same systems on one split, as far as they have runs there."""
    return {
        name: {split: of_split[split]}
        for name, of_split in systems.items()
        if split in of_split
    }


def verdicts(
    systems: Systems, paper: str, groups: Sequence[Group]
) -> tuple[Verdict, ...]:
    """Every ordering that the paper claims."""
    by_name: dict[str, Group | None] = {"all": None} | {g.name: g for g in groups}
    found = []
    for ordering in concerning(paper):
        group = by_name.get(ordering.group)
        found.append(judge(ordering, hits_of(systems, group)))
    return tuple(found)


def percent(interval: Interval | None) -> str:
    """67.5 [64.1, 70.8]"""
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def points(interval: Interval | None) -> str:
    """+8.1 [+3.0, +13.2]"""
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _what(page: Page, told: Mapping[str, Any], runs: Sequence[Judged]) -> None:
    first, on_split = runs[0], dict[str, Judged]()
    for run in runs:
        on_split.setdefault(run.split["name"], run)
    seeds = sorted({run.seed for run in runs})
    many = ", ".join(map(str, seeds))
    several = len(splits_of(told)) > 1
    data = "; ".join(
        f"{split_text(run.split)}, {len(run.scores)} test videos"
        for _, run in sorted(on_split.items())
    )
    page.text(
        f"Data set {first.dataset}, {data}"
        f" of {len(first.classes)} classes. Size {told.get('size', 'as recorded')}, seeds"
        f" {many}. Brackets are 95 % bootstrap intervals over seeds and videos"
        f"{' of each split' * several}. Numbers of the papers stand in their own column, with the data set they were measured on;"
        " a difference is given only where ours is the same data set."
    )
    if several:
        page.text(
            f"Ours is the mean of the splits {', '.join(splits_of(told))}, which count"
            " alike. Where the paper's number is of one of them alone, the difference is"
            " taken on it. `table.json` has every split by itself."
        )
    if len(seeds) < SEEDS:
        page.text(
            f"Fewer than {SEEDS} seeds: no ordering is decided yet, whatever the intervals."
        )
    done, total = told.get("done"), told.get("total")
    if done is not None and done < total:
        page.text(
            f"Not finished: {done} of {total} stages are complete. `{told.get('command')}`"
            " goes on."
        )


def _orderings(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    told: Mapping[str, Any],
) -> None:
    rows, marks = [], []
    for verdict in verdicts(systems, paper, groups):
        if verdict.verdict == NOT_RUN and "paper" not in told:
            continue  # a report of some runs need not name all that is not among them
        claim = verdict.ordering
        text = claim.text
        if len(claim.than) > 1 and verdict.against:
            text += f" (nearest: {verdict.against})"
        rows.append(
            (
                claim.name,
                text,
                claim.strength,
                points(verdict.difference),
                f"{verdict.wins} of {verdict.seeds}" if verdict.seeds else "",
                verdict.text + _fewer_splits(verdict.splits, told),
            )
        )
        marks.append(MARKS.get(verdict.verdict, "" if verdict.seeds else "none"))
    speeds = speed_verdicts(told, paper) if "paper" in told else ()
    for name, text, strength, ratio, word in speeds:
        rows.append((name, text, strength, ratio, "", word))
        marks.append(MARKS.get(word, "none"))
    if not rows:
        return
    several = ""
    if len(splits_of(told)) > 1:
        several = (
            " of each split; seeds won are those with a mean over the splits above 0"
        )
    page.heading("Do the papers' orderings hold?")
    page.text(
        "The rule: at least 5 seeds, each side trained with the same seeds and judged on"
        f" the same videos{several}. An ordering `holds` if the 95 % interval of the mean paired"
        " difference lies above 0, is `consistent` if only the mean does, and is `not"
        " reproduced` otherwise. Of several opponents the nearest is shown."
    )
    page.table(
        ("", "claim", "weight", "difference, points", "seeds won", "verdict"),
        rows,
        marks=marks,
    )


def _tables(
    page: Page,
    paper: str,
    systems: Systems,
    groups: Sequence[Group],
    told: Mapping[str, Any],
    dataset: str,
) -> None:
    facts = [fact for fact in facts_of(paper) if fact.metric != "fps"]
    if dataset in {fact.dataset for fact in facts}:
        facts = [fact for fact in facts if fact.dataset == dataset]
    if "paper" not in told:
        facts = [fact for fact in facts if fact.system in systems]
    if not facts:
        return
    page.heading(f"{PAPERS[paper]} (`{paper}`)")
    tables = dict.fromkeys(fact.table for fact in facts)
    for table in tables:
        of_table = [fact for fact in facts if fact.table == table]
        rows = [
            _row(row, own, systems, groups, told, dataset)
            for row, own in _rows_of(of_table).items()
        ]
        head = ("row", "system", "paper", "ours", *(g.name for g in groups))
        name = table if table.startswith("text") else f"table {table}"
        page.table(
            (*head, "difference", "seeds"),
            rows,
            caption=f"{name[0].upper()}{name[1:]}: top-1 or mAP in percent",
        )


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
    told: Mapping[str, Any],
    dataset: str,
) -> tuple[str, ...]:
    name, system, crops = row
    if crops:
        name += f" ({crops} crops)" if crops.isdigit() else f" ({crops} crop)"
    splits = splits_of(told)
    printed = "; ".join(_printed(fact, splits) for fact in facts)
    recipe = told.get("recipe_of", {}).get(system, system)
    runs = systems.get(system)
    if not runs:
        why = told.get("not_run", {}).get(system, "")
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
    told_split = _fewer_splits(len(runs), told)
    if len(runs) == 1 and any("3" in fact.split for fact in facts):
        told_split = " (one split)"
    same = [f for f in facts if f.dataset == dataset]
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
        _seeds(runs),
    )


def _printed(fact: Fact, splits: Sequence[str]) -> str:
    """74.4 (UCF101), with its split where it is not clear that ours is the same."""
    of_split = ", mean of 3 splits" * ("3" in fact.split)
    if len(splits) > 1 and fact.split in splits:
        of_split = f", split {fact.split}"
    dataset = DATASETS.get(fact.dataset, fact.dataset)
    return f"{fact.value:g} ({dataset}{', mAP' * (fact.metric == 'map')}{of_split})"


def _ten_crops(runs: Splits) -> dict[str, dict[int, Judged]]:
    """The same runs as ten crops judge them, where they were looked at so."""
    ten = {
        split: {
            seed: run._replace(scores=run.crops10)
            for seed, run in seeds.items()
            if run.crops10 is not None
        }
        for split, seeds in runs.items()
    }
    return {split: seeds for split, seeds in ten.items() if seeds}


def _fewer_splits(count: int, told: Mapping[str, Any]) -> str:
    """Said of a mean that lacks splits."""
    wanted = len(splits_of(told))
    return f" ({count} of {wanted} splits)" if 0 < count < wanted else ""


def _seeds(runs: Splits) -> str:
    """How many there are on a split: 5, or 4 to 5."""
    counts = {len(seeds) for seeds in runs.values()}
    fewest, most = min(counts), max(counts)
    return f"{most}" if fewest == most else f"{fewest} to {most}"


def _others(page: Page, paper: str, systems: Systems, groups: Sequence[Group]) -> None:
    """Stages and controls that stand in no table."""
    printed = {fact.system for fact in facts_of(paper)}
    others = [name for name in systems if name not in printed]
    if not others:
        return
    page.heading("Beside the papers' rows")
    page.text(
        "Stages on the way, and comparisons without which a row would say too much."
    )
    page.table(
        ("system", "ours", *(g.name for g in groups), "seeds"),
        [
            (
                name,
                percent(accuracy(systems[name])),
                *(percent(accuracy(systems[name], group)) for group in groups),
                _seeds(systems[name]),
            )
            for name in others
        ],
        caption="Top-1 in percent",
    )


def _figures(
    page: Page, systems: Systems, groups: Sequence[Group], folder: Path | None
) -> None:
    page.heading("Figures")
    for name in ("dtmv", "htsc", "ds", "fts", *systems):
        if name in systems:
            runs = [run for of in systems[name].values() for run in of.values()]
            counts = sum(
                metrics.confusion(run.scores.scores, run.scores.labels)
                for run in runs
                if run.scores.relevant is None
            )
            splits = f" on {len(systems[name])} splits" * (len(systems[name]) > 1)
            if isinstance(counts, np.ndarray):
                page.figure(
                    figures.confusion_svg(counts, runs[0].classes),
                    caption=f"Confusion of {name}, {_seeds(systems[name])} seed(s){splits}"
                    " together, in percent"
                    " of the true class (rows). DTMV's figure 5 has the same for UCF101.",
                    name=f"confusion_{name}",
                )
            break
    _group_figure(page, systems, groups)
    path = folder / "figures.npz" if folder else None
    if path and path.is_file():
        _stored_figures(page, path)


def _group_figure(page: Page, systems: Systems, groups: Sequence[Group]) -> None:
    shown = [name for name in ("mv", "emv", "dtmv", "flow2d") if name in systems]
    if not shown or not groups:
        return
    nothing = Interval(float("nan"), 0.0, 0.0)
    series = [
        (
            name,
            [accuracy(systems[name], group) or nothing for group in (None, *groups)],
        )
        for name in shown
    ]
    page.figure(
        figures.bars_svg(["all", *(group.name for group in groups)], series),
        caption="Accuracy by group of classes, as in DTMV's figure 6 (there four kinds of"
        " UCF101's actions); lines are 95 % intervals.",
        name="groups",
    )


def _stored_figures(page: Page, path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        kept = {name: file[name] for name in file.files}
    filters = [
        (name, [figures.filters_picture(kept[f"filters_{name}"])])
        for name in ("mv", "dtmv", "flow2d")
        if f"filters_{name}" in kept
    ]
    if filters:
        page.figure(
            figures.pictures_svg(filters, scale=5),
            caption="First-layer filters for the horizontal motion of the middle field,"
            " each with its own contrast, as in DTMV's figure 7: of the net of vectors"
            " alone, of DTMV, and of its teacher.",
            name="filters",
        )
    columns = [
        (title, list(kept[f"example_{key}"]))
        for key, title in (
            ("frame", "frame"),
            ("next", "next frame"),
            ("flow", "stored TV-L1"),
            ("layer", "TV-L1 as a layer"),
            ("motionnet", "MotionNet"),
            ("mv", "motion vectors"),
        )
        if f"example_{key}" in kept
    ]
    if columns:
        page.figure(
            figures.pictures_svg(columns),
            caption="Motion between two frames of test videos, as in FTSnet's figure 5:"
            " the hue is the direction, white is rest; one scale in a row.",
            name="flow",
        )


def _not_run(page: Page, told: Mapping[str, Any]) -> None:
    not_run = told.get("not_run", {})
    if not_run:
        page.heading("Not run")
        page.table(("system", "why"), sorted(not_run.items()))
