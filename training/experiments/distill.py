"""A teacher that sees one modality -> a student that sees another."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.store import Json

from ..errors import RunError
from ..models.backbones import net_named
from ..models.heads import TwoHeads
from ..models.named_weights import weights_hashes
from ..models.pretrained import check_weights
from ..models.weights import transfer
from ..run_files.names import SCORES
from ..run_files.results import Baseline, OtherRun, Results, ShortAccuracy
from ..run_files.run_config import RunConfig
from ..runs.compatibility import check_teacher
from ..runs.context import StoreJob
from ..runs.identity import fingerprint_of, run_config
from ..runs.lifecycle import open_run, report_hours, run_training
from ..runs.record import Run
from ..runs.trained import trained_model
from ..scoring.intervals import difference, influence_of_mean
from ..scoring.scores import Scores, together
from .distill_recipe import DistillRecipe
from .joint import check_joint, training_stores
from .motion_teacher_recipe import MotionTeacherRecipe
from .student import joint_student_step, student_step


def distill(
    recipe: DistillRecipe,
    job: StoreJob,
    *,
    teacher: Run | Sequence[Run],
    scratch: Run | None = None,
) -> Run:
    """Train the student, evaluate it, and leave a complete run.

    Stores of `job.other_stores` are learned together with the job's own, from a teacher
    that has learned them together.

    Args:
        teacher: a complete run, or one for each of the recipe's teachers.
        scratch: a complete run of the student without a teacher, to compare with.

    Raises:
        RunError: the teacher does not fit the store or the recipe.
        TrainingError: see `train` and `open_data`.
    """
    teachers = [teacher] if isinstance(teacher, Run) else list(teacher)
    if len(teachers) != len(recipe.teachers):
        raise RunError(
            f"expected {len(recipe.teachers)} runs of teachers, got {len(teachers)}"
        )
    sees, several = recipe.student.sees, bool(job.other_stores)
    recipe.check_shapes()
    check_weights(recipe.student)
    if several:
        check_joint(recipe, teachers=len(teachers))
    stores = training_stores(recipe, job, recipe.modalities)
    for one, wanted in zip(teachers, recipe.seen_teachers, strict=True):
        check_teacher(one, recipe, wanted, store=job.store, split=job.split)
    experts = [] if several else [trained_model(one)[0] for one in teachers]
    seen = " and ".join(one.sees for one in recipe.teachers)
    config = replace(
        described(recipe, job),
        joint=stores.facts(recipe, recipe.modalities),
        variants=stores.variant_facts(recipe),
        teacher=tuple(map(network_of, teachers)),
    )
    with open_run(
        config,
        job,
        networks=(recipe.student,),
        store=stores.stores,
        variants=job.variants,
        teacher=teachers,
    ) as run:
        results = run.results()
        if results is not None:
            if scratch and job.machine.processes.first and results.scratch is None:
                with run.writing(job.reporter.say, wait=True):
                    run.finish(replace(results, scratch=compared(run, scratch)))
            return run
        job.reporter.say(
            f"{run.folder}: {sees} {recipe.student.net} learns from {stores.text} and a"
            f" {seen} teacher{stores.held_out_text}"
        )
        student = stores.network(recipe.student)
        if isinstance(student, TwoHeads):
            clips = stores.joined_clips
            step = joint_student_step(
                recipe, student, teachers[0], clips, classes=stores.classes
            )
        else:
            if recipe.init == "teacher":
                fitted = transfer(
                    student,
                    experts[0].state_dict(),
                    scale=recipe.student.first_layer,
                    but=(net_named(recipe.student.net).head,),
                    what=str(teachers[0].folder),
                )
                job.reporter.say(f"first weights from the teacher: {fitted.text()}")
            step = student_step(recipe, student, experts, stores.data.clips["train"])

        title = f"{seen} to {sees}" + (f", {stores.names}" if several else "")
        nets = (recipe.student, *(recipe.teachers if recipe.terms else ()))
        if isinstance(recipe, MotionTeacherRecipe):
            nets = ()  # of unequal clips: a step is timed instead
            report_hours(run, recipe, job, step, student, data=stores.data, title=title)

        def complete(results: Results) -> Results:
            return replace(
                results,
                others=stores.evaluate_others(run, recipe, student, sees=sees),
                teacher=_summary_of(teachers[0]),
                teachers=tuple(map(_summary_of, teachers)),
                scratch=compared(run, scratch) if scratch else None,
            )

        of = f" of {stores.names}" if several else ""
        run_training(
            run,
            recipe,
            job,
            step,
            stores.own_network(student),
            sees=sees,
            data=stores.data,
            title=title,
            what=f"{sees} from labels{of} and a {seen} teacher{stores.of_stores_text}",
            complete=complete,
            nets=nets,
        )
    return run


def network_of(teacher: Run) -> dict[str, Json]:
    """A teacher's network, and the hash of its weights."""
    return {**(teacher.config().model or {}), "weights": fingerprint_of(teacher)}


def described(recipe: DistillRecipe, job: StoreJob) -> RunConfig:
    """Everything that decides the result but the teacher."""
    config = run_config(
        "distill",
        recipe,
        job,
        model=recipe.student.architecture(),
        modalities=recipe.modalities,
    )
    return replace(config, first_weights=weights_hashes(recipe.student))


def compared(run: Run, scratch: Run) -> Baseline:
    """The difference between a student and its baseline on the same test videos."""
    ours, theirs = together(
        *(Scores.load(one.path(SCORES.format(part="test"))) for one in (run, scratch))
    )
    other = _summary_of(scratch)
    return Baseline(
        run=other.run,
        what=other.what,
        test=other.test,
        training=other.training,
        difference=difference(
            influence_of_mean(
                ours.hits().astype(float) - theirs.hits(), ours.labelled.units
            )
        ).interval,
        videos_compared=len(ours.labelled),
    )


def _summary_of(run: Run) -> OtherRun:
    results = run.results()
    if results is None or results.test is None:
        raise RunError(f"{run.folder}: expected a complete run with test results")
    test = results.test
    return OtherRun(
        run=run.folder.name,
        what=results.what,
        test=ShortAccuracy(
            top1=test.top1, mean_class=test.mean_class, videos=test.videos
        ),
        training=results.training,
    )
