"""A step and a course -> a trained network: epochs, record, checkpoints, exact resume."""

import copy
import math
import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from ..data.dataset import Clips
from ..data.joined import JoinedClips, grouped, order_of
from ..engine import checkpoint, processes
from ..engine.compiled import compile_networks
from ..engine.loop import Waiting, fit, on_device, pieces
from ..engine.optim import Schedule, build_optimizer
from ..engine.record import CHECKPOINT, WEIGHTS, Run
from ..engine.signals import Stop, asked_to_stop
from ..errors import Diverged, Interrupted, RunError
from ..gradients import balanced_weight, gradient_norms, pulls
from ..protocols import single_threaded
from ..steps.labels import LABELS
from .course import Course
from .job import StoreJob
from .looking import Looking
from .machine import arranged

LOG_EVERY = 10
"""Steps between two lines of metrics.jsonl."""


def follow(
    course: Course,
    job: StoreJob,
    step: nn.Module,
    model: nn.Module,
    *,
    clips: Clips | JoinedClips,
    look: Looking | None,
    run: Run,
    title: str,
) -> dict[str, Any]:
    """Train `step` from the start, or from the run's checkpoint, to the end.

    Leaves `model`'s chosen weights in it and in the run's model.pt. Stopping and
    going on anywhere gives the same weights as not stopping.

    Args:
        step: batch -> StepOutput; has all weights that learn.
        model: the part of it that is judged and kept.
        clips: to learn from.
        look: what the held-out part says of the model; None where there is no such.

    Returns:
        What the results say of the training: epochs, seconds, the chosen epoch.

    Raises:
        Diverged: the loss is no longer a number.
        Interrupted: a signal came; the run is saved.
        CheckpointError: the run's checkpoints are damaged.
        RunError: it was begun with another number of processes.
        WriteError: a file of the run cannot be written.
    """
    with asked_to_stop() as stop:
        training = _Training(course, job, step, model, clips, look, run, title, stop)
        return training.follow()


