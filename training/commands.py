"""What the commands do: stores, recipes and runs by name -> complete runs."""

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.store import Store, only_store, runs_folder

from .data.splits import chosen_split, parts
from .engine.processes import joined
from .engine.record import Run
from .errors import RunError
from .jobs.distill import DistillRecipe, check_teacher, described, distill
from .jobs.evaluate import evaluate
from .jobs.machine import Machine
from .jobs.teach import teach
from .progress import Watch
from .recipes import FAMILIES, Family, default_name, family


class Setting(NamedTuple):
    """A recipe, a store and a place, as the options of a command say."""

    store: Store
    split: str
    seed: int
    name: str
    """Of the recipe."""
    family: Family
    runs: Path
    machine: Machine
    watch: Watch

    def base(self, what: str) -> str:
        """Name of a run's folder."""
        store = self.store.folder.resolve().name
        return f"{store}-{self.name}-{what}-split{self.split}-seed{self.seed}"

    def shared(self) -> dict[str, Any]:
        """What the jobs want to know of it."""
        return {
            "recipe_name": self.name,
            "store": self.store,
            "split": self.split,
            "seed": self.seed,
            "runs": self.runs,
            "machine": self.machine,
            "watch": self.watch,
        }


def setting(
    *,
    store: Path | None,
    split: str | None,
    recipe: str | None,
    size: str | None,
    seed: int,
    out: Path | None,
    machine: Machine,
    watch: Watch,
) -> Setting:
    """Find what was asked for, or its default, and say which it is.

    Args:
        size: small or paper; None is small without a GPU, and says so.
        out: folder of the run; others that are needed lie beside it.
    """
    opened = Store(store or only_store())
    if recipe is None and size is None:
        size = "paper" if machine.device.type == "cuda" else "small"
        if size == "small":
            watch.say("no GPU here: --size small")
    name = recipe or default_name(opened.dataset, size or "small")
    chosen = Setting(
        store=opened,
        split=chosen_split(opened, split),
        seed=seed,
        name=name,
        family=family(name),
        runs=out.parent if out else runs_folder(),
        machine=machine,
        watch=watch,
    )
    watch.say(
        f"store {opened.folder}, {opened.splits[chosen.split]} split {chosen.split},"
        f" recipe {name}, seed {seed}, {machine.device.type} {machine.precision}"
    )
    return chosen


def run_teach(chosen: Setting, modality: str, *, out: Path | None) -> Run:
    """`training teach`."""
    return teach(
        chosen.family.teach(modality),
        out=out,
        base=chosen.base(modality),
        **chosen.shared(),
    )


def run_distill(
    chosen: Setting,
    *,
    teacher: str,
    student: str,
    teacher_run: Path | None,
    baseline: bool,
    out: Path | None,
) -> Run:
    """`training distill`: a teacher if there is none, a baseline if wanted, the student."""
    with joined(chosen.machine.processes, chosen.machine.device):
        recipe = chosen.family.distill(teacher, student)
        _refuse_early(chosen, recipe, out)
        if teacher_run:
            expert = Run(teacher_run)
            if expert.results() is None:
                raise RunError(f"{teacher_run}: expected a complete run of a teacher")
            check_teacher(expert, recipe, store=chosen.store, split=chosen.split)
        else:
            expert = teach(
                chosen.family.teach(teacher),
                base=chosen.base(teacher),
                if_none=f"no complete {teacher} teacher of this store, split, recipe and seed:"
                " trains one first",
                **chosen.shared(),
            )
        chosen.watch.say(f"teacher: {expert.folder}")
        scratch = None
        if baseline:
            scratch = teach(
                recipe.scratch(),
                base=chosen.base(f"{student}-scratch"),
                if_none="baseline: the student without its teacher",
                **chosen.shared(),
            )
        return distill(
            recipe,
            teacher=expert,
            scratch=scratch,
            out=out,
            base=chosen.base(f"{teacher}-to-{student}"),
            **chosen.shared(),
        )


def run_evaluate(
    folder: Path, *, store: Path | None, part: str, machine: Machine, watch: Watch
) -> dict[str, Any]:
    """`training evaluate`: on the store that is given, or where it was at training."""
    run = Run(folder)
    where = store or Path(run.machine().get("store", ""))
    return evaluate(run, store=Store(where), part=part, machine=machine, watch=watch)


def recipe_lines() -> list[str]:
    """One line a recipe."""
    wide = max(map(len, FAMILIES))
    return [f"{name:<{wide}}  {known.line}" for name, known in FAMILIES.items()]


def _refuse_early(chosen: Setting, recipe: DistillRecipe, out: Path | None) -> None:
    """Say what would fail after the teacher's minutes before them."""
    wanted = [recipe.student.sees, recipe.teacher.sees]
    parts(chosen.store, split=chosen.split, modalities=wanted, seed=chosen.seed)
    if out and chosen.machine.processes.first:
        what = described(
            recipe,
            recipe_name=chosen.name,
            store=chosen.store,
            split=chosen.split,
            seed=chosen.seed,
            precision=chosen.machine.precision,
        )
        Run(out).check(what)
