"""The `training` command."""

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from motion_shards import __version__
from motion_shards.console import Commands, Console
from motion_shards.finite import FiniteRange
from motion_shards.interruption import EXIT_CODE
from motion_shards.plain_text import printable
from motion_shards.store_address import StoreAddress, cache_options

from ..catalogue import check_name, recipe_lines, recipe_names
from ..errors import Interrupted
from .bench_predict import bench_predict
from .export import export
from .features import features
from .options import (
    CODE,
    DEVICE,
    INPUTS,
    JSON,
    MEMORY_FORMAT,
    RECIPE,
    SET,
    STORE,
    TRAINING,
    WORKERS,
    Choice,
    ExistingFolder,
    Modality,
    Options,
    TeacherNames,
    TeacherRun,
    machine_of,
)
from .predict import predict
from .results import show_runs
from .runs import runs
from .several_processes import is_first, let_the_first_say
from .sweep import sweep
from .systems import COMMANDS
from .watch import watch


class Cli(Console):
    """The command of a training, which may be one of several processes."""

    interruptions = (Interrupted, KeyboardInterrupt)

    def source(self, error: Exception) -> str:
        return let_the_first_say(error)

    def interrupted(self, error: BaseException) -> NoReturn:
        if is_first():
            line = str(error) or "stopped; run the same command to resume"
            again = shlex.join(["training", *sys.argv[1:]])
            click.echo(f"Interrupted: {printable(line)}", err=True)
            click.echo(f"Resume with: {printable(again)}", err=True)
        raise SystemExit(EXIT_CODE) from None


@click.group(cls=Cli)
@click.version_option(__version__)
def main() -> None:
    """Train action recognition on a store, with students taught by optical flow."""


@main.command()
@click.option(
    "--modality",
    type=Modality,
    help="Modality that the network sees.  [default: the recipe's, or flow]",
)
@TRAINING
def teach(
    modality: str | None, out: Path | None, as_json: bool, **options: Any
) -> None:
    """Train one network on the labels of one modality."""
    from ..recipes import default_name
    from . import train as commands  # here, because torch takes two seconds
    from .contexts import for_each_split_and_seed

    machine = _machine(options)
    runs = for_each_split_and_seed(
        options | {"out": out},
        lambda recipe, context, out: commands.run_teach(
            recipe,
            context,
            modality,
            out=out,
            changes=options["changes"],
            init=options["init"],
        ),
        machine=machine,
        default=partial(default_name, teach=modality or "flow"),
    )
    show_runs(runs, as_json)


