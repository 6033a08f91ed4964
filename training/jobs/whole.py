"""A run from its folder to its results: what teaching and distilling share."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from pipeline.store import Store

from ..data.splits import Parts
from ..engine import processes
from ..engine.record import LEARNED_FROM, Run, write_json
from ..models.backbones import BackboneConfig, build_backbone
from ..models.pretrained import first_weights
from .course import Course, Data
from .description import run_of
from .evaluate import judged, told_videos
from .follow import follow
from .job import Job, StoreJob
from .looking import held_out_look


@contextmanager
def begun(
    what: dict[str, Any],
    job: Job,
    **about: str | Store | Run | Sequence[Store | Run] | None,
) -> Iterator[Run]:
    """The folder of a run, new or not; inside, its processes can talk to each other.

    That a run is complete is said.

    Args:
        what: everything that decides the result.
        about: for people, beside what the machine says: the store, and runs it needs,
            where there are such.

    Raises:
        RunError: `out` holds another run, or something else.
    """
    group = job.machine.processes
    told = job.machine.told() | {
        name: _places(value) for name, value in about.items() if value is not None
    }
    with processes.joined(group, job.machine.device):
        with processes.first_before_others(group):
            folder = job.out or run_of(job.runs, job.base, what)
            run = Run.open(folder, what, machine=told, first=group.first)
        if run.results() is not None:
            job.watch.say(f"{run.folder}: complete, nothing to do")
        yield run


def fresh_network(config: BackboneConfig, job: StoreJob) -> nn.Module:
    """A network with its first weights: drawn, or those of others, which is said."""
    torch.manual_seed(job.seed)
    model = build_backbone(config, len(job.store.classes))
    fitted = first_weights(model, config)
    if fitted:
        job.watch.say(f"first weights: {config.weights}: {fitted.text()}")
    return model


def carry_out(
    run: Run,
    course: Course,
    job: StoreJob,
    step: nn.Module,
    model: nn.Module,
    *,
    sees: str,
    data: Data,
    title: str,
    results: Callable[[], dict[str, Any]],
) -> None:
    """Train, judge, and write results.json.

    Args:
        results: what else it shall say, asked for when the scores lie in the folder.

    Raises:
        TrainingError: see `follow`.
    """
    started, machine = time.perf_counter(), job.machine
    kept(run, data.parts, first=machine.processes.first)
    training = follow(
        course,
        job,
        step,
        model,
        clips=data.clips["train"],
        look=held_out_look(course, data, sees=sees, machine=machine),
        run=run,
        title=title,
    )
    if machine.processes.first:
        scores = judged(
            model, data.clips, job, sees=sees, protocol=course.protocol, run=run
        )
        training["wall_seconds"] = round(time.perf_counter() - started, 1)
        told = told_of_split(run, data.parts, training)
        run.finish(told | scores | results())
    processes.wait(machine.processes)


def kept(run: Run, found: Parts, *, first: bool) -> None:
    """Keep who is learned from, for whoever must not fit weights on them."""
    if first:
        write_json(run.path(LEARNED_FROM), [video.id for video in found.train])


def told_of_split(run: Run, found: Parts, training: dict[str, Any]) -> dict[str, Any]:
    """What all results say."""
    return {
        "split": run.decided()["split"],
        "videos": told_videos(found),
        "training": training,
    }


def _places(about: str | Store | Run | Sequence[Store | Run]) -> str:
    if isinstance(about, str):
        return about
    several = (about,) if isinstance(about, Store | Run) else about
    return ", ".join(str(one.folder.resolve()) for one in several)
