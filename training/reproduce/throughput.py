"""Frames of a video per second that a system keeps up with, stage by stage.

    video -> rgb, vectors, flow -> network(s) -> scores

What reads videos is measured by the pipeline's own benchmarks and comes in here as their
output; the networks are measured here. Stages that follow each other add their times, so
a total is a harmonic sum, as in Zhang et al., "Real-Time Action Recognition With Deeply
Transferred Motion Vector CNNs", IEEE TIP 2018, table V.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from motion_shards.cores import processor_name

from ..errors import RunError
from ..recipes import KINDS, SYSTEMS
from ..run_files.reproduction import NetworkSpeed, Speeds, StageSpeed, SystemSpeed
from ..runs.machine import Machine
from ..runs.record import Run
from .networks import BATCH, collaboration, network

WINDOWS = 7
SECONDS = 0.1
"""Least length of a window."""
COLLABORATE = "collaborate"
CLASSIFIERS = tuple(name for name, kind in KINDS.items() if kind.classifies)
"""Kinds of runs whose network is measured."""

READING = {
    ("rgb",): ("rgb",),
    ("mv",): ("vectors",),
    ("mv", "rgb"): ("vectors and rgb",),
    ("flow",): ("rgb", "flow"),
    ("flow", "rgb"): ("rgb", "flow"),
    ("flow", "mv"): ("vectors and rgb", "flow"),
    ("flow", "mv", "rgb"): ("vectors and rgb", "flow"),
}
"""Modality -> the stages that make it; flow is made of decoded frames."""


def harmonic(rates: Sequence[StageSpeed]) -> float:
    """Frames per second of stages that follow each other: 1 / sum of 1 / rate."""
    if not rates:
        raise ValueError("expected at least one stage, got none")
    return 1 / sum(1 / rate.frames_per_second for rate in rates)


def benched(paths: Sequence[Path]) -> dict[str, StageSpeed]:
    """Stages that read videos, from outputs of `pipeline bench`: one core each.

    Args:
        paths: what `pipeline bench decode`, `vectors` and `flow` print with `--json`.

    Returns:
        Some of "rgb", "vectors", "vectors and rgb" (decoded once for both) and "flow";
        of several sets of clips the slowest.

    Raises:
        RunError: a file is something else.
    """
    found: dict[str, StageSpeed] = {}
    for path in paths:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            for rate in _rates(told):
                found[rate.stage] = rate
        except (ValueError, LookupError, TypeError, AttributeError):
            raise RunError(
                f"{path}: expected the output of `pipeline bench flow --json`, `vectors"
                " --json` or `decode --json`, got something else"
            ) from None
    return found


def measured_speeds(
    runs: Mapping[str, Run],
    machine: Machine,
    reading: Mapping[str, StageSpeed],
    *,
    seconds: float = SECONDS,
    windows: int = WINDOWS,
) -> Speeds:
    """Inputs per second of every network among the runs, from memory, and frames per
    second of every system whose inputs were measured.

    Runs of one architecture and input share one measurement.

    Args:
        runs: system -> a complete run.
        reading: from `benched`.
        seconds: least length of a window.
        windows: repeated for each network; the median counts.
    """
    rows, known = dict[str, NetworkSpeed](), dict[str, NetworkSpeed]()
    for system, run in runs.items():
        kind = run.config().kind
        if kind == COLLABORATE:
            measured = collaboration(run)
        elif kind in CLASSIFIERS:
            measured = network(run)
        else:
            continue
        if measured.key not in known:
            known[measured.key] = measured.speed(machine.device, seconds, windows)
        rows[system] = replace(known[measured.key], system=system)
    device = device_text(machine.device)
    return Speeds(
        device=device,
        batch_size=BATCH,
        rows=tuple(rows.values()),
        reading=dict(reading),
        systems=tuple(_systems(runs, rows, reading, device)),
    )


def networks_of(system: str) -> tuple[str, ...]:
    """The systems that have a network of their own and whose scores this one is."""
    one = SYSTEMS[system]
    if one.kind in CLASSIFIERS:
        return (system,)
    names = [name for needed in one.needs.values() for name in networks_of(needed)]
    return tuple(dict.fromkeys(names))


def collaborations_of(system: str) -> tuple[str, ...]:
    """The collaborative layers among all that a system needs, itself included."""
    one = SYSTEMS[system]
    own = (system,) if one.kind == COLLABORATE else ()
    names = [name for need in one.needs.values() for name in collaborations_of(need)]
    return tuple(dict.fromkeys((*own, *names)))


def device_text(device: torch.device) -> str:
    """The processor by its name; a CPU with the threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, threads: {torch.get_num_threads()}"


def _rates(measured: Mapping[str, Any]) -> Iterator[StageSpeed]:
    device = f"{measured['processor']}, one core"
    if "profiles" in measured:
        height, width = measured["size"]
        default = measured["profiles"]["default"]
        yield StageSpeed(
            stage="flow",
            frames_per_second=1000 / default["ms"],
            device=device,
            how=f"pipeline bench flow, TV-L1 `default` at {width}x{height}",
            slowest=_per_second(default.get("ms_slowest")),
            fastest=_per_second(default.get("ms_fastest")),
        )
        return
    speeds = [one["speeds"] for one in measured["sets"].values()]
    stages = {"vectors": "ours vectors", "vectors and rgb": "ours both"}
    command = "vectors"
    if "ours" in speeds[0]:
        stages, command = {"rgb": "ours"}, "decode"
    for stage, name in stages.items():
        slow = min((one[name] for one in speeds), key=lambda one: one["fps"])
        yield StageSpeed(
            stage=stage,
            frames_per_second=slow["fps"],
            device=device,
            how=f"pipeline bench {command}, the slowest set",
            slowest=slow.get("low"),
            fastest=slow.get("high"),
        )


def _per_second(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else 1000 / milliseconds


def _systems(
    runs: Mapping[str, Run],
    rows: Mapping[str, NetworkSpeed],
    reading: Mapping[str, StageSpeed],
    device: str,
) -> Iterator[SystemSpeed]:
    for system in runs:
        networks = networks_of(system)
        if not networks or not all(name in rows for name in networks):
            continue  # a motion network alone recognises nothing
        needed = READING[tuple(sorted({rows[name].sees for name in networks}))]
        if not all(stage in reading for stage in needed):
            continue
        layers = collaborations_of(system)
        if not all(name in rows for name in layers):
            continue
        named = {f"network {name}": rows[name] for name in networks}
        named |= {f"layers {name}": rows[name] for name in layers}
        stages = [reading[stage] for stage in needed] + [
            _stage(name, row, device) for name, row in named.items()
        ]
        yield SystemSpeed(
            system=system,
            stages={rate.stage: rate.frames_per_second for rate in stages},
            total=harmonic(stages),
            slowest=harmonic([_at(rate, rate.slowest) for rate in stages]),
            fastest=harmonic([_at(rate, rate.fastest) for rate in stages]),
        )


def _stage(name: str, row: NetworkSpeed, device: str) -> StageSpeed:
    """A network as a stage: its inputs per second in frames of a video."""
    return StageSpeed(
        stage=name,
        frames_per_second=row.per_second * row.frames,
        slowest=None if row.slowest is None else row.slowest * row.frames,
        fastest=None if row.fastest is None else row.fastest * row.frames,
        device=device,
        how=f"batches of {BATCH}",
    )


def _at(rate: StageSpeed, speed: float | None) -> StageSpeed:
    """A stage at another of its speeds, where that is known."""
    return rate if speed is None else replace(rate, frames_per_second=speed)