@main.command()
@click.option(
    "--teacher",
    type=TeacherNames(),
    help="Modality that the teacher sees (flow, rgb or mv), or the recipe of a teacher, by "
    "name or file. Of several, separated by commas, the mean of the predictions teaches."
    "  [default: the recipe's, or flow]",
)
@click.option(
    "--student",
    type=Modality,
    help="Modality that the student sees.  [default: the recipe's, or mv]",
)
@click.option(
    "--teacher-run",
    "teacher_runs",
    type=TeacherRun(),
    multiple=True,
    help="Folder of a trained teacher; may be repeated. One of several teachers may be named"
    " by what it sees: rgb=RUN, or flow2=RUN for a second one on flow.  [default: the newest"
    " suitable run of each]",
)
@click.option(
    "--teacher-init",
    metavar="WEIGHTS",
    help="First weights of the teacher, as --init.",
)
@click.option(
    "--baseline/--no-baseline",
    default=False,
    help="Also train the student without its teacher, for comparison.",
)
@TRAINING
def distill(
    teacher: tuple[str, ...] | None,
    student: str | None,
    teacher_runs: tuple[tuple[str, Path], ...],
    teacher_init: str | None,
    baseline: bool,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a student with a teacher.

    A missing teacher is trained first. Without --recipe, a student that sees mv is
    trained as in DTMV, and one that sees rgb as in the Dual-action Stream.
    """
    from ..recipes import default_name
    from . import train as commands  # here, because torch takes two seconds
    from .contexts import for_each_split_and_seed

    machine = _machine(options)
    runs = for_each_split_and_seed(
        options | {"out": out},
        lambda recipe, context, out: commands.run_distill(
            recipe,
            context,
            teacher=teacher,
            student=student,
            teacher_runs=teacher_runs,
            baseline=baseline,
            out=out,
            changes=options["changes"],
            init=options["init"],
            teacher_init=teacher_init,
        ),
        machine=machine,
        default=partial(default_name, student=student or "mv"),
    )
    show_runs(runs, as_json)


@main.command()
@click.argument("runs", type=ExistingFolder, nargs=-1, required=True)
@click.option(
    "--store",
    type=StoreAddress(),
    help="Store with the test videos. A store other than the training store must "
    "have the run's modality and no further classes; the run's own results "
    "are not overwritten.  [default: the training store]",
)
@cache_options
@click.option(
    "--split",
    help="Comma-separated split names, or all: also evaluate the runs of the same "
    "recipe on these splits, and print the mean.",
)
@click.option(
    "--part",
    type=Choice(["test", "held-out"]),
    default="test",
    show_default=True,
    help="Part of the split to evaluate on.",
)
@click.option(
    "--crops",
    type=Choice(["1", "3", "10"]),
    help="Number of crops per clip whose scores are averaged.  [default: the recipe's]",
)
@CODE
@DEVICE
@WORKERS
@JSON
def evaluate(
    runs: tuple[Path, ...],
    store: Path | str | None,
    split: str | None,
    part: str,
    crops: str | None,
    device: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Evaluate trained RUNS on test videos or another store."""
    from ..report.several import several_runs, several_text
    from ..report.text import evaluation_text
    from ..run_files.json_dataclasses import to_json
    from ..runs import progress  # here, because torch takes two seconds
    from ..runs.machine import select_machine
    from . import train as commands

    machine = select_machine(device=device, workers=workers, precision="float32")
    chosen = commands.runs_of_splits(runs, split)
    told = [
        commands.run_evaluate(
            run,
            store=store,
            part=part.replace("-", "_"),
            crops=commands.crops_of(crops),
            machine=machine,
            reporter=progress.default_reporter(),
        )
        for run in chosen
    ]
    own = part == "test" and all(one.store is None for one in told)
    together = several_runs(chosen) if len(chosen) > 1 and own else None
    if as_json:
        alone = told[0] if len(told) == 1 else told
        click.echo(json.dumps(to_json(together or alone)))
        return
    for run, one in zip(chosen, told, strict=True):
        click.echo(evaluation_text(one, title=str(run)))
    if together:
        click.echo(several_text(together))


@main.command()
@click.argument("name", required=False)
@click.option(
    "--classes",
    default=101,
    show_default=True,
    help="Number of classes for which parameters are counted.",
)
@SET
@CODE
@click.option(
    "--toml", is_flag=True, help="Print the recipe as a TOML file to start from."
)
@JSON
def recipes(
    name: str | None,
    classes: int,
    changes: tuple[str, ...],
    toml: bool,
    as_json: bool,
) -> None:
    """List the recipes, or show all settings of one.

    For the recipe NAME, it also shows what its paper says of each setting. With --set,
    the recipe is shown as it would run. Every system of a paper has two smaller sizes:
    NAME_small for the demo data set, NAME_medium for real clips without a large GPU.
    r3d, r3d_small, demo and tiny are for any pair of modalities.
    """
    if not name:
        if changes or toml:
            option = "--set" if changes else "--toml"
            raise click.UsageError(f"expected the NAME of a recipe with {option}")
        names = recipe_names()
        click.echo(json.dumps(names) if as_json else "\n".join(recipe_lines()))
        return
    check_name(name)
    from . import recipe_page  # here, because torch takes two seconds

    if toml:
        click.echo(recipe_page.recipe_toml(name, changes), nl=False)
        return
    if as_json:
        click.echo(json.dumps(recipe_page.recipe_json(name, changes)))
        return
    click.echo(recipe_page.recipe_text(name, classes, changes))


@main.group(cls=Commands, invoke_without_command=True)
@STORE
@click.option(
    "--modality",
    type=Modality,
    default="flow",
    show_default=True,
    help="Modality that the network sees.",
)
@RECIPE
@SET
@CODE
@click.option(
    "--workers",
    type=click.IntRange(0),
    multiple=True,
    help="Number of reading processes to measure; may be repeated.  [default: 0 and 1]",
)
@click.option(
    "--seconds",
    type=FiniteRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Duration of each measurement in seconds: five windows, whose median counts.",
)
@DEVICE
@click.option(
    "--precision",
    type=Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    help="Floating-point precision. auto: bfloat16 on a GPU, float32 on a CPU.",
)
@click.option(
    "--memory-gb",
    type=FiniteRange(0, 1e6),
    default=0.0,
    show_default=True,
    help="Memory in GiB for decoded clips; 0: read every clip from the store.",
)
@INPUTS
@MEMORY_FORMAT
@JSON
@click.pass_context
def bench(
    context: click.Context,
    store: Path | str | None,
    modality: str,
    recipe: str | None,
    changes: tuple[str, ...],
    workers: tuple[int, ...],
    seconds: float,
    device: str,
    precision: str,
    memory_gb: float,
    memory_format: Any,
    inputs: str,
    as_json: bool,
) -> None:
    """Compare the speed of training with a bare loop.

    Speeds are clips per second.

    \b
    training bench --recipe r3d_rgb --modality rgb --set model.net=s3d

    `training bench predict` measures a trained model on files instead.
    """
    if context.invoked_subcommand is not None:
        return
    from ..bench import report, run  # here, because torch takes two seconds
    from ..run_files.json_dataclasses import to_json

    found = run.run(
        store,
        modality=modality,
        recipe=recipe,
        changes=changes,
        workers=workers or (0, 1),
        seconds=seconds,
        device=device,
        precision=precision,
        memory_gb=memory_gb,
        memory_format=memory_format,
        inputs=inputs,
    )
    click.echo(json.dumps(to_json(found)) if as_json else report.text(found))


bench.add_command(bench_predict)


@main.command("ray-train", context_settings={"ignore_unknown_options": True})
@click.option(
    "--num-workers",
    type=click.IntRange(1),
    required=True,
    help="Number of workers, one process each.",
)
@click.option("--gpus/--no-gpus", help="Give every worker a GPU.")
@click.option(
    "--ray",
    default="auto",
    show_default=True,
    help="Ray cluster to use. auto: that of $RAY_ADDRESS or one that runs on this "
    "machine; local: start Ray on this machine; or an address.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def ray_train(num_workers: int, gpus: bool, ray: str, command: tuple[str, ...]) -> None:
    """Run `teach` or `distill` on the workers of a Ray cluster.

    \b
    training ray-train --num-workers 4 --gpus -- teach --modality flow
    """
    from .. import ray_train as started  # here, because ray and torch take seconds

    job = partial(_in_worker, command)
    started.run(job, workers=num_workers, gpus=gpus, address=ray)


def _in_worker(command: tuple[str, ...]) -> None:
    main(list(command), standalone_mode=False)


def _machine(options: Options) -> Any:
    from ..engine.processes import from_environment
    from ..runs.machine import select_machine

    return select_machine(**machine_of(options), processes=from_environment())


for command in (*COMMANDS, export, features, predict, runs, sweep, watch):
    main.add_command(command)
