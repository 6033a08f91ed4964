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
from .read import Judged, accuracy, by_system, hits_of
from .speed import speed_part, speed_verdicts
from .text import split_text

MARKS = {"holds": "good", "consistent": "fair", "not reproduced": "poor"}
METRICS = {"top1": "top-1", "map": "mAP"}
DATASETS = {"ucf101": "UCF101", "hmdb51": "HMDB51", "thumos14": "THUMOS14"}

Systems = Mapping[str, Mapping[int, Judged]]


def page_of(
    told: Mapping[str, Any], runs: Sequence[Judged], *, folder: Path | None = None
) -> Page:
    """The whole report.

    Args:
        told: reproduction.json, or as much of it as is known.
        runs: complete runs, of any systems and seeds.
        folder: where figures.npz lies.
    """
    systems = by_system(runs, told.get("recipe_of"))
    paper = told.get("paper", "all")
    page = Page(title=told.get("title") or f"Reproduction: {paper}")
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    _what(page, told, systems, first)
    if first.dataset == "demo":
        page.text(DEMO_LIMITS)
    _orderings(page, paper, systems, groups, told)
    for name in PAPERS if paper == "all" else (paper,):
        if paper == "all" and name == "mars":
            continue  # its rows stand in the Dual-action Stream's tables
        _tables(page, name, systems, groups, told)
    _others(page, paper, systems, groups)
    _figures(page, systems, groups, folder)
    speed_part(page, told, paper)
    _not_run(page, told)
    return page


def numbers(told: Mapping[str, Any], runs: Sequence[Judged]) -> dict[str, Any]:
    """The tables' numbers and the verdicts, for programs."""
    systems = by_system(runs, told.get("recipe_of"))
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    shown: tuple[Group | None, ...] = (None, *groups)
    return {
        "dataset": first.dataset,
        "split": first.split,
        "systems": {
            name: {
                "seeds": sorted(of_seed),
                "accuracy": {
                    group.name if group else "all": found._asdict()
                    for group in shown
                    if (found := accuracy(of_seed, group)) is not None
                },
            }
            for name, of_seed in systems.items()
        },
        "orderings": [
            {
                "name": one.ordering.name,
                "claim": one.ordering.text,
                "weight": one.ordering.strength,
                "group": one.ordering.group,
                "verdict": one.verdict,
                "against": one.against,
                "seeds": one.seeds,
                "seeds_won": one.wins,
                "difference": one.difference._asdict() if one.difference else None,
            }
            for one in verdicts(systems, told.get("paper", "all"), groups)
        ],
        "printed": [fact._asdict() for fact in facts_of(told.get("paper", "all"))],
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


def _what(page: Page, told: Mapping[str, Any], systems: Systems, first: Judged) -> None:
    seeds = sorted({seed for runs in systems.values() for seed in runs})
    many = ", ".join(map(str, seeds))
    page.text(
        f"Data set {first.dataset}, {split_text(first.split)}, {len(first.scores)} test videos"
        f" of {len(first.classes)} classes. Size {told.get('size', 'as recorded')}, seeds"
        f" {many}. Brackets are 95 % bootstrap intervals over seeds and videos. Numbers of"
        " the papers stand in their own column, with the data set they were measured on;"
        " a difference is given only where ours is the same data set."
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
                verdict.text,
            )
        )
        marks.append(MARKS.get(verdict.verdict, "" if verdict.seeds else "none"))
    speeds = speed_verdicts(told, paper) if "paper" in told else ()
    for name, text, strength, ratio, word in speeds:
        rows.append((name, text, strength, ratio, "", word))
        marks.append(MARKS.get(word, "none"))
    if not rows:
        return
    page.heading("Do the papers' orderings hold?")
    page.text(
        "The rule: at least 5 seeds, each side trained with the same seeds and judged on"
        " the same videos. An ordering `holds` if the 95 % interval of the mean paired"
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
) -> None:
    facts = [fact for fact in facts_of(paper) if fact.metric != "fps"]
    dataset = next(iter(next(iter(systems.values())).values())).dataset
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
    printed = "; ".join(
        f"{fact.value:g} ({DATASETS.get(fact.dataset, fact.dataset)}"
        f"{', mAP' * (fact.metric == 'map')}{', mean of 3 splits' * ('3' in fact.split)})"
        for fact in facts
    )
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
        ten = {
            seed: run._replace(scores=run.crops10)
            for seed, run in runs.items()
            if run.crops10 is not None
        }
        runs, told_crops = (ten, "") if ten else (runs, " (centre)")
    ours = accuracy(runs)
    told_split = " (one split)" if any("3" in f.split for f in facts) else ""
    same = [f for f in facts if f.dataset == dataset]
    difference = ""
    if same and ours is not None:
        difference = f"{100 * ours.mean - same[0].value:+.1f}"
    return (
        name,
        recipe,
        printed,
        percent(ours) + told_crops + told_split,
        *(percent(accuracy(runs, group)) for group in groups),
        difference,
        f"{len(runs)}",
    )


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
                f"{len(systems[name])}",
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
            runs = systems[name]
            counts = sum(
                metrics.confusion(run.scores.scores, run.scores.labels)
                for run in runs.values()
                if run.scores.relevant is None
            )
            if isinstance(counts, np.ndarray):
                page.figure(
                    figures.confusion_svg(counts, runs[min(runs)].classes),
                    caption=f"Confusion of {name}, {len(runs)} seed(s) together, in percent"
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
