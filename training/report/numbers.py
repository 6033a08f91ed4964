"""The runs of a reproduction -> accuracies and verdicts, for programs and for the tables."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.store import Json

from ..papers.facts import facts_of
from ..papers.groups import Group, groups_of, name_of_role
from ..papers.orderings import concerning
from ..papers.verdicts import (
    TOO_FEW,
    Outcomes,
    Verdict,
    corrected,
    evaluate_ordering,
)
from ..run_files.json_dataclasses import to_json
from ..run_files.reproduction import Reproduction
from ..run_files.results import Interval
from ..scoring.intervals import Estimate
from ..scoring.metrics import mean_average_precision
from .differences import differences_json
from .read import EvaluatedRun, Splits, by_system, estimate, outcomes_of, with_same

Systems = Mapping[str, Splits]
"""System -> split -> seed -> run."""


def numbers(state: Reproduction, runs: Sequence[EvaluatedRun]) -> dict[str, Json]:
    """The tables' numbers and the verdicts, for programs: docs/statistics.md has the layout."""
    splits = state.splits
    systems = by_system(runs, state.recipe_of, splits=splits)
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    paper = state.paper or "all"
    outcomes = grouped_outcomes(systems, groups)
    of_systems = {
        name: _system_numbers(of_split, groups) | {"counts": _counts(of_split)}
        for name, of_split in systems.items()
    }
    orderings = [
        _ordering_numbers(one) | {"groups": to_json(narrower(one, outcomes))}
        for one in verdicts(outcomes, paper)
    ]
    found: dict[str, Json] = {
        "dataset": first.dataset,
        "systems": of_systems,
        "orderings": orderings,
        "printed": [fact._asdict() for fact in facts_of(paper)],
        "differences": differences_json(systems),
    }
    if len(splits) < 2:
        return found | {"split": to_json(first.split)}
    for name, of_split in systems.items():
        of_systems[name]["splits"] = {
            split: _system_numbers({split: seeds}, groups)
            for split, seeds in of_split.items()
        }
    alone = {
        split: verdicts(grouped_outcomes(only(systems, split), groups), paper)
        for split in splits
    }
    for place, one in enumerate(orderings):
        one["splits"] = {
            split: _ordering_numbers(each[place]) for split, each in alone.items()
        }
    known = {run.split.name: to_json(run.split) for run in runs}
    return found | {"splits": [known[split] for split in splits if split in known]}


def _system_numbers(runs: Splits, groups: Sequence[Group]) -> dict[str, Json]:
    shown: tuple[Group | None, ...] = (None, *groups)
    return {
        "seeds": sorted({seed for seeds in runs.values() for seed in seeds}),
        "accuracy": {
            group.name if group else "all": estimate_numbers(found)
            for group in shown
            if (found := estimate(runs, group)) is not None
        },
    }


def estimate_numbers(found: Estimate) -> dict[str, Json]:
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "standard_error": finite(found.standard_error),
        "degrees_of_freedom": found.freedom,
        "over": {"seeds": found.seeds, "groups": found.groups},
    }


def _counts(runs: Splits) -> dict[str, Json]:
    """Right answers of each seed to each group of videos, for other analyses."""
    return {split: _counts_of(seeds) for split, seeds in runs.items()}


def _counts_of(seeds: Mapping[int, EvaluatedRun]) -> dict[str, Json]:
    names = sorted({unit for run in seeds.values() for unit in run.scores.units})
    column = {name: i for i, name in enumerate(names)}
    return {
        "groups": names,
        "seeds": {
            str(seed): _seed_counts(run, column) for seed, run in sorted(seeds.items())
        },
    }


def _seed_counts(run: EvaluatedRun, column: Mapping[str, int]) -> dict[str, Json]:
    scores, known = run.scores, run.scores.labelled
    place = np.array([column[unit] for unit in known.units], np.int64)
    videos, correct = (
        np.bincount(places, minlength=len(column)).tolist()
        for places in (place, place[known.hits()])
    )
    found: dict[str, Json] = {
        "run": run.folder.name,
        "videos": videos,
        "correct": correct,
    }
    if scores.relevant is None:
        return found
    precision = mean_average_precision(scores.scores, scores.relevant)
    return found | {"mean_average_precision": precision}


def _ordering_numbers(verdict: Verdict) -> dict[str, Json]:
    claim, same_as = verdict.ordering, verdict.same_as
    return {
        "name": claim.name,
        "claim": claim.text,
        "weight": claim.strength,
        "group": claim.group,
        "margin": claim.margin,
        "verdict": verdict.verdict,
        "verdict_before_correction": verdict.uncorrected
        if verdict.decided
        else verdict.verdict,
        "so_far": verdict.uncorrected if verdict.verdict == TOO_FEW else None,
        "p": verdict.p,
        "p_adjusted": verdict.p_adjusted,
        "smallest_detectable": finite(verdict.detectable),
        "same_runs_as": {"name": same_as.name, "claim": same_as.text}
        if same_as
        else None,
        "against": verdict.against,
        "seeds": verdict.seeds,
        "seeds_won": verdict.wins,
        "difference": estimate_numbers(verdict.difference)
        if verdict.difference
        else None,
    }


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def grouped_outcomes(systems: Systems, groups: Sequence[Group]) -> dict[str, Outcomes]:
    """Answers to all videos ("all") and to those of each group of classes.

    Systems that are the same at the size of the runs are among them, as a paper's claim
    may name the other one.
    """
    systems = with_same(systems)
    of_groups = {group.name: outcomes_of(systems, group) for group in groups}
    return {"all": outcomes_of(systems, None)} | of_groups


def narrower(verdict: Verdict, outcomes: Mapping[str, Outcomes]) -> dict[str, Interval]:
    """The difference of a verdict on each group of classes, where all classes counted.

    Args:
        outcomes: of `grouped_outcomes`.
    """
    if verdict.difference is None or verdict.ordering.group != "all":
        return {}
    nearest = verdict.ordering._replace(than=(verdict.against,))
    found = {
        name: evaluate_ordering(nearest, of)
        for name, of in outcomes.items()
        if name != "all"
    }
    return {
        name: one.difference.interval for name, one in found.items() if one.difference
    }


def only(systems: Systems, split: str) -> Systems:
    """The same systems on one split, as far as they have runs there."""
    return {
        name: {split: of_split[split]}
        for name, of_split in systems.items()
        if split in of_split
    }


def verdicts(outcomes: Mapping[str, Outcomes], paper: str) -> tuple[Verdict, ...]:
    """Every ordering that the paper claims; on all videos where a group is not there.

    Args:
        outcomes: of `grouped_outcomes`.
    """
    return corrected(
        [
            evaluate_ordering(
                ordering,
                outcomes.get(name_of_role(ordering.group, outcomes), outcomes["all"]),
            )
            for ordering in concerning(paper)
        ]
    )
