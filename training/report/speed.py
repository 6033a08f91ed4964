"""Frames and inputs per second: measured rates next to those that the papers print."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..papers.facts import DATASET_TITLES, Fact
from ..run_files.reproduction import (
    NetworkSpeed,
    Reproduction,
    Speeds,
    SystemSpeed,
)
from .page import Page

Row = tuple[str, str, str, str, str]


class Rate(NamedTuple):
    """Frames or inputs per second: the median, the slowest and the fastest."""

    median: float
    slowest: float | None = None
    fastest: float | None = None

    @property
    def text(self) -> str:
        """2,140 (2,101 to 2,166); without a spread that is not known"""
        if self.slowest is None or self.fastest is None:
            return _number(self.median)
        spread = f"{_number(self.slowest)} to {_number(self.fastest)}"
        return f"{_number(self.median)} ({spread})"


MAKERS = {"decode_mv": "vectors", "make_flow": "flow"}
"""System of papers.json that is no network -> the stage that measures it."""
WITHOUT_FLOW = {("htsc", "frame_flow")}
"""Paper and system whose printed speed leaves out the computation of flow."""


def measured_speed(fact: Fact, speeds: Speeds) -> Rate | None:
    """The speed of ours that stands beside a printed one; None where it is not measured."""
    if maker := MAKERS.get(fact.system):
        stage = "vectors and rgb" if "RGB" in fact.row else maker
        found = speeds.reading.get(stage)
        if found is None:
            return None
        return Rate(found.frames_per_second, found.slowest, found.fastest)
    whole = next((one for one in speeds.systems if one.system == fact.system), None)
    networks = fact.row.startswith("CNN processing")
    if whole and not networks and (fact.paper, fact.system) not in WITHOUT_FLOW:
        return Rate(whole.total, whole.slowest, whole.fastest)
    if whole is None:
        return None
    kept = {
        name: value
        for name, value in whole.stages.items()
        if name != "flow" and not (networks and name in speeds.reading)
    }
    return Rate(1 / sum(1 / value for value in kept.values()))


def speed_table(
    page: Page, facts: Sequence[Fact], state: Reproduction, title: str
) -> None:
    """Printed speeds of one table with ours, where any is printed.

    Args:
        facts: frames per second.
        title: of the table.
    """
    if not facts:
        return
    rows: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        rows.setdefault((fact.row, fact.system), []).append(fact)
    page.table(
        ("row", "system", "paper, frames per second", "ours, frames per second"),
        [
            (row, system, _printed(own), _ours(own[0], state))
            for (row, system), own in rows.items()
        ],
        caption=f"{title}: speed, the paper's on its machine and ours as under Speed",
    )


def _printed(facts: Sequence[Fact]) -> str:
    """UCF101, HMDB51 390.7; THUMOS14 403.2 (harmonic sum ...)"""
    same: dict[tuple[float, str], list[str]] = {}
    for fact in facts:
        about = ", ".join(filter(None, (fact.device, fact.note)))
        dataset = DATASET_TITLES.get(fact.dataset, fact.dataset)
        same.setdefault((fact.value, f" ({about})" if about else ""), []).append(
            dataset
        )
    return "; ".join(
        f"{', '.join(datasets)} {value:g}{about}"
        for (value, about), datasets in same.items()
    )


def _ours(fact: Fact, state: Reproduction) -> str:
    if fact.system not in MAKERS and fact.system not in (state.recipe_of or {}):
        return "not run"
    if state.speeds is None:
        return "not measured"
    found = measured_speed(fact, state.speeds)
    if found:
        return found.text
    return "not measured" if state.speeds.reading else "not measured (needs `--bench`)"


def speed_part(page: Page, state: Reproduction) -> None:
    """The section on speed, where something was measured."""
    speeds = state.speeds
    if not speeds:
        return
    page.heading("Speed")
    page.text(
        f"Measured on {speeds.device}, batches of {speeds.batch_size}: inputs that the"
        " networks process per second, from memory. An input is one clip, or one frame and"
        " one stack of fields, or all snippets of a video for collaborative layers. A speed"
        " is the median of repeated windows, with the slowest and the fastest window; systems"
        " of one architecture share one measurement."
    )
    page.table(
        (
            "network and input",
            "systems",
            "inputs per second",
            "M parameters",
            "G multiply-adds per input",
        ),
        list(_network_rows(speeds)),
        caption="Networks",
    )
    if speeds.reading:
        page.table(
            ("reading videos", "frames per second", "device", "measured by"),
            [
                (
                    name,
                    Rate(rate.frames_per_second, rate.slowest, rate.fastest).text,
                    rate.device,
                    rate.how,
                )
                for name, rate in sorted(speeds.reading.items())
            ],
            caption="What the networks see, made of videos",
        )
    if speeds.systems:
        page.text(
            "From a video to scores, one stage after the other: frames per second of a"
            " video that each stage is enough for, and their harmonic sum, in brackets that"
            " of the slowest windows and of the fastest. A clip stands for its frames; where"
            " networks see single frames or stacks of fields, each frame has a pass of its"
            " own, and each snippet of collaborative layers stands for a frame."
        )
        page.table(
            ("systems", "total", "stages"),
            list(_system_rows(speeds)),
            caption="Frames per second of whole systems",
        )


def _network_rows(speeds: Speeds) -> Iterator[tuple[str, ...]]:
    """One row for each measurement; measurements without an architecture by system."""
    shared: dict[tuple[object, ...], list[NetworkSpeed]] = {}
    for row in speeds.rows:
        key = (row.architecture or row.system, row.per_second, row.multiply_adds)
        shared.setdefault(key, []).append(row)
    for rows in shared.values():
        first = rows[0]
        yield (
            first.architecture or first.system,
            ", ".join(row.system for row in rows),
            Rate(first.per_second, first.slowest, first.fastest).text,
            f"{first.parameters / 1e6:.2f}",
            f"{first.multiply_adds / 1e9:.3f}",
        )


def _system_rows(speeds: Speeds) -> Iterator[tuple[str, ...]]:
    """One row for systems with stages of the same speeds."""
    shared: dict[tuple[object, ...], list[SystemSpeed]] = {}
    for row in speeds.systems:
        key = tuple((name.partition(" ")[0], v) for name, v in row.stages.items())
        shared.setdefault(key, []).append(row)
    for rows in shared.values():
        first = rows[0]
        yield (
            ", ".join(row.system for row in rows),
            Rate(first.total, first.slowest, first.fastest).text,
            ", ".join(f"{name} {_number(v)}" for name, v in first.stages.items()),
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


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