class _Training:
    """The state of one training, and what happens around its loop."""

    def __init__(
        self,
        course: Course,
        job: StoreJob,
        step: nn.Module,
        model: nn.Module,
        clips: Clips | JoinedClips,
        look: Looking | None,
        run: Run,
        title: str,
        stop: Stop,
    ) -> None:
        self.course, self.model, self.run = course, model, run
        self.title, self.stop = title, stop
        self.watch = job.watch
        self.machine = machine = job.machine
        self.first = machine.processes.first
        self.clips: Any = clips
        self.look = look
        self.order = order_of(
            self.clips,
            course.batch_size,
            seed=job.seed,
            rank=machine.processes.rank,
            world_size=machine.processes.world_size,
        )
        self.per_epoch = self.order.per_epoch
        self.total = self.per_epoch * course.epochs
        self.loader = DataLoader(
            self.clips,
            batch_sampler=self.order,
            collate_fn=grouped,
            num_workers=machine.workers,
            persistent_workers=machine.workers > 0,
            pin_memory=machine.device.type == "cuda",
            worker_init_fn=single_threaded,
            generator=torch.Generator(),  # else iterating would draw from dropout's
        )
        arranged(step, machine.device)
        self.optimizer = build_optimizer(step, course.optim)
        self.schedule = Schedule(self.optimizer, course.optim)
        self.scaler = torch.amp.GradScaler(
            machine.device.type, enabled=machine.precision == "float16"
        )
        own = {id(tensor) for tensor in model.state_dict(keep_vars=True).values()}
        self.others = [
            name
            for name, tensor in step.state_dict(keep_vars=True).items()
            if id(tensor) not in own
        ]
        """What the step has beside the model: adapters, weights of terms, other heads."""
        self.alone: Any = step
        self.step = processes.shared(step, machine.processes, machine.device)
        self.taken = 0
        """Steps so far, in all epochs."""
        self.finished = 0
        """Epochs of which the end was recorded."""
        self.epoch_sums: dict[str, float] = {}
        self.line_sums: dict[str, float] = {}
        self.seconds = self.waited = 0.0
        """Of the epoch so far."""
        self.best: dict[str, Any] = {"epoch": -1, "value": -math.inf, "weights": None}
        self.saved = time.monotonic()

    def follow(self) -> dict[str, Any]:
        """All epochs, then the chosen weights."""
        path, group = self.run.path(CHECKPOINT), self.machine.processes
        if processes.by_first(lambda: checkpoint.newest(path, self.watch.say), group):
            self._load(checkpoint.load(path))
        if self.first:
            self.run.forget_after(self.taken, self.finished)
            if self.taken:
                self.watch.say(
                    f"{self.title}: goes on after step {self.taken} of {self.total}"
                )
        if not self.taken:
            self._weigh()
        if self.machine.compile:
            compile_networks(_networks(self.alone), self.machine.device)
        self.watch.begin(self.title, self.total, self.taken)
        try:
            for epoch in range(self.finished, self.course.epochs):
                self._epoch(epoch)
        except Diverged as error:
            raise Diverged(
                f"{self.run.folder}: step {self.taken + 1} of {self.total}: {error}"
            ) from None
        finally:
            self.watch.end()
        if self.course.select == "best" and self.best["weights"] is not None:
            self.model.load_state_dict(self.best["weights"])
        processes.by_first(self._keep, group)
        return self._told()

    def _keep(self) -> None:
        weights = {n: v.cpu() for n, v in self.model.state_dict().items()}
        self.run.require()
        checkpoint.save_weights(self.run.path(WEIGHTS), weights)

    def _weigh(self) -> None:
        """Record how hard each loss pulls at the start; choose weights if wanted."""
        course = self.course
        if course.gradients_at is None:
            return
        self.order.begin(0)
        places: Any = next(iter(self.order))
        batch = grouped([self.clips[place] for place in places])
        part = pieces(batch, course.optim.accumulate)[0]
        with torch.autocast(
            self.machine.device.type,
            getattr(torch, self.machine.precision),
            enabled=self.machine.precision == "bfloat16",
        ):
            norms = gradient_norms(
                self.alone,
                on_device(part, self.machine.device),
                at=course.gradients_at,
            )
        lengths = processes.from_first(list(norms.values()), self.machine.processes)
        norms = dict(zip(norms, lengths, strict=True))
        chosen = {
            name: balanced_weight(norms, name, share=share)
            for name, share in course.balance.items()
            if not norms.keys() >= {name, LABELS} or pulls(norms, name, LABELS)
        }
        for name in course.balance.keys() - chosen.keys():
            self.watch.say(
                f"{self.title}: {name} keeps its weight of {self.alone.weights[name]:g}:"
                " there is nothing to balance, as the first weights know the labels"
                f" (gradients {norms[name]:.3g} and {norms[LABELS]:.3g})"
            )
        if chosen:
            self.alone.weights |= chosen
        self._log(
            "gradients", 0, step=1, at=course.gradients_at, norms=norms, weights=chosen
        )

    def _epoch(self, epoch: int) -> None:
        first = self.taken - epoch * self.per_epoch
        self.order.begin(epoch, first)
        if hasattr(self.alone, "begin_epoch"):
            self.alone.begin_epoch(epoch)
        if first < self.per_epoch:
            batches = Waiting(self.loader)
            started, waited = time.perf_counter(), self.waited
            before = self.seconds
            self.schedule.before_step(self.taken, self.total)
            for values in fit(
                self.step,
                batches,
                self.optimizer,
                device=self.machine.device,
                precision=self.machine.precision,
                scaler=self.scaler,
                gradient_clip=self.course.optim.gradient_clip,
                accumulate=self.course.optim.accumulate,
            ):
                self.taken += 1
                self.seconds = before + time.perf_counter() - started
                self.waited = waited + batches.seconds
                self._record(epoch, values)
                self._save_or_stop(last=self.taken == (epoch + 1) * self.per_epoch)
                self.schedule.before_step(self.taken, self.total)
        self._end_of_epoch(epoch)

    def _record(self, epoch: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.epoch_sums[name] = self.epoch_sums.get(name, 0.0) + value
            self.line_sums[name] = self.line_sums.get(name, 0.0) + value
        within = self.taken - epoch * self.per_epoch
        told = f"epoch {epoch + 1}/{self.course.epochs}  loss {values['loss']:.3f}"
        self.watch.step(self.taken, told)
        since = within % LOG_EVERY or LOG_EVERY
        if within % LOG_EVERY and within != self.per_epoch:
            return
        means = {name: value / since for name, value in self.line_sums.items()}
        self.line_sums = {}
        self._log(
            "steps",
            epoch,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            **means,
        )

    def _end_of_epoch(self, epoch: int) -> None:
        """Look at the held-out part, record, remember the best weights."""
        means = {n: v / self.per_epoch for n, v in self.epoch_sums.items()}
        last = epoch + 1 == self.course.epochs
        if self.look and (last or (epoch + 1) % self.course.look_every == 0):
            seen = self.look(self.model)
            value = -seen.loss if seen.top1 is None else seen.top1
            value, loss = processes.from_first(
                [value, seen.loss], self.machine.processes
            )
            means |= {"held_out_loss": loss}
            if seen.top1 is not None:
                means |= {"held_out_top1": value}
            self.schedule.after_epoch(loss)
            if self.course.select == "best" and value > self.best["value"]:
                weights = copy.deepcopy(self.model.state_dict())
                self.best = {"epoch": epoch, "value": value, "weights": weights}
        clips = self.per_epoch * self.order.batch_size
        self._log(
            "epoch",
            epoch,
            seconds=round(self.seconds, 3),
            waited=round(self.waited, 3),
            clips_per_second=round(clips / self.seconds, 2) if self.seconds else 0.0,
            **means,
        )
        self.finished = epoch + 1
        self.epoch_sums, self.seconds, self.waited = {}, 0.0, 0.0
        if last:
            self._save()

    def _log(self, kind: str, epoch: int, **values: Any) -> None:
        if self.first:
            self.run.log(**{"kind": kind, "epoch": epoch, "step": self.taken} | values)

    def _save_or_stop(self, *, last: bool) -> None:
        """A checkpoint when it is time; at a signal too, and then the end."""
        group = self.machine.processes
        stop = processes.agreed(self.stop.asked, group)
        due = time.monotonic() - self.saved >= self.machine.checkpoint_seconds
        if stop or processes.agreed(due, group):
            self._save()
        if stop:
            raise Interrupted(
                f"{self.run.folder}: stopped after step {self.taken} of {self.total},"
                " everything is saved: the same command goes on"
            )

    def _save(self) -> None:
        def save() -> None:
            self.run.require()
            checkpoint.save(self.run.path(CHECKPOINT), self._state())

        processes.by_first(save, self.machine.processes)
        self.saved = time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {
            "version": checkpoint.VERSION,
            "processes": self.machine.processes.world_size,
            "taken": self.taken,
            "finished": self.finished,
            "model": self.model.state_dict(),
            "others": {
                name: tensor
                for name, tensor in self.alone.state_dict().items()
                if name in self.others
            },
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": checkpoint.random_state(),
            "epoch_sums": self.epoch_sums,
            "line_sums": self.line_sums,
            "seconds": self.seconds,
            "waited": self.waited,
            "best": self.best,
        }

    def _load(self, state: dict[str, Any]) -> None:
        self._require_as_many(state.get("processes"))
        with checkpoint.of_this_run(self.run.path(CHECKPOINT)):
            self.model.load_state_dict(state["model"])
            self.alone.load_state_dict(state["others"], strict=False)
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.scaler.load_state_dict(state["scaler"])
            checkpoint.restore_random_state(state["random"])
            self.taken, self.finished = state["taken"], state["finished"]
            self.epoch_sums, self.line_sums = state["epoch_sums"], state["line_sums"]
            self.seconds, self.waited = state["seconds"], state["waited"]
            self.best = {name: state["best"][name] for name in self.best}
            ended = self.finished * self.per_epoch
            if not 0 <= ended <= self.taken <= min(ended + self.per_epoch, self.total):
                raise ValueError(f"step {self.taken} of {self.total}")

    def _require_as_many(self, then: Any) -> None:
        """Check that a run goes on with as many processes as it was begun with.

        Each takes its share of a batch, and norms see a share at a time: with other
        processes the result would be neither's.
        """
        now = self.machine.processes.world_size
        if then != now:
            raise RunError(
                f"{self.run.folder}: this run was begun with {then} process"
                f"{'es' * (then != 1)}, now there {'is' if now == 1 else 'are'} {now}:"
                f" go on with {then}"
                f"{f' (torchrun --nproc-per-node {then})' * (then != 1)}, or remove the"
                " folder or choose another --out to begin again"
            )

    def _told(self) -> dict[str, Any]:
        epochs = [line for line in self.run.metrics() if line["kind"] == "epoch"]
        seconds = [line["seconds"] for line in epochs]
        waited = sum(line["waited"] for line in epochs)
        best = self.course.select == "best" and self.best["epoch"] >= 0
        return {
            "epochs": self.course.epochs,
            "steps": self.total,
            "chosen_epoch": self.best["epoch"] if best else self.course.epochs - 1,
            "seconds": round(sum(seconds), 1),
            "seconds_per_epoch": round(sum(seconds) / max(len(seconds), 1), 2),
            "share_of_waiting": round(waited / max(sum(seconds), 1e-9), 3),
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }


def _networks(step: nn.Module) -> list[nn.Module]:
    """All networks of a step, its frozen teachers' included."""
    streams = [
        stream
        for teacher in getattr(step, "beside", ())
        for stream in teacher.streams.values()
    ]
    return [*step.children(), *streams]
