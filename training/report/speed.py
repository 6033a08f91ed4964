"""Frames and inputs per second: measured rates next to those that the papers print."""

from collections.abc import Iterator

from ..papers.facts import facts_of
from ..run_files.reproduction import Reproduction
from .page import Page

Row = tuple[str, str, str, str, str]


def speed_part(page: Page, state: Reproduction, paper: str) -> None:
    """The section on speed, where something was measured."""
    speeds = state.speeds
    facts = [fact for fact in facts_of(paper) if fact.metric == "fps"]
    if not speeds:
        return
    page.heading("Speed")
    page.text(
        f"Measured on {speeds.device}, batches of {speeds.batch_size}: inputs that "
        "the networks process per second, from memory. An input is one clip, or "
        "one frame and one stack of fields."
    )
    page.table(
        ("system", "inputs per second", "M parameters", "G multiply-adds per input"),
        [
            (
                row.system,
                f"{row.per_second:.1f}",
                f"{row.parameters / 1e6:.2f}",
                f"{row.multiply_adds / 1e9:.3f}",
            )
            for row in speeds.rows
        ],
    )
    if speeds.reading:
        page.table(
            ("reading videos", "frames per second", "device", "measured by"),
            [
                (name, f"{rate.frames_per_second:.1f}", rate.device, rate.how)
                for name, rate in sorted(speeds.reading.items())
            ],
            caption="What the networks see, made of videos",
        )
    if speeds.systems:
        page.text(
            "From a video to scores, one stage after the other: frames per second of a"
            " video that each stage is enough for, and their harmonic sum. A clip stands"
            " for its frames; where networks see single frames or stacks of fields, each"
            " frame has a pass of its own."
        )
        page.table(
            ("system", "total", "stages"),
            [
                (
                    row.system,
                    f"{row.total:.1f}",
                    ", ".join(f"{name} {v:.0f}" for name, v in row.stages.items()),
                )
                for row in speeds.systems
            ],
            caption="Frames per second of whole systems",
        )
    if facts:
        page.table(
            ("paper, table", "row", "data set", "frames per second", "device"),
            [(f.citation, f.row, f.dataset, f"{f.value:g}", f.device) for f in facts],
            caption="Printed in the papers, on their machines",
        )


def speed_verdicts(state: Reproduction, paper: str) -> Iterator[Row]:
    """O18: vectors are ten times as fast to make as flow; a student costs its net alone."""
    if paper not in ("all", "dtmv", "fts", "ds", "mars"):
        return
    reading = state.speeds.reading if state.speeds else {}
    if paper in ("all", "dtmv"):
        text = "vectors made > 10 x as fast as flow"
        if {"vectors", "flow"} <= reading.keys():
            vectors, flow = reading["vectors"], reading["flow"]
            ratio = vectors.frames_per_second / flow.frames_per_second
            yield (
                "O18",
                text,
                "must",
                f"{ratio:.1f} x",
                "holds" if ratio > 10 else "not reproduced",
            )
        else:
            yield "O18", text, "must", "", "not run"
    rows = {row.system: row for row in (state.speeds.rows if state.speeds else ())}
    for student, alone in (("fts", "r3d_rgb"), ("ds", "resnext_rgb")):
        if student in rows and alone in rows:
            first, second = rows[student], rows[alone]
            same = (first.parameters, first.multiply_adds) == (
                second.parameters,
                second.multiply_adds,
            )
            yield (
                "O18",
                f"{student} costs what {alone} costs",
                "must",
                "same multiply-adds" if same else "other multiply-adds",
                "holds" if same else "not reproduced",
            )
