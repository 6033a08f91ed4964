"""metrics.csv: the lines of metrics.jsonl as one table, for spreadsheets and pandas."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from ..run_files.names import METRICS_CSV
from ..run_files.writing import write_bytes
from .record import Run

FIRST = ("kind", "epoch", "step")


def write_metrics_csv(run: Run, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write metrics.csv of a run anew: a row for each line of its metrics.jsonl.

    Columns are kind, epoch and step, then every value by name; values of values are
    "norms.labels". A cell is empty where its line has no such value.

    Raises:
        RunError: the folder is gone.
        WriteError: the file cannot be written.
    """
    run.require()
    write_bytes(run.path(METRICS_CSV), metrics_csv(lines).encode())


def metrics_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    """The text of the table."""
    rows = [dict(_flat(line)) for line in lines]
    names = sorted({name for row in rows for name in row} - set(FIRST))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((before + name, value))
    return found
