"""The `training` command."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from .errors import Interrupted, TrainingError

INTERRUPTED = 130

ExistingFolder = click.Path(path_type=Path, exists=True, file_okay=False)
Folder = click.Path(path_type=Path, file_okay=False)
Modality = click.Choice(["flow", "rgb", "mv"])


class Cli(click.Group):
    """Shows our own errors as one line. Bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except (Interrupted, KeyboardInterrupt) as stopped:
            told = str(stopped) or "stopped; the same command goes on"
            click.echo(f"Interrupted: {told}", err=True)
            again = " ".join(sys.argv[1:])
            click.echo(f"Go on with: training {again}", err=True)
            raise SystemExit(INTERRUPTED) from None
        except _our_errors() as error:
            raise click.ClickException(str(error)) from error


def _our_errors() -> tuple[type[Exception], ...]:
    """Asked for only when something was raised: the store's take numpy and h5py along."""
    from pipeline.store import StoreError

    return TrainingError, StoreError


@click.group(cls=Cli)
def main() -> None:
    """Train action recognition on a store, and teach students by optical flow."""


def _options(command):
    """What `teach` and `distill` have in common."""
    for option in reversed(
        (
            click.option("--store", type=ExistingFolder, help="Default: the only one."),
            click.option("--recipe", help="See `training recipes`."),
            click.option(
                "--size",
                type=click.Choice(["small", "paper"]),
                help="Of the default recipe. Default: small without a GPU.",
            ),
            click.option("--split", help="Default: 1, or the only one."),
            click.option("--seed", default=0, show_default=True),
            click.option("--out", type=Folder, help="The run's folder."),
            *_MACHINE,
            click.option("--json", "as_json", is_flag=True, help="Results as JSON."),
        )
    ):
        command = option(command)
    return command


_MACHINE = (
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
        help="auto: bfloat16 on a GPU, float32 on a CPU.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(0),
        help="Processes that read clips. Default: none on a CPU.",
    ),
    click.option(
        "--memory-gb",
        default=1.0,
        show_default=True,
        help="Clips are remembered up to here.",
    ),
    click.option(
        "--checkpoint-minutes", default=3.0, show_default=True, help="Save so often."
    ),
    click.option(
        "--deterministic", is_flag=True, help="On a GPU: the same twice, slower."
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Let torch compile the networks: a minute first, then faster.",
    ),
)


@main.command()
@click.option("--modality", type=Modality, default="flow", show_default=True)
@_options
def teach(modality: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """Train one network on the labels of one modality."""
    from . import commands  # here, because torch takes two seconds

    run = commands.run_teach(_setting(out, options), modality, out=out)
    _show(run, as_json)


@main.command()
@click.option("--teacher", type=Modality, default="flow", show_default=True)
@click.option("--student", type=Modality, default="mv", show_default=True)
@click.option(
    "--teacher-run", type=ExistingFolder, help="Default: the newest that fits."
)
@click.option(
    "--baseline/--no-baseline",
    default=False,
    help="Also train the student without its teacher.",
)
@_options
def distill(
    teacher: str,
    student: str,
    teacher_run: Path | None,
    baseline: bool,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Teach a student; trains the teacher first if there is none."""
    from . import commands  # here, because torch takes two seconds

    run = commands.run_distill(
        _setting(out, options),
        teacher=teacher,
        student=student,
        teacher_run=teacher_run,
        baseline=baseline,
        out=out,
    )
    _show(run, as_json)


@main.command()
@click.argument("run", type=ExistingFolder)
@click.option("--store", type=ExistingFolder, help="Default: where it was at training.")
@click.option(
    "--split",
    "part",
    type=click.Choice(["test", "held-out"]),
    default="test",
    show_default=True,
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--workers", type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True)
def evaluate(
    run: Path,
    store: Path | None,
    part: str,
    device: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Judge a trained network again, as its recipe says."""
    from . import commands, progress  # here, because torch takes two seconds
    from .jobs.machine import chosen_machine
    from .report.text import evaluation_text

    told = commands.run_evaluate(
        run,
        store=store,
        part=part.replace("-", "_"),
        machine=chosen_machine(device=device, workers=workers, precision="float32"),
        watch=progress.watch(),
    )
    click.echo(json.dumps(told) if as_json else evaluation_text(told, title=str(run)))


@main.command()
def recipes() -> None:
    """List the recipes, a line each."""
    from . import commands  # here, because torch takes two seconds

    click.echo("\n".join(commands.recipe_lines()))


@main.command()
@click.option("--store", type=ExistingFolder, help="Default: the only one.")
@click.option("--modality", type=Modality, default="flow", show_default=True)
@click.option("--recipe", help="See `training recipes`.")
@click.option("--workers", type=click.IntRange(0), multiple=True, help="To compare.")
@click.option("--seconds", default=10.0, show_default=True, help="For each figure.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    help="auto: bfloat16 on a GPU, float32 on a CPU.",
)
@click.option(
    "--memory-gb", default=0.0, show_default=True, help="0: every clip from the store."
)
@click.option("--json", "as_json", is_flag=True)
def bench(
    store: Path | None,
    modality: str,
    recipe: str | None,
    workers: tuple[int, ...],
    seconds: float,
    device: str,
    precision: str,
    memory_gb: float,
    as_json: bool,
) -> None:
    """Clips per second of a training, and of a bare loop over the same network."""
    from . import bench as benchmark  # here, because torch takes two seconds

    told = benchmark.run(
        store,
        modality=modality,
        recipe=recipe,
        workers=workers or (0, 1),
        seconds=seconds,
        device=device,
        precision=precision,
        memory_gb=memory_gb,
    )
    click.echo(json.dumps(told) if as_json else benchmark.text(told))


@main.command("ray-train", context_settings={"ignore_unknown_options": True})
@click.option("--num-workers", type=click.IntRange(1), required=True)
@click.option("--gpus/--no-gpus", help="One for every worker.")
@click.option(
    "--ray", default="auto", show_default=True, help="auto, local or an address."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def ray_train(num_workers: int, gpus: bool, ray: str, command: tuple[str, ...]) -> None:
    """Run a command, teach or distill, on workers of a Ray cluster.

    \b
    training ray-train --num-workers 4 --gpus -- teach --modality flow
    """
    from . import ray_train as started  # here, because ray and torch take seconds

    job = partial(_in_worker, command)
    started.run(job, workers=num_workers, gpus=gpus, address=ray)


def _in_worker(command: tuple[str, ...]) -> None:
    main(list(command), standalone_mode=False)


def _setting(out: Path | None, options: dict[str, Any]) -> Any:
    from . import commands, progress
    from .engine.processes import from_environment
    from .jobs.machine import chosen_machine

    processes = from_environment()
    machine = chosen_machine(
        device=options.pop("device"),
        precision=options.pop("precision"),
        workers=options.pop("workers"),
        memory_gb=options.pop("memory_gb"),
        checkpoint_minutes=options.pop("checkpoint_minutes"),
        deterministic=options.pop("deterministic"),
        compiled=options.pop("compiled"),
        processes=processes,
    )
    watch = progress.watch() if processes.first else progress.Silent()
    return commands.setting(out=out, machine=machine, watch=watch, **options)


def _show(run: Any, as_json: bool) -> None:
    from .engine.processes import from_environment
    from .report.text import results_text

    results = run.results()
    if results is None or not from_environment().first:
        return
    if as_json:
        click.echo(json.dumps({"run": str(run.folder)} | results))
    else:
        click.echo(results_text(results, title=f"{run.folder}: results"))
