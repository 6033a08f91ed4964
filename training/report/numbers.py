"""The runs of a reproduction -> accuracies and verdicts, for programs and for the tables."""

from collections.abc import Mapping, Sequence

from pipeline.store import Json

from ..papers.facts import facts_of
from ..papers.groups import Group, groups_of
from ..papers.orderings import Hits, Verdict, concerning, evaluate_ordering
from ..run_files.json_dataclasses import to_json
from ..run_files.reproduction import Reproduction
from ..run_files.results import Interval
from .read import EvaluatedRun, Splits, accuracy, by_system, hits_of

Systems = Mapping[str, Splits]
"""System -> split -> seed -> run."""


def numbers(state: Reproduction, runs: Sequence[EvaluatedRun]) -> dict[str, Json]:
    """The tables' numbers and the verdicts, for programs."""
    splits = state.splits
    systems = by_system(runs, state.recipe_of, splits=splits)
    first = runs[0]
    groups = groups_of(first.dataset, first.classes)
    paper = state.paper or "all"
    hits = grouped_hits(systems, groups)
    of_systems = {
        name: _system_numbers(of_split, groups) for name, of_split in systems.items()
    }
    orderings = [
        _ordering_numbers(one) | {"groups": to_json(narrower(one, hits))}
        for one in verdicts(hits, paper)
    ]
    found: dict[str, Json] = {
        "dataset": first.dataset,
        "systems": of_systems,
        "orderings": orderings,
        "printed": [fact._asdict() for fact in facts_of(paper)],
    }
    if len(splits) < 2:
        return found | {"split": to_json(first.split)}
    for name, of_split in systems.items():
        of_systems[name]["splits"] = {
            split: _system_numbers({split: seeds}, groups)
            for split, seeds in of_split.items()
        }
    alone = {
        split: verdicts(grouped_hits(only(systems, split), groups), paper)
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
            group.name if group else "all": found._asdict()
            for group in shown
            if (found := accuracy(runs, group)) is not None
        },
    }


def _ordering_numbers(verdict: Verdict) -> dict[str, Json]:
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


def grouped_hits(systems: Systems, groups: Sequence[Group]) -> dict[str, Hits]:
    """Hits on all videos ("all") and on those of each group."""
    of_groups = {group.name: hits_of(systems, group) for group in groups}
    return {"all": hits_of(systems, None)} | of_groups


def narrower(verdict: Verdict, hits: Mapping[str, Hits]) -> dict[str, Interval]:
    """The difference of a verdict on each group of classes, where all classes counted.

    Args:
        hits: of `grouped_hits`.
    """
    if verdict.difference is None or verdict.ordering.group != "all":
        return {}
    nearest = verdict.ordering._replace(than=(verdict.against,))
    found = {
        name: evaluate_ordering(nearest, of)
        for name, of in hits.items()
        if name != "all"
    }
    return {name: one.difference for name, one in found.items() if one.difference}


def only(systems: Systems, split: str) -> Systems:
    """The same systems on one split, as far as they have runs there."""
    return {
        name: {split: of_split[split]}
        for name, of_split in systems.items()
        if split in of_split
    }


def verdicts(hits: Mapping[str, Hits], paper: str) -> tuple[Verdict, ...]:
    """Every ordering that the paper claims; on all videos where a group is not there.

    Args:
        hits: of `grouped_hits`.
    """
    return tuple(
        evaluate_ordering(ordering, hits.get(ordering.group, hits["all"]))
        for ordering in concerning(paper)
    )
