"""Statements of the papers about the settings of a report's systems, and our values."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.store import Json

from ..catalogue import paper_of
from ..papers.differences import Line, paper_lines
from ..papers.facts import PAPERS
from ..run_files.run_config import read_recipe
from .page import Page
from .read import Splits


def lines_of(systems: Mapping[str, Splits]) -> dict[str, tuple[Line, ...]]:
    """System -> every setting of its first run with what its paper says of it.

    Systems of no paper are left out.
    """
    found = {}
    for name, of_split in systems.items():
        run = next(run for seeds in of_split.values() for run in seeds.values())
        settings = read_recipe(run.folder).run.recipe.settings
        lines = paper_lines(name, paper_of(name), settings)
        if lines:
            found[name] = lines
    return found


def differences_part(page: Page, systems: Mapping[str, Splits]) -> None:
    """The section "What the papers say and what was done": a table for each paper."""
    known = lines_of(systems)
    if not known:
        return
    page.heading("What the papers say and what was done")
    page.text(
        "Every setting of the systems in this report that its paper does not state, states"
        " otherwise or contradicts; the settings' values are those that were recorded with"
        " the runs. `training recipes NAME` shows one system."
    )
    for paper in PAPERS:
        own = {name: each for name, each in known.items() if paper_of(name) == paper}
        if own:
            page.table(
                ("setting", "systems", "paper says", "here", "why"),
                rows_of(own),
                caption=PAPERS[paper],
            )
            page.text(f"As this paper states, in all its systems here: {_same(own)}.")


def rows_of(lines: Mapping[str, Sequence[Line]]) -> list[tuple[str, ...]]:
    """Rows of the table of one paper: systems with the same line share a row, and those
    that all have a setting are "all"."""
    having = Counter(line.setting for each in lines.values() for line in each)
    return [
        (
            line.setting,
            "all" if len(names) == having[line.setting] > 1 else ", ".join(names),
            line.paper,
            line.here,
            line.why,
        )
        for line, names in _systems_of(lines).items()
    ]


def differences_json(systems: Mapping[str, Splits]) -> dict[str, Json]:
    """The tables for programs: paper -> its rows, with all systems by name."""
    known = lines_of(systems)
    found: dict[str, Json] = {}
    for paper in PAPERS:
        own = {name: each for name, each in known.items() if paper_of(name) == paper}
        if own:
            found[paper] = [
                line._asdict() | {"systems": names}
                for line, names in _systems_of(own).items()
            ]
    return found


def _systems_of(lines: Mapping[str, Sequence[Line]]) -> dict[Line, list[str]]:
    """Line that differs -> the systems that have it, setting by setting."""
    systems: dict[Line, list[str]] = {}
    for name, each in lines.items():
        for line in each:
            if line.differs:
                systems.setdefault(line, []).append(name)
    settings = list(dict.fromkeys(line.setting for line in systems))
    return {
        line: systems[line]
        for line in sorted(systems, key=lambda one: settings.index(one.setting))
    }


def _same(lines: Mapping[str, Sequence[Line]]) -> str:
    """Settings that are as stated in all systems that have them."""
    differ = {one.setting for each in lines.values() for one in each if one.differs}
    same = dict.fromkeys(
        line.setting
        for each in lines.values()
        for line in each
        if line.verdict == "as stated" and line.setting not in differ
    )
    return ", ".join(f"`{name}`" for name in same) or "none"
