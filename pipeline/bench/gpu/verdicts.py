"""The goals, and whether what the stages found meets them."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from motion_shards.plain_text import counted

from .rows import (
    Comparison,
    Device,
    FlowSpeed,
    InjectedError,
    Row,
    TrainingSpeed,
)
from .runner import StageResult

LEAST_PAIRS_PER_SECOND = 5000.0
"""Goal of TV-L1 with the profile `default`, frames of 340x256, on an H200."""
GOAL_PROFILE = "default"
MOST_WAITING = 0.1
"""Goal: part of a training's time that may be spent waiting for clips."""

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One goal."""

    goal: str
    state: Literal["met", "missed", "unknown"]
    found: str
    """The finding in words; where the state is unknown, the reason."""


def verdicts(results: Sequence[StageResult]) -> list[Verdict]:
    """All goals, whatever stages there are."""
    return [
        _answers(results),
        _errors(results),
        _flow_speed(results),
        _waiting(results),
    ]


def is_h200(name: str) -> bool:
    """Whether the name of a device is that of a whole H200: no GH200, no slice of one."""
    return bool(re.search(r"\bH200\b", name)) and "MIG" not in name


def _answers(results: Sequence[StageResult]) -> Verdict:
    goal = "flow is that of the CPU"
    judged = [row for row in _rows(results, Comparison) if row.most is not None]
    wrong = [row for row in judged if not row.passed]
    if wrong:
        first = wrong[0]
        checks = counted(len(judged), "check")
        value = f"{first.value:.4g} {first.unit}".rstrip()
        found = f"{len(wrong)} of {checks} failed; "
        found += f"{first.name}: {value}, at most {first.most:g}"
        return Verdict(goal=goal, state="missed", found=found)
    return _all_passed(goal, results, "answers", len(judged))


def _errors(results: Sequence[StageResult]) -> Verdict:
    goal = "errors are reported and survived"
    injected = list(_rows(results, InjectedError))
    wrong = [row for row in injected if not row.passed]
    if wrong:
        found = f"{wrong[0].cause}: expected {wrong[0].expected}, got {wrong[0].found}"
        return Verdict(goal=goal, state="missed", found=found)
    return _all_passed(goal, results, "errors", len(injected))


def _all_passed(
    goal: str, results: Sequence[StageResult], stage: str, count: int
) -> Verdict:
    """The verdict of a stage without a failed check: met if it has come to its end."""
    reason = _missing(results, stage)
    if count and not reason:
        return Verdict(goal=goal, state="met", found=counted(count, "check"))
    if count:
        reason = f"{counted(count, 'check')} passed, then: {reason}"
    return Verdict(goal=goal, state="unknown", found=reason or "no check")


def _flow_speed(results: Sequence[StageResult]) -> Verdict:
    goal = f"flow >= {LEAST_PAIRS_PER_SECOND:,.0f} pairs/s on an H200 ({GOAL_PROFILE})"
    rows = [it for it in _rows(results, FlowSpeed) if it.profile == GOAL_PROFILE]
    rows = [it for it in rows if math.isfinite(it.pairs_per_second)]
    if not rows:
        reason = _missing(results, "speed") or "not measured"
        return Verdict(goal=goal, state="unknown", found=reason)
    usual = [row for row in rows if row.usual] or rows
    best = max(usual, key=lambda row: row.pairs_per_second)
    found = f"{best.pairs_per_second:,.0f} pairs/s in batches of {best.batch}"
    name = next((row.name for row in _rows(results, Device)), "an unknown device")
    if not is_h200(name):
        return Verdict(goal=goal, state="unknown", found=f"{found}, but on {name}")
    fast = best.pairs_per_second >= LEAST_PAIRS_PER_SECOND
    return Verdict(goal=goal, state="met" if fast else "missed", found=found)


def _waiting(results: Sequence[StageResult]) -> Verdict:
    """The fastest training of each network counts, and of those the one that waits most."""
    goal = f"training waits <= {MOST_WAITING:.0%} of its time for clips"
    fastest: dict[str, TrainingSpeed] = {}
    for row in _rows(results, TrainingSpeed):
        best = fastest.setdefault(row.network, row)
        if row.training > best.training:
            fastest[row.network] = row
    if not fastest:
        reason = _missing(results, "training") or "not measured"
        return Verdict(goal=goal, state="unknown", found=reason)
    worst = max(fastest.values(), key=lambda row: row.share_of_waiting)
    found = (
        f"{worst.network} waits {worst.share_of_waiting:.1%} at "
        f"{worst.training:,.0f} clips/s with {counted(worst.workers, 'worker')}"
    )
    if not worst.share_of_waiting <= MOST_WAITING:
        return Verdict(goal=goal, state="missed", found=found)
    if reason := _missing(results, "training"):
        return Verdict(goal=goal, state="unknown", found=f"{found}, then: {reason}")
    return Verdict(goal=goal, state="met", found=found)


def _rows(results: Sequence[StageResult], kind: type[R]) -> Iterator[R]:
    for result in results:
        for row in result.rows:
            if isinstance(row, kind):
                yield row


def _missing(results: Sequence[StageResult], stage: str) -> str:
    """Reason for which a stage's rows may not be complete; empty if it has finished."""
    for result in results:
        if result.stage.name == stage:
            if result.state == "finished":
                return ""
            return f"stage {stage} {result.state}: {result.reason}"
    return f"stage {stage} was not chosen"
