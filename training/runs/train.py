"""Training: epochs, validation, record, checkpoints, and resume to the bit."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from ..data.dataset import Clips
from ..data.joined import JoinedClips, order_of
from ..data.mixing import Mixing
from ..data.packed import unpacked
from ..engine import checkpoint, processes
from ..engine.average import Average
from ..engine.checkpoint import StateDict
from ..engine.compiled import compile_networks
from ..engine.loop import TimedBatches, fit, split_batch
from ..engine.optim import Schedule, build_optimizer
from ..engine.recompute import recompute
from ..engine.signals import stop_on_signal
from ..engine.state import TrainState
from ..errors import Diverged
from ..run_files.names import CHECKPOINT, WEIGHTS
from ..run_files.results import TrainingSummary
from ..steps.label_loss import LabelLoss, balanced_class_weights
from ..steps.step import Step
from .autosave import Autosave
from .balance import balance_gradients
from .batches import first_batch, loader_of, report_waiting
from .config import TrainConfig
from .context import StoreJob
from .kernels import KIND as KERNELS
from .kernels import (
    Kernels,
    candidates,
    chosen,
    searching,
    step_seconds,
    use_kernels,
)
from .machine import Machine, place_on_device
from .metrics_log import MetricsLog
from .record import Run
from .validation import Validator


def train(
    config: TrainConfig,
    job: StoreJob,
    step: Step,
    model: nn.Module,
    *,
    clips: Clips | JoinedClips,
    validator: Validator | None,
    run: Run,
    title: str,
) -> TrainingSummary:
    """Train `step` from the start, or from the run's checkpoint, to the end.

    The selected weights end up in `model` and in the run's model.pt. Stopping anywhere and
    calling this again gives the same weights, to the bit, as an uninterrupted training.

    Args:
        step: batch -> StepOutput; its parameters are those that are trained.
        model: the part of it that is validated and stored.
        clips: to learn from.
        validator: runs the model on the held-out part; None where there is none.
        title: for progress lines.

    Returns:
        Epochs, steps, seconds, the selected epoch.

    Raises:
        Diverged: the loss is not finite.
        Interrupted: a signal came; the run is saved.
        CheckpointError: the run's checkpoints are damaged.
        RunError: it was begun with another number of processes.
        WriteError: a file of the run cannot be written.
    """
    machine, group, reporter = job.machine, job.machine.processes, job.reporter
    order = order_of(
        clips,
        config.batch_size,
        seed=job.seed,
        rank=group.rank,
        world_size=group.world_size,
        by_class=config.sampling == "classes",
    )
    steps_per_epoch = order.per_epoch
    total = steps_per_epoch * config.epochs
    loader = loader_of(clips, order, machine)
    step.label_loss = _label_loss(config, clips)
    state = _new_state(config, step, model, machine)
    mixing = Mixing(
        mixup=config.mixup, cutmix=config.cutmix, seed=job.seed, rank=group.rank
    )
    batch_of = partial(first_batch, clips, order)
    trial = chosen(
        candidates(machine, total),
        partial(_step_seconds, config, machine, step, cache(batch_of)),
        machine=machine,
        lines=run.metrics,
    )
    use_kernels(step, trial.kernels)
    shared = processes.data_parallel(
        step, group, machine.device, some_unused=step.leaves_out
    )
    log = MetricsLog(run, state, steps_per_epoch, group.first, loggers=machine.loggers)

    def save() -> None:
        random = processes.gathered(checkpoint.random_state(), group)
        processes.run_on_first(lambda: _save_checkpoint(run, state, random), group)

    with stop_on_signal() as stop, searching(trial.kernels.benchmark):
        autosave = Autosave(
            stop, run.folder, seconds=machine.checkpoint_seconds, processes=group
        )
        _resume(state, run, job, steps_per_epoch, config.epochs, title=title)
        if trial.seconds:
            log.write(KERNELS, state.epochs_done, **trial.record(machine))
            if group.first:
                reporter.say(f"{title}: {trial.text()}")
        if not state.steps_done and config.gradients_at is not None:
            found = balance_gradients(config, job, step, batch_of(), title=title)
            log.write("gradients", 0, step=1, at=config.gradients_at, **found)
        if config.gradient_checkpointing:
            for network in step.children():
                recompute(network)
        if machine.compile:
            compile_networks(step.networks(), machine.device)
        reporter.begin(title, total, state.steps_done)
        try:
            for epoch in range(state.epochs_done, config.epochs):
                step.begin_epoch(epoch)
                order.begin(epoch, state.steps_done - epoch * steps_per_epoch)
                for values in _steps(
                    state, shared, loader, config, machine, total, mixing
                ):
                    state.add(values)
                    log.step(epoch)
                    reporter.step(
                        state.steps_done,
                        f"epoch {epoch + 1}/{config.epochs}  loss {values['loss']:.3f}",
                    )
                    autosave.after_step(save, f"step {state.steps_done} of {total}")
                last = epoch + 1 == config.epochs
                held_out = {}
                if validator and (last or (epoch + 1) % config.validate_every == 0):
                    held_out = _validate(validator, state, config, machine, epoch)
                log.epoch(epoch, steps_per_epoch * order.batch_size, held_out)
                if epoch == 0 and group.first:
                    report_waiting(state, clips, reporter.say, title)
                state.end_epoch(epoch)
                if last:
                    save()
        except Diverged as error:
            raise Diverged(
                f"{run.folder}: step {state.steps_done + 1} of {total}: {error}"
            ) from None
        finally:
            reporter.end()
            log.close()
    if state.average:
        state.average.put()
    if config.select == "best" and state.best.weights is not None:
        model.load_state_dict(state.best.weights)
    processes.run_on_first(lambda: _save_weights(run, model), group)
    return _summary(config, state, run, total)


def _resume(
    state: TrainState,
    run: Run,
    job: StoreJob,
    steps_per_epoch: int,
    epochs: int,
    *,
    title: str,
) -> None:
    """Go back to the run's newest checkpoint, if there is one, and drop later metrics."""
    group, say = job.machine.processes, job.reporter.say
    path = run.path(CHECKPOINT)
    if processes.run_on_first(lambda: checkpoint.newest(path, say), group):
        state.load_checkpoint(path, steps_per_epoch=steps_per_epoch, epochs=epochs)
    if not group.first:
        return
    run.forget_after(state.steps_done, state.epochs_done)
    if state.steps_done:
        total = steps_per_epoch * epochs
        say(f"{title}: resuming after step {state.steps_done} of {total}")


