"""Clips per second in training, compared with a bare loop over the same network.

The bare loop is what one would write in ten lines: one batch, always the same and
already where the network is, forward, backward, step. What training has beyond it is
reading clips, moving them, and keeping account.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from pipeline.store import Store, only_store

from ..data.dataset import Clips, frames_of
from ..data.packed import memory_of, unpacked
from ..data.packing import packing_of
from ..data.splits import resolve_split, split_parts
from ..engine.loop import on_device
from ..models.backbones import build_backbone
from ..recipes import default_name, to_teach
from ..recipes.change import parse_changes
from ..recipes.changes import with_changes
from ..recipes.files import recipe_named
from ..runs.kernels import (
    FEWEST_STEPS,
    candidates,
    chosen,
    searching,
    step_seconds,
    use_kernels,
)
from ..runs.machine import MemoryFormat, place_on_device, select_machine
from ..steps.labels import Supervised
from .loops import bare_loop, endless, repeated, training_loop
from .report import Benchmark, WorkersSpeed
from .windows import ROUNDS, Windows


def run(
    store: Path | str | None,
    *,
    modality: str,
    recipe: str | None = None,
    changes: Sequence[str] = (),
    workers: Sequence[int] = (0, 1),
    seconds: float = 10.0,
    device: str = "auto",
    precision: str = "auto",
    memory_gb: float = 0.0,
    memory_format: MemoryFormat = "auto",
    inputs: str = "auto",
) -> Benchmark:
    """Measure one recipe on one store.

    Args:
        recipe: its name or file; of one that distils, the training of its teacher.
        changes: PATH=VALUE of settings: "model.net=s3d".
        workers: numbers of loading processes to try.
        seconds: how long each figure is measured, in five windows, of which the median
            counts; the slowest and the fastest are given, too.
        precision: auto is what a training has there.
        inputs: as in `select_machine`.
        memory_gb: 0 reads every clip from the store, as large data sets must.
        memory_format: of clips and weights; auto is what a long training has there.

    Returns:
        Clips per second of the bare loop, of our loop over data in memory, and for each
        number of workers.

    Raises:
        RecipeError: see `with_changes`.
    """
    opened = Store(store or only_store())
    machine = select_machine(
        device=device,
        precision=precision,
        workers=0,
        inputs=inputs,
        memory_format=memory_format,
    )
    size_name = "paper" if machine.device.type == "cuda" else "small"
    name = recipe or default_name(size_name, teach=modality)
    made = to_teach(recipe_named(name), modality).on(opened.dataset)
    made = with_changes(made, parse_changes(changes))
    settings = made.settings
    found = split_parts(
        opened, split=resolve_split(opened, None), modalities=[modality]
    )
    frames = frames_of(opened, settings.clip, memory_bytes=int(memory_gb * (1 << 30)))
    clips = Clips(frames, found.train, [modality], settings.clip)
    if machine.inputs == "device":
        clips = packing_of(clips)
    size = min(settings.batch_size, len(clips))
    model = build_backbone(settings.model, len(opened.classes))
    step = Supervised(model, sees=modality)
    place_on_device(step, machine.device)
    pinned = machine.device.type == "cuda"
    sent = next(endless(clips, size, workers=0))
    batch = on_device(unpacked(sent, machine.device), machine.device)
    trial = chosen(
        candidates(machine, FEWEST_STEPS),
        lambda kernels: step_seconds(step, batch, kernels, machine),
        machine=machine,
    )
    use_kernels(step, trial.kernels)
    bare = Windows(bare_loop(step, settings, machine, batch))
    loop = training_loop(step, settings, machine, repeated(batch))
    rows = [
        (
            count,
            Windows(endless(clips, size, workers=count), ahead=2 * count),
            training_loop(
                step,
                settings,
                machine,
                endless(clips, size, workers=count, pinned=pinned),
                ahead=2 * count,
            ),
        )
        for count in workers
    ]
    with searching(trial.kernels.benchmark):
        for _ in range(
            ROUNDS
        ):  # in turn, so that a neighbour's noise meets all of them
            for measured in (bare, loop, *(one for _, *both in rows for one in both)):
                measured.go_on(seconds / ROUNDS)
    speeds = [
        (count, loading.speed(size), training.speed(size), median(training.shares))
        for count, loading, training in rows
    ]
    alone, ours = bare.speed(size), loop.speed(size)
    return Benchmark(
        store=opened.folder.name,
        recipe=made.name if made.changes else name,
        modality=modality,
        batch_size=size,
        device=machine.facts().device,
        precision=machine.precision,
        threads=torch.get_num_threads(),
        memory_format=trial.kernels.memory_format,
        cudnn_benchmark=trial.kernels.benchmark,
        inputs=machine.inputs,
        clip_bytes=memory_of(sent[modality]) // size,
        bare=alone.median,
        loop=ours.median,
        bare_range=alone.spread,
        loop_range=ours.spread,
        rows=tuple(
            WorkersSpeed(
                workers=count,
                loader_alone=loading.median,
                training=training.median,
                loader_alone_range=loading.spread,
                training_range=training.spread,
                share_of_waiting=round(waited, 3),
                share_of_bare=round(training.median / alone.median, 3),
            )
            for count, loading, training, waited in speeds
        ),
    )
