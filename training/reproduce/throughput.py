"""Frames of a video per second that a system keeps up with, stage by stage.

    video -> rgb, vectors, flow -> network(s) -> scores

What reads videos is measured by the pipeline's own benchmarks and comes in here as their
output; the networks are measured here. Stages that follow each other add their times, so
a total is a harmonic sum, as in Zhang et al., "Real-Time Action Recognition With Deeply
Transferred Motion Vector CNNs", IEEE TIP 2018, table V.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from motion_shards.cores import processor_name

from ..errors import RunError
from ..models.backbones import CHANNELS, NETS
from ..models.sizes import cost_of
from ..recipes import KINDS, SYSTEMS
from ..run_files.reproduction import NetworkSpeed, Speeds, StageSpeed, SystemSpeed
from ..runs.machine import Machine, place_on_device
from ..runs.record import Run
from ..runs.trained import clip_of, trained_model

BATCH, SECONDS = 16, 0.5
CLASSIFIERS = tuple(name for name, kind in KINDS.items() if kind.classifies)
"""Kinds of runs whose network is measured."""

READING = {
    ("rgb",): ("rgb",),
    ("mv",): ("vectors",),
    ("mv", "rgb"): ("vectors and rgb",),
    ("flow",): ("rgb", "flow"),
    ("flow", "rgb"): ("rgb", "flow"),
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
) -> Speeds:
    """Inputs per second of every network among the runs, from memory, and frames per
    second of every system whose inputs were measured.

    Args:
        runs: system -> a complete run.
        reading: from `benched`.
        seconds: for each network.
    """
    rows, known = dict[str, NetworkSpeed](), dict[str, NetworkSpeed]()
    for system, run in runs.items():
        if run.config().kind not in CLASSIFIERS:
            continue
        folder = str(run.folder)
        if folder not in known:
            known[folder] = _measured(run, system, machine, seconds)
        rows[system] = replace(known[folder], system=system)
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


def device_text(device: torch.device) -> str:
    """The processor by its name; a CPU with the threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, threads: {torch.get_num_threads()}"


def _rates(measured: Mapping[str, Any]) -> Iterator[StageSpeed]:
    device = f"{measured['processor']}, one core"
    if "profiles" in measured:
        height, width = measured["size"]
        yield StageSpeed(
            stage="flow",
            frames_per_second=1000 / measured["profiles"]["default"]["ms"],
            device=device,
            how=f"pipeline bench flow, TV-L1 `default` at {width}x{height}",
        )
        return
    speeds = [one["speeds"] for one in measured["sets"].values()]
    stages = {"vectors": "ours vectors", "vectors and rgb": "ours both"}
    command = "vectors"
    if "ours" in speeds[0]:
        stages, command = {"rgb": "ours"}, "decode"
    for stage, name in stages.items():
        yield StageSpeed(
            stage=stage,
            frames_per_second=min(one[name]["fps"] for one in speeds),
            device=device,
            how=f"pipeline bench {command}, the slowest set",
        )


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
        stages = [reading[stage] for stage in needed] + [
            StageSpeed(
                stage=f"network {name}",
                frames_per_second=rows[name].per_second * rows[name].frames,
                device=device,
                how=f"batches of {BATCH}",
            )
            for name in networks
        ]
        yield SystemSpeed(
            system=system,
            stages={rate.stage: rate.frames_per_second for rate in stages},
            total=harmonic(stages),
        )


def _measured(run: Run, system: str, machine: Machine, seconds: float) -> NetworkSpeed:
    model, sees = trained_model(run)
    clip = clip_of(run)
    shape = (CHANNELS[sees.sees], clip.length, *clip.crop_px)
    told = cost_of(model, shape)
    place_on_device(model, machine.device)
    batch = torch.zeros(BATCH, *shape, device=machine.device)
    rate = _rate(model.eval(), batch, seconds)
    return NetworkSpeed(
        system=system,
        per_second=rate * BATCH,
        parameters=told.parameters,
        multiply_adds=told.multiply_adds,
        sees=sees.sees,
        # clips that follow each other; of a 2D network every frame has a pass of its own,
        # as in the paper
        frames=1 if NETS[sees.net].dim == 2 else clip.length,
    )


@torch.no_grad()
def _rate(model: nn.Module, batch: torch.Tensor, seconds: float) -> float:
    """Batches per second, after two to warm up."""

    def once() -> None:
        model(batch)
        if batch.is_cuda:
            torch.cuda.synchronize()

    for _ in range(2):
        once()
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds or not count:
        once()
        count += 1
    return count / taken
