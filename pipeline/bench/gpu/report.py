"""All that was found, as JSON and as tables: goals and troubles first."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from motion_shards.plain_text import counted, printable, size_text
from pipeline.store.replacement import replacing

from . import rows as kinds
from .rows import Row, to_json
from .runner import StageResult
from .verdicts import Verdict, verdicts

STYLES = {"met": "green", "missed": "bold red", "unknown": "yellow"}
ORDER = ("missed", "unknown", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run of the benchmark, whole or until it was interrupted."""

    began: str
    """Local time."""
    budget_minutes: float
    frames: str
    """Source of the frames: "drawn", or the folder of clips."""
    size: tuple[int, int]
    """Height and width of the frames, px."""
    results: Sequence[StageResult]

    @property
    def verdicts(self) -> list[Verdict]:
        """The goals, those that are missed first."""
        return sorted(verdicts(self.results), key=lambda it: ORDER.index(it.state))

    @property
    def succeeded(self) -> bool:
        """Whether no goal is missed and no stage failed. Parts that were not run and
        goals that cannot be judged here do not count."""
        missed = any(it.state == "missed" for it in self.verdicts)
        ended = all(it.state in ("finished", "not run") for it in self.results)
        return ended and not missed

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "began": self.began,
            "budget_minutes": self.budget_minutes,
            "frames": self.frames,
            "size": list(self.size),
            "succeeded": self.succeeded,
            "verdicts": [asdict(it) for it in self.verdicts],
            "stages": [_stage_json(it) for it in self.results],
        }

    def write(self, path: Path) -> None:
        """Write the JSON in place of the file."""
        with replacing(path, durable=False) as file:
            file.write(json.dumps(self.to_json(), indent=1).encode() + b"\n")

    def show(self, console: Console) -> None:
        """Print goals, troubles, and a table for each kind of row."""
        goals = _table("goal", "", "found")
        for verdict in self.verdicts:
            state = Text(verdict.state, STYLES[verdict.state])
            goals.add_row(Text(verdict.goal), state, Text(printable(verdict.found)))
        console.print(goals)
        for line in troubles(self.results):
            console.print(Text(line, "yellow"))
        for result in self.results:
            title = result.stage.title
            for kind, columns in COLUMNS.items():
                found = [row for row in result.rows if isinstance(row, kind)]
                if found:
                    _show_rows(console, title, columns, found)
                    title = ""


def troubles(results: Sequence[StageResult]) -> Iterator[str]:
    """Lines about what did not go as it should: stages, checks, modes of the GPU."""
    for result in results:
        name = result.stage.name
        if result.state != "finished":
            yield printable(f"{name}: {result.state}: {result.reason}")
        for row in result.rows:
            match row:
                case kinds.Comparison(passed=False):
                    yield f"{name}: WRONG: {line_of(row)}"
                case kinds.InjectedError(passed=False):
                    yield f"{name}: WRONG: {line_of(row)}"
                case kinds.Fact(concern=str(concern)) if concern:
                    yield f"{name}: {row.name} {row.value}: {concern}"
                case kinds.NotRun() if result.state != "not run":
                    yield f"{name}: {line_of(row)}"


def line_of(row: Row) -> str:
    """One row on one line, for progress."""
    match row:
        case kinds.NotRun():
            said = f"{row.part}: not run: {row.reason}"
        case kinds.Comparison():
            said = f"{row.name}: {row.value:.4g} {row.unit}".rstrip()
            said += "" if row.most is None else f", at most {row.most:.4g}"
        case kinds.InjectedError():
            said = f"{row.cause}: {row.found}"
            said += "" if row.passed else f", expected {row.expected}"
        case _:
            said = ", ".join(
                f"{head} {cell}".strip()
                for head, cell in zip(
                    COLUMNS[type(row)].heads, COLUMNS[type(row)].cells(row), strict=True
                )
                if cell
            )
    return printable(said)


class Columns(NamedTuple):
    """The table of one kind of row."""

    heads: tuple[str, ...]
    cells: Callable[[Any], tuple[str, ...]]


def _device(row: kinds.Device) -> tuple[str, ...]:
    free, total = size_text(row.free_bytes), size_text(row.memory_bytes)
    return row.name, row.capability, str(row.multiprocessors), f"{free} of {total}"


