"""The commands `training teach` and `training distill`."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from .options import TRAINING, Options, machine_of
from .parameter_types import Modality, TeacherNames, TeacherRun
from .results import show_runs


@click.command()
@click.option(
    "--modality",
    type=Modality,
    help="Modality that the network sees.  [default: the recipe's, or flow]",
)
@TRAINING
def teach(
    modality: str | None, out: Path | None, as_json: bool, **options: Any
) -> None:
    """Train one network on the labels of one modality.

    Without --recipe, it is flow2d for flow, mv for motion vectors, and r3d_rgb for rgb
    (`training recipes NAME` describes each).
    """
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


@click.command()
@click.option(
    "--teacher",
    type=TeacherNames(),
    help="Modality that the teacher sees (flow, rgb or mv), or the recipe of a teacher, by "
    "name or file. Several, separated by commas, teach by the mean of their "
    "predictions.  [default: the recipe's, or flow]",
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


def _machine(options: Options) -> Any:
    from ..engine.processes import from_environment
    from ..runs.machine import select_machine

    return select_machine(**machine_of(options), processes=from_environment())