def _step_seconds(
    config: TrainConfig,
    machine: Machine,
    step: Step,
    batch_of: Callable[[], Any],
    kernels: Kernels,
) -> float:
    """Seconds of a step on a batch with these settings."""
    batch = split_batch(batch_of(), config.optim.accumulate)[0]
    return step_seconds(
        step,
        batch,
        kernels,
        machine,
        epoch=config.epochs - 1,
        recomputed=config.gradient_checkpointing,
    )


def _new_state(
    config: TrainConfig, step: Step, model: nn.Module, machine: Machine
) -> TrainState:
    """The state before the first step, its networks on the device."""
    for module in (step, *step.frozen_teachers):
        place_on_device(module, machine.device)
    optimizer = build_optimizer(step, config.optim, model)
    return TrainState(
        step=step,
        model=model,
        optimizer=optimizer,
        schedule=Schedule(optimizer, config.optim),
        scaler=torch.amp.GradScaler(
            machine.device.type, enabled=machine.precision == "float16"
        ),
        processes=machine.processes,
        average=None if config.ema_decay is None else Average(step, config.ema_decay),
    )


def _label_loss(config: TrainConfig, clips: Clips | JoinedClips) -> LabelLoss:
    """The labels' loss of a training on these clips."""
    if config.class_weights == "none":
        return LabelLoss(config.label_smoothing)
    parts = clips.parts if isinstance(clips, JoinedClips) else {"": clips}
    weights = {
        name: balanced_class_weights(
            [video.labels[0] for video in part.videos],
            len(part.frames.store.classes),
        )
        for name, part in parts.items()
    }
    return LabelLoss(config.label_smoothing, weights)


def _steps(
    state: TrainState,
    step: nn.Module,
    loader: DataLoader,
    config: TrainConfig,
    machine: Machine,
    total: int,
    mixing: Mixing,
) -> Iterator[dict[str, float]]:
    """Take the remaining steps of an epoch, and yield the loss and its parts.

    When a step is yielded, the state's count of steps, clocks and learning rate include it.

    Args:
        step: as the processes share it.
        total: steps of the whole training.
    """
    if not len(loader):
        return
    waiting = TimedBatches(loader)
    batches = (unpacked(batch, machine.device) for batch in waiting)
    started = time.perf_counter() - state.seconds
    waited = state.waited
    state.schedule.before_step(state.steps_done, total)
    for values in fit(
        step,
        mixing(batches, state.steps_done) if mixing.mixes else batches,
        state.optimizer,
        device=machine.device,
        precision=machine.precision,
        scaler=state.scaler,
        gradient_clip=config.optim.gradient_clip,
        accumulate=config.optim.accumulate,
    ):
        if state.average:
            state.average.update()
        state.steps_done += 1
        state.seconds = time.perf_counter() - started
        state.waited = waited + waiting.seconds
        yield values
        state.schedule.before_step(state.steps_done, total)


def _validate(
    validator: Validator,
    state: TrainState,
    config: TrainConfig,
    machine: Machine,
    epoch: int,
) -> dict[str, float]:
    """Validate, for the schedule and the best weights; returns values for the record."""
    with state.averaged():
        seen = validator(state.model)
        value, loss = processes.broadcast_first(
            [seen.value, seen.loss], machine.processes
        )
        state.schedule.after_epoch(loss)
        if config.select == "best":
            state.keep_if_best(epoch, value)
    top1 = {} if seen.top1 is None else {"held_out_top1": value}
    return {"held_out_loss": loss} | top1


def _save_checkpoint(run: Run, state: TrainState, random: Sequence[StateDict]) -> None:
    run.require()
    checkpoint.save(run.path(CHECKPOINT), state.to_checkpoint(random))


def _save_weights(run: Run, model: nn.Module) -> None:
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    run.require()
    checkpoint.save_weights(run.path(WEIGHTS), weights)


def _summary(
    config: TrainConfig, state: TrainState, run: Run, total: int
) -> TrainingSummary:
    epochs = [line for line in run.metrics() if line["kind"] == "epoch"]
    seconds = [line["seconds"] for line in epochs]
    waited = sum(line["waited"] for line in epochs)
    best = config.select == "best" and state.best.epoch >= 0
    return TrainingSummary(
        epochs=config.epochs,
        steps=total,
        selected_epoch=state.best.epoch if best else config.epochs - 1,
        seconds=round(sum(seconds), 1),
        seconds_per_epoch=round(sum(seconds) / max(len(seconds), 1), 2),
        share_of_waiting=round(waited / max(sum(seconds), 1e-9), 3),
        parameters=sum(p.numel() for p in state.model.parameters()),
    )
