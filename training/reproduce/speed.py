"""How many inputs per second trained networks judge, and what an input costs."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..engine.record import Run
from ..errors import RunError
from ..jobs.evaluate import clip_config, trained_model
from ..jobs.machine import Machine, arranged
from ..models.backbones import CHANNELS
from ..models.cost import cost_of
from ..speed import device_text

BATCH, SECONDS = 16, 0.5
KINDS = ("teach", "distill", "hidden")


def measured_speeds(
    runs: Mapping[str, Run], machine: Machine, *, seconds: float = SECONDS
) -> dict[str, Any]:
    """Inputs per second of every network among the runs, from memory.

    Args:
        runs: system -> a complete run; fusions have no network of their own.
        seconds: for each.
    """
    rows, known = [], dict[str, dict[str, Any]]()
    for system, run in runs.items():
        if run.decided()["kind"] not in KINDS:
            continue
        folder = str(run.folder)
        if folder not in known:
            known[folder] = _measured(run, machine, seconds)
        rows.append({"system": system} | known[folder])
    return {
        "device": device_text(machine.device),
        "batch_size": BATCH,
        "rows": rows,
    }


def benched(paths: Sequence[Path]) -> dict[str, float]:
    """Frames per second of making flow and vectors, from outputs of `pipeline bench`.

    Raises:
        RunError: a file is something else.
    """
    found: dict[str, float] = {}
    for path in paths:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if "profiles" in told:
                found["flow"] = 1000 / told["profiles"]["default"]["ms"]
            else:
                speeds = [
                    one["speeds"]["ours mv"]["fps"] for one in told["sets"].values()
                ]
                found["vectors"] = min(speeds)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise RunError(
                f"{path}: expected the output of `pipeline bench flow --json` or `pipeline"
                " bench vectors --json`, got something else"
            ) from None
    return found


def _measured(run: Run, machine: Machine, seconds: float) -> dict[str, Any]:
    model, sees = trained_model(run)
    clip = clip_config(run.decided()["recipe"]["settings"]["clip"])
    shape = (CHANNELS[sees.sees], clip.length, *clip.crop_px)
    told = cost_of(model, shape)
    arranged(model, machine.device)
    batch = torch.zeros(BATCH, *shape, device=machine.device)
    rate = _rate(model.eval(), batch, seconds)
    return {
        "per_second": rate * BATCH,
        "parameters": told.parameters,
        "multiply_adds": told.multiply_adds,
    }


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
