"""Frames and inputs per second: what was measured, beside what the papers print."""

from collections.abc import Iterator, Mapping
from typing import Any

from .facts import facts_of
from .page import Page

Row = tuple[str, str, str, str, str]


def speed_part(page: Page, told: Mapping[str, Any], paper: str) -> None:
    """The section on speed, where something was measured."""
    speeds = told.get("speeds")
    facts = [fact for fact in facts_of(paper) if fact.metric == "fps"]
    if not speeds:
        return
    page.heading("Speed")
    page.text(
        f"Measured on {speeds['device']}, batches of"
        f" {speeds['batch_size']}: inputs that the networks judge per second, from memory."
        " An input is one clip, or one frame and one stack of fields."
    )
    page.table(
        ("system", "inputs per second", "M parameters", "G multiply-adds per input"),
        [
            (
                row["system"],
                f"{row['per_second']:.1f}",
                f"{row['parameters'] / 1e6:.2f}",
                f"{row['multiply_adds'] / 1e9:.3f}",
            )
            for row in speeds["rows"]
        ],
    )
    extraction = speeds.get("extraction") or {}
    if extraction:
        page.table(
            ("making the input", "frames per second"),
            [(name, f"{value:.1f}") for name, value in sorted(extraction.items())],
            caption="As `pipeline bench` measured it",
        )
    if facts:
        page.table(
            ("paper, table", "row", "data set", "frames per second", "device"),
            [(f.place, f.row, f.dataset, f"{f.value:g}", f.device) for f in facts],
            caption="Printed in the papers, on their machines",
        )


def speed_verdicts(told: Mapping[str, Any], paper: str) -> Iterator[Row]:
    """O18: vectors are ten times as fast to make as flow; a student costs its net alone."""
    if paper not in ("all", "dtmv", "fts", "ds", "mars"):
        return
    speeds = told.get("speeds") or {}
    extraction = speeds.get("extraction") or {}
    if paper in ("all", "dtmv"):
        text = "vectors made > 10 x as fast as flow"
        if {"vectors", "flow"} <= extraction.keys():
            ratio = extraction["vectors"] / extraction["flow"]
            yield (
                "O18",
                text,
                "must",
                f"{ratio:.1f} x",
                "holds" if ratio > 10 else "not reproduced",
            )
        else:
            yield "O18", text, "must", "", "not run"
    rows = {row["system"]: row for row in speeds.get("rows", [])}
    for student, alone in (("fts", "r3d_rgb"), ("ds", "resnext_rgb")):
        if student in rows and alone in rows:
            same = all(
                rows[student][what] == rows[alone][what]
                for what in ("parameters", "multiply_adds")
            )
            yield (
                "O18",
                f"{student} costs what {alone} costs",
                "must",
                "same multiply-adds" if same else "other multiply-adds",
                "holds" if same else "not reproduced",
            )
