"""A run from its folder to its results, as teaching and distilling share it."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from torch import nn

from motion_shards.plain_text import counted, first_names
from pipeline.store import FolderHeld, Store, require_plain_folder

from ..data.known_share import unknown_vectors_notice
from ..data.splits import SplitParts, held_out_hint
from ..data.variants import missing_notice
from ..engine import processes
from ..errors import RunError
from ..models.backbones import BackboneConfig, build_backbone
from ..models.pretrained import download, first_weights
from ..models.user_files import FILES
from ..report.text import split_lines
from ..run_files.names import CHECKPOINT, CODE, LEARNED_FROM
from ..run_files.results import Results
from ..run_files.run_config import RunConfig, StartedOn
from ..run_files.writing import write_bytes, write_json
from ..steps.step import Step
from . import record
from .assessment import evaluate_parts, evaluate_variants, used_videos
from .config import Data, TrainConfig
from .context import Job, StoreJob
from .expected_hours import expected_hours, expected_hours_of_step
from .identity import run_of
from .record import Run
from .train import train
from .validation import classifier_validator

Sources = str | Store | Run | Sequence[Store | Run] | None


class About(TypedDict, total=False):
    """The stores and runs that a run needs: fields of `StartedOn`."""

    store: Sources
    variants: Sources
    teacher: Sources
    first: Sources
    second: Sources
    motion: Sources
    temporal: Sources
    streams: Sources


@contextmanager
def open_run(
    config: RunConfig,
    job: Job,
    *,
    networks: Sequence[BackboneConfig] = (),
    **about: Unpack[About],
) -> Iterator[Run]:
    """Open the folder of a run, new or not; inside, its processes can communicate.

    A complete run is reported as such. Of any other, this is the only writer.

    Args:
        networks: whose first weights are fetched before a new run has a folder.
        about: the store, and runs it needs, where there are such.

    Raises:
        CheckpointError: first weights could not be downloaded.
        RunError: `out` holds another run, or something else.
        FolderHeld: another process writes the run, and the job does not wait.
    """
    group = job.machine.processes
    folders: Any = {
        name: _folders(sources)
        for name, sources in about.items()
        if sources and isinstance(sources, Store | Run | Sequence)
    }
    told = replace(
        job.machine.facts(),
        changes=job.changes or None,
        code={name: FILES[name].sha256 for name in job.code} or None,
        **folders,
    )
    with processes.joined(group, job.machine.device), ExitStack() as held:
        ours: list[Run] = []

        def opened() -> str:
            ours.append(_opened(config, job, told, held, networks))
            return str(ours[0].folder)

        folder = processes.run_on_first(opened, group)
        run = ours[0] if ours else Run(Path(folder))
        results = run.results()
        if results is not None:
            job.reporter.say(f"{run.folder}: {_completeness(run, results)}")
        yield run


def _completeness(run: Run, results: Results) -> str:
    """A complete run in words; files that its results list and that are missing are named."""
    away = [name for name in results.files or {} if not run.path(name).is_file()]
    if not away:
        return "complete, nothing to do"
    return (
        f"complete, but without {first_names(away)}: put back what is missing, or remove the"
        " folder to train again"
    )


def _opened(
    config: RunConfig,
    job: Job,
    machine: StartedOn,
    held: ExitStack,
    networks: Sequence[BackboneConfig] = (),
) -> Run:
    """A run that is complete, or of which this process is the only writer until `held` exits."""
    waited_for = ""
    while True:
        run = Run(job.out or run_of(job.runs, job.base, config))
        run.check(config)
        if run.results() is not None:
            return run
        for network in () if run.is_run else networks:
            download(network)
        try:
            held.enter_context(run.writing(job.reporter.say))
        except FolderHeld as error:
            if not job.wait or job.machine.processes.world_size > 1:
                raise
            if waited_for != str(run.folder):
                job.reporter.say(f"waiting until the run is complete: {error}")
            waited_for = str(run.folder)
            time.sleep(record.WAIT_SECONDS)
        else:
            if not job.out and not run.is_run:
                _report_namesake(job.runs / job.base, run, config, job)
            run.begin(config, machine=machine)
            _copy_code(run, {*(config.code or ()), *job.code})
            return run


def _report_namesake(folder: Path, run: Run, config: RunConfig, job: Job) -> None:
    """Say why a run is new where another one has the name that it would have."""
    namesake = Run(folder)
    if folder != run.folder and namesake.is_run:
        try:
            differ = namesake.difference(config)
        except RunError:  # a damaged one
            return
        job.reporter.say(
            f"{folder} is another run, as there and here differ in {differ}: this one is"
            f" {run.folder.name}"
        )


def _copy_code(run: Run, names: Collection[str]) -> None:
    """Leave copies of the user's files in the run's folder, to be read by people."""
    if names:
        run.path(CODE).mkdir(exist_ok=True)
        require_plain_folder(run.path(CODE))
    for name in sorted(names):
        write_bytes(run.path(CODE) / name, FILES[name].text.encode())


def fresh_network(config: BackboneConfig, job: StoreJob) -> nn.Module:
    """A network with its first weights: random, or those of a file, which is reported."""
    torch.manual_seed(job.seed)
    model = build_backbone(config, len(job.store.classes))
    fitted = first_weights(model, config)
    if fitted:
        job.reporter.say(f"first weights: {config.weights}: {fitted.text()}")
    return model


def run_training(
    run: Run,
    config: TrainConfig,
    job: StoreJob,
    step: Step,
    model: nn.Module,
    *,
    sees: str,
    data: Data,
    title: str,
    what: str,
    complete: Callable[[Results], Results] = lambda results: results,
    nets: Sequence[BackboneConfig] = (),
) -> None:
    """Train, evaluate, and write results.json.

    Args:
        nets: the student and its teachers, for the estimate of the hours.
        what: the network in words, for the results.
        complete: adds to the results once the scores are saved.

    Raises:
        TrainingError: see `train`.
    """
    started, machine = time.perf_counter(), job.machine
    group = machine.processes
    processes.run_on_first(lambda: write_training_ids(run, data.parts), group)
    for line in split_lines(used_videos(data.parts)):
        job.reporter.say(f"split {job.split}: {line}")
    if "mv" in run.config().modalities:
        unknown = unknown_vectors_notice(data.parts.train)
        if unknown:
            job.reporter.say(unknown)
    for line in variants_text(data, store=job.store, sees=sees):
        job.reporter.say(line)
    if config.chooses and not data.parts.held_out:
        job.reporter.say(
            "no videos are held out: the last weights are selected, and the "
            "learning rate does not depend on the held-out loss "
            f"({held_out_hint(data.parts.held_out_rule)})"
        )
    if nets and group.first and not run.path(CHECKPOINT).exists():
        hours = expected_hours(
            config,
            nets,
            clips=len(data.clips["train"]),
            classes=len(job.store.classes),
            machine=machine,
        )
        if hours:
            job.reporter.say(f"{title}: {hours}")
    training = train(
        config,
        job,
        step,
        model,
        clips=data.clips["train"],
        validator=classifier_validator(config, data, sees=sees, machine=machine),
        run=run,
        title=title,
    )

    def evaluate() -> None:
        scores = evaluate_parts(
            model, data.clips, job, sees=sees, protocol=config.protocol, run=run
        )
        variants = evaluate_variants(
            model,
            data,
            job,
            sees=sees,
            protocol=config.protocol,
            run=run,
            own=scores.get("test"),
        )
        seconds = round(time.perf_counter() - started, 1)
        results = Results(
            what=what,
            split=run.config().split,
            videos=used_videos(data.parts),
            training=replace(training, wall_seconds=seconds),
            held_out=scores.get("held_out"),
            test=scores.get("test"),
            variants=variants,
        )
        run.finish(complete(results))

    processes.run_on_first(evaluate, group)


def variants_text(data: Data, *, store: Store, sees: str) -> Iterator[str]:
    """Lines on the variants of a training, and the videos that they lack."""
    if not data.variants:
        return
    names = ", ".join(variant.name for variant in data.variants)
    yield (
        f"every training clip has its {sees} from one of"
        f" {counted(1 + len(data.variants), 'store')}, at random:"
        f" {store.folder.resolve().name}, {names}"
    )
    for variant in data.variants:
        for part, of in (
            ("train", "to train on, whose clips come from the other stores"),
            ("held_out", "held out"),
            ("test", "to test, which its accuracy leaves out"),
        ):
            notice = missing_notice(variant, data.clips[part].videos, of=of)
            if notice:
                yield notice


def report_hours(
    run: Run,
    config: TrainConfig,
    job: StoreJob,
    step: Step,
    model: nn.Module,
    *,
    data: Data,
    title: str,
) -> None:
    """Report the hours of a training on rgb, if it starts here and is a long one."""
    if not job.machine.processes.first or run.path(CHECKPOINT).exists():
        return
    clips = len(data.clips["train"])
    hours = expected_hours_of_step(
        config, step, model, clips=clips, machine=job.machine
    )
    if hours:
        job.reporter.say(f"{title}: {hours}")


def write_training_ids(run: Run, parts: SplitParts) -> None:
    """Record the videos of the training part, on which no later fit may be made."""
    write_json(run.path(LEARNED_FROM), [video.id for video in parts.train])


def _folders(sources: str | Store | Run | Sequence[Store | Run]) -> str:
    if isinstance(sources, str):
        return sources
    several = (sources,) if isinstance(sources, Store | Run) else sources
    return ", ".join(str(one.folder.resolve()) for one in several)
