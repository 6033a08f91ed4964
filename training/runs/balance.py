"""Gradients of a training's losses before the first step, and weights that balance them."""

from typing import Any

from ..engine import processes
from ..engine.loop import autocast, on_device, split_batch
from ..steps.gradients import balanced_weights, gradient_norms
from ..steps.step import LABELS, Step
from .config import TrainConfig
from .context import StoreJob


def balance_gradients(
    config: TrainConfig, job: StoreJob, step: Step, batch: Any, *, title: str
) -> dict[str, dict[str, float]]:
    """Measure the losses' gradients before the first step; set weights by `balance`.

    Returns:
        "norms": loss -> length of its gradient; "weights": loss -> its new weight.
    """
    assert config.gradients_at is not None
    machine = job.machine
    part = on_device(split_batch(batch, config.optim.accumulate)[0], machine.device)
    half = machine.precision == "bfloat16"  # float16 would need a scaler
    with autocast(machine.device, "bfloat16" if half else "float32"):
        norms = gradient_norms(step, part, at=config.gradients_at)
    lengths = processes.broadcast_first(list(norms.values()), machine.processes)
    norms = dict(zip(norms, lengths, strict=True))
    weights = balanced_weights(norms, config.balance)
    for name in config.balance.keys() - weights.keys():
        job.reporter.say(
            f"{title}: {name} keeps its weight of {step.weights[name]:g}:"
            " there is nothing to balance, as the first weights know the labels"
            f" (gradients {norms[name]:.3g} and {norms[LABELS]:.3g})"
        )
    step.weights |= weights
    return {"norms": norms, "weights": weights}
