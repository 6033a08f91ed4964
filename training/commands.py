"""What `training teach`, `distill` and `evaluate` do: a setting -> complete runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.store import Store

from .engine.processes import joined
from .engine.record import Run, differences
from .errors import RunError
from .jobs.course import open_data
from .jobs.description import runs_in
from .jobs.distill import DistillRecipe, described, distill
from .jobs.evaluate import evaluate
from .jobs.job import StoreJob
from .jobs.joint import distill_jointly, teach_jointly
from .jobs.machine import Machine
from .jobs.needed import check_teacher
from .jobs.teach import TeachRecipe, teach
from .progress import Watch
from .protocols import Crops
from .recipes import is_system, recipe
from .setting import Setting


def run_teach(chosen: Setting, modality: str | None, *, out: Path | None) -> Run:
    """`training teach`."""
    sees = modality or chosen.family.sees[0]
    name = chosen.family.teacher or chosen.name
    job = chosen.job(_of(name, sees), name=name, out=out)
    return _taught(chosen.family.teach(sees), job, chosen.beside)


def _taught(
    settings: TeachRecipe, job: StoreJob, beside: Sequence[Store], if_none: str = ""
) -> Run:
    """A training on labels, of one store or several."""
    if beside:
        return teach_jointly(settings, job, beside=beside, if_none=if_none)
    return teach(settings, job, if_none=if_none)


def run_distill(
    chosen: Setting,
    *,
    teacher: str | Sequence[str] | None = None,
    student: str | None = None,
    teacher_runs: Sequence[Path] = (),
    baseline: bool = False,
    out: Path | None,
) -> Run:
    """`training distill`: teachers if there are none, a baseline if wanted, the student."""
    with joined(chosen.machine.processes, chosen.machine.device):
        usual_teacher, usual_student = chosen.family.sees
        sees = (teacher,) if isinstance(teacher, str) else tuple(teacher or ())
        sees = sees or (usual_teacher,)
        settings = chosen.family.distill(sees[0], student or usual_student)
        if len(sees) > 1:
            settings = settings.taught_by(*sees)
        student_sees = settings.student.sees
        names = "+".join(one.sees for one in settings.teachers)
        own = (names, student_sees) == chosen.family.sees and is_system(chosen.name)
        job = chosen.job("" if own else f"{names}-to-{student_sees}", out=out)
        _refuse_early(settings, job, chosen.beside)
        experts = _teachers(chosen, settings, teacher_runs)
        scratch = None
        if baseline:
            scratch = _taught(
                settings.scratch(),
                chosen.job(f"{student_sees}-scratch", wait=True),
                chosen.beside,
                if_none="baseline: the student without its teacher",
            )
        if chosen.beside:
            return distill_jointly(
                settings,
                job,
                teacher=experts[0],
                beside=chosen.beside,
                scratch=scratch,
            )
        return distill(settings, job, teacher=experts, scratch=scratch)


def _teachers(
    chosen: Setting, settings: DistillRecipe, given: Sequence[Path]
) -> list[Run]:
    """Complete runs of a recipe's teachers: the given ones, or found, or trained now."""
    if given:
        if len(given) != len(settings.teachers):
            raise RunError(
                f"expected a --teacher-run for each of {len(settings.teachers)} teachers,"
                f" got {len(given)}"
            )
        for path in given:
            if Run(path).results() is None:
                raise RunError(f"{path}: expected a complete run of a teacher")
        by_sees = {(Run(p).decided().get("model") or {}).get("sees"): p for p in given}
        ordered = [
            Run(by_sees.get(t.sees, path))
            for t, path in zip(settings.teachers, given, strict=True)
        ]
        for run, wanted in zip(ordered, settings.teachers, strict=True):
            check_teacher(run, settings, wanted, store=chosen.store, split=chosen.split)
            chosen.watch.say(f"teacher: {run.folder}")
        return ordered
    found = []
    name = chosen.family.teacher or chosen.name
    for one in settings.teachers:
        run = _taught(
            chosen.family.teach(one.sees),
            chosen.job(_of(name, one.sees), name=name, wait=True),
            chosen.beside,
            if_none=f"no complete {one.sees} teacher of this store, split, recipe, seed and"
            " held-out part: training one first",
        )
        chosen.watch.say(f"teacher: {run.folder}")
        found.append(run)
    return found


def run_evaluate(
    folder: Path,
    *,
    store: Path | None,
    part: str,
    crops: Crops | None = None,
    machine: Machine,
    watch: Watch,
) -> dict[str, Any]:
    """`training evaluate`: on the store that is given, or where it was at training."""
    run = Run(folder)
    where = store or Path(run.machine().get("store", ""))
    return evaluate(
        run, store=Store(where), part=part, crops=crops, machine=machine, watch=watch
    )


def crops_of(option: str | None) -> Crops | None:
    """What --crops says."""
    known: dict[str | None, Crops] = {"1": 1, "3": 3, "10": 10}
    return known.get(option)


def runs_of_splits(folders: Sequence[Path], wanted: str | None) -> list[Path]:
    """The given runs; with splits asked for, the one given and its like on these.

    Raises:
        RunError: a split has no complete run like it beside it.
    """
    if wanted is None:
        return list(folders)
    if len(folders) != 1:
        raise RunError(f"expected one run with --split, got {len(folders)}")
    given = Run(folders[0])
    ours = _apart_from_split(given)
    like: dict[str, Path] = {}
    for run in runs_in(folders[0].resolve().parent):
        if run.results() is not None and not differences(ours, _apart_from_split(run)):
            like.setdefault(run.decided()["split"]["name"], run.folder)
    like[given.decided()["split"]["name"]] = folders[0]
    if wanted == "all":
        known = Store(Path(given.machine().get("store", ""))).splits
        names = sorted(known)
    else:
        names = wanted.split(",")
    missing = [name for name in names if name not in like]
    if missing:
        raise RunError(
            f"{folders[0]}: expected runs like it on splits {', '.join(names)} beside it,"
            f" but there is none on {', '.join(missing)}: train with --split"
            f" {','.join(missing)}"
        )
    return [like[name] for name in names]


def _refuse_early(
    settings: DistillRecipe, job: StoreJob, beside: Sequence[Store]
) -> None:
    """Say what would fail after the teacher's minutes before them."""
    settings.check_shapes()
    for store in (job.store, *beside):
        open_data(settings, replace(job, store=store), settings.modalities)
    if job.out and job.machine.processes.first:
        Run(job.out).check(described(settings, job))


def _apart_from_split(run: Run) -> dict[str, Any]:
    decided = run.decided()
    ignored = ("split", "teacher", "streams", "first_weights")
    return {k: v for k, v in decided.items() if k not in ignored}


def _of(name: str, sees: str) -> str:
    """What stands behind a recipe's name in a run's: the modality, unless it says so."""
    if is_system(name) and recipe(name).settings.model.sees == sees:
        return ""
    return sees