def _fact(row: kinds.Fact) -> tuple[str, ...]:
    return row.name, row.value, row.concern


def _comparison(row: kinds.Comparison) -> tuple[str, ...]:
    most = "" if row.most is None else f"{row.most:.4g}"
    verdict = "" if row.most is None else "ok" if row.passed else "WRONG"
    return row.name, f"{row.value:.4g} {row.unit}".rstrip(), most, verdict


def _flow_speed(row: kinds.FlowSpeed) -> tuple[str, ...]:
    batch = f"{row.batch}{' (usual)' if row.usual else ''}"
    forecast = "" if row.forecast is None else f"{row.forecast:,.0f}"
    return row.profile, batch, f"{row.pairs_per_second:,.0f}", forecast


def _kernel(row: kinds.KernelTime) -> tuple[str, ...]:
    time = f"{row.milliseconds:.3f}"
    batch = f"{row.profile}, {row.batch}"
    return batch, row.kernel, str(row.launches), time, f"{row.share:.1%}"


def _injected(row: kinds.InjectedError) -> tuple[str, ...]:
    return row.cause, row.expected, row.found, "ok" if row.passed else "WRONG"


def _extraction(row: kinds.ExtractionSpeed) -> tuple[str, ...]:
    speed, busy = f"{row.pairs_per_second:,.0f}", f"{row.busy_share:.0%}"
    workers = f"{row.workers}{' (usual)' if row.usual else ''}"
    return row.modalities, workers, speed, busy, f"{row.cores:.1f}"


def _training(row: kinds.TrainingSpeed) -> tuple[str, ...]:
    speeds = (row.network_alone, row.loader_alone, row.training)
    counts = (str(row.batch_size), str(row.workers))
    shown = tuple(f"{speed:,.0f}" for speed in speeds)
    return (
        row.network,
        row.memory_format,
        *counts,
        *shown,
        f"{row.share_of_waiting:.1%}",
    )


def _not_run(row: kinds.NotRun) -> tuple[str, ...]:
    return row.part, row.reason


COLUMNS: dict[type[Row], Columns] = {
    kinds.Device: Columns(
        ("device", "capability", "multiprocessors", "memory free"), _device
    ),
    kinds.Fact: Columns(("fact", "value", "concern"), _fact),
    kinds.Comparison: Columns(("check", "found", "at most", ""), _comparison),
    kinds.FlowSpeed: Columns(
        ("profile", "batch", "pairs/s", "forecast for an H200"), _flow_speed
    ),
    kinds.KernelTime: Columns(
        ("profile, batch", "kernel", "launches", "ms", "of all"), _kernel
    ),
    kinds.InjectedError: Columns(("caused", "expected", "found", ""), _injected),
    kinds.ExtractionSpeed: Columns(
        ("modalities", "workers", "pairs/s", "GPU busy", "cores"), _extraction
    ),
    kinds.TrainingSpeed: Columns(
        (
            "network",
            "memory format",
            "batch",
            "workers",
            "network alone",
            "loader alone",
            "training, clips/s",
            "waiting",
        ),
        _training,
    ),
    kinds.NotRun: Columns(("not run", "reason"), _not_run),
}


def _show_rows(
    console: Console, title: str, columns: Columns, found: Sequence[Row]
) -> None:
    table = _table(*columns.heads)
    for row in found:
        table.add_row(*(Text(printable(cell)) for cell in columns.cells(row)))
    console.print()
    if title:
        console.print(Text(title, "bold"))
    console.print(table)


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table


def _stage_json(result: StageResult) -> dict[str, Any]:
    return {
        "name": result.stage.name,
        "state": result.state,
        "reason": result.reason,
        "seconds": round(result.seconds, 2),
        "limit_seconds": round(result.limit_seconds, 2),
        "rows": [to_json(row) for row in result.rows],
        "details": result.details,
    }


def ending(report: Report) -> str:
    """The last line: stages that ran, and goals by state."""
    ran = sum(it.state == "finished" for it in report.results)
    states = [it.state for it in report.verdicts]
    goals = ", ".join(f"{states.count(it)} {it}" for it in ORDER if it in states)
    return f"{ran} of {counted(len(report.results), 'stage')} finished; goals: {goals}"
