"""Differences between two systems that the papers print, with ours."""

from collections.abc import Iterator

from ..papers.facts import DATASET_TITLES, Fact, facts_to_compare
from ..papers.orderings import concerning
from .numbers import Systems
from .page import Page
from .read import Splits, accuracy, with_same


def printed_part(page: Page, paper: str, systems: Systems, dataset: str) -> None:
    """The table of the papers' own differences with ours, for each ordering.

    Args:
        dataset: of our runs. Where a paper has rows for it, only those count.
    """
    rows = list(_rows(paper, with_same(systems), dataset))
    if not rows:
        return
    page.heading("The papers' own differences")
    page.text(
        "Points between the two sides of each ordering, where one table of a paper has"
        " both, with the same crops and split, and ours on all test videos, of the seeds"
        " and splits that both sides have. The papers state no intervals; ours stand in the"
        " table above."
    )
    page.table(("", "difference", "ours", "papers'"), rows)


def printed_differences(
    better: str, other: str, dataset: str
) -> list[tuple[float, Fact]]:
    """Printed values of `better` minus those of `other`, with the fact of `better`.

    Both are in one table, on the same data set and split, with the same crops. A
    difference that several tables of a paper repeat is given once.
    """
    facts = [f for f in facts_to_compare("all", dataset) if f.metric != "fps"]
    found: dict[tuple[str, str, float], tuple[float, Fact]] = {}
    for first in facts:
        for second in facts if first.system == better else ():
            if second.system == other and _alike(first) == _alike(second):
                value = round(first.value - second.value, 4)
                key = (first.paper, first.dataset, value)
                found.setdefault(key, (value, first))
    return list(found.values())


def _alike(fact: Fact) -> tuple[str, ...]:
    return (fact.paper, fact.table, fact.dataset, fact.split, fact.metric, fact.crops)


def _rows(paper: str, systems: Systems, dataset: str) -> Iterator[tuple[str, ...]]:
    seen = set()
    for ordering in concerning(paper):
        for other in ordering.than:
            pair = (ordering.name, ordering.better, other)
            ours = our_difference(systems, ordering.better, other)
            theirs = printed_differences(ordering.better, other, dataset)
            if pair in seen or (ours is None and not theirs):
                continue
            seen.add(pair)
            yield (
                ordering.name,
                f"{ordering.better} - {other}",
                "not run" if ours is None else f"{100 * ours:+.1f}",
                "; ".join(_text(*one) for one in theirs) or "in no table",
            )


def _text(value: float, fact: Fact) -> str:
    """UCF101 +6.3 (dtmv table II, 10 crops)"""
    dataset = DATASET_TITLES.get(fact.dataset, fact.dataset)
    metric = ", mAP" * (fact.metric == "map")
    crops = f", {fact.crops} crop{'s' * fact.crops.isdigit()}" if fact.crops else ""
    return f"{dataset} {value:+.1f} ({fact.citation}{metric}{crops})"


def our_difference(systems: Systems, better: str, other: str) -> float | None:
    """Mean accuracy of `better` minus that of `other`, on their common splits and seeds."""
    sides = [systems.get(better, {}), systems.get(other, {})]
    common = {
        split: sides[0][split].keys() & sides[1][split].keys()
        for split in sides[0].keys() & sides[1].keys()
    }
    means = []
    for side in sides:
        kept: Splits = {
            split: {seed: run for seed, run in side[split].items() if seed in seeds}
            for split, seeds in common.items()
            if seeds
        }
        found = accuracy(kept) if kept else None
        if found is None:
            return None
        means.append(found.mean)
    return means[0] - means[1]
