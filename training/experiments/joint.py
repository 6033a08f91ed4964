"""One network learns several data sets together: one trunk, and a head for each.

Source:
    Simonyan and Zisserman, "Two-Stream Convolutional Networks", NIPS 2014, section 6; so
    HMDB51 is trained beside UCF101 by Zhang et al., "Real-Time Action Recognition With
    Deeply Transferred Motion Vector CNNs", IEEE TIP 2018. There and here a batch has clips
    of both, the loss is the sum, and each head sees its own clips only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from pipeline.store import Store

from ..data.dataset import Clips
from ..data.joined import JoinedClips, JoinedPlace, grouped
from ..data.order import Place
from ..engine import checkpoint
from ..errors import RecipeError, RunError
from ..models.backbones import BackboneConfig, build_backbone
from ..models.heads import TwoHeads
from ..models.weights import load_exactly, read_weights
from ..run_files.results import Accuracy, OtherDataSet, Results
from ..run_files.run_config import JointStore
from ..runs.assessment import assessment
from ..runs.compatibility import check_teacher
from ..runs.config import Course, Data, open_data
from ..runs.context import StoreJob
from ..runs.identity import held_out_facts, run_config, split_facts, store_facts
from ..runs.lifecycle import begun, carry_out, fresh_network
from ..runs.record import WEIGHTS, Run
from ..scoring.protocols import Scorer
from ..steps.distill import JointDistill
from ..steps.labels import JointSupervised
from ..steps.step import Step
from ..steps.teachers import Teacher
from .distill import DistillRecipe, compared, network_of
from .teach import TeachRecipe

OTHER_WEIGHTS = "model_{name}.pt"
"""The same trunk with the head of another data set than the first."""
OTHER_SCORES = "scores_{part}.{name}.npz"


def teach_jointly(
    recipe: TeachRecipe, job: StoreJob, *, beside: Sequence[Store], if_none: str = ""
) -> Run:
    """Train on the labels of several stores, judge each head, leave a complete run.

    The run is one of the job's store, whose head counts; the others' results stand
    beside, and their heads in files of their own.

    Args:
        beside: the other stores.
        if_none: said where there is no such run yet.

    Raises:
        TrainingError: see `train` and `open_data`.
    """
    return _carried_out(recipe, recipe.model, job, beside, if_none=if_none)


def distill_jointly(
    recipe: DistillRecipe,
    job: StoreJob,
    *,
    teacher: Run,
    beside: Sequence[Store],
    scratch: Run | None = None,
) -> Run:
    """The same with a teacher that was trained on the same stores jointly.

    Args:
        scratch: a complete run of the student without a teacher, on the same stores, to
            compare with on the first one's test part.

    Raises:
        RunError: the teacher was not, or does not fit the recipe.
    """
    return _carried_out(
        recipe, recipe.student, job, beside, teacher=teacher, scratch=scratch
    )


def check_joint(recipe: TeachRecipe | DistillRecipe) -> None:
    """Check that several stores can be learned together by a recipe.

    Raises:
        RecipeError: it selects the best weights, which one store would decide, or has
            several teachers.
    """
    if recipe.select == "best":
        raise RecipeError(
            "expected the last weights to be selected in joint training, got the best of"
            " one data set"
        )
    if isinstance(recipe, DistillRecipe) and recipe.beside:
        raise RecipeError("expected one teacher for several stores, got several")


def names_of(stores: Sequence[Store]) -> list[str]:
    """What the data sets are called; by folder where two are of one kind."""
    names = [store.dataset for store in stores]
    if len(set(names)) < len(names):
        names = [store.folder.resolve().name for store in stores]
    names = [name.replace(".", "_") for name in names]
    if len(set(names)) < len(names) or len(names) < 2:
        raise RunError(
            f"expected several different stores to learn together, got {', '.join(names)}"
        )
    return names


def _carried_out(
    recipe: TeachRecipe | DistillRecipe,
    net: BackboneConfig,
    job: StoreJob,
    beside: Sequence[Store],
    *,
    teacher: Run | None = None,
    scratch: Run | None = None,
    if_none: str = "",
) -> Run:
    stores = (job.store, *beside)
    names = names_of(stores)
    check_joint(recipe)
    sees = recipe.modalities if isinstance(recipe, DistillRecipe) else [net.sees]
    jobs = {
        name: replace(job, store=store)
        for name, store in zip(names, stores, strict=True)
    }
    data = {name: open_data(recipe, one, sees) for name, one in jobs.items()}
    own, *others = names
    config = run_config(
        "teach" if teacher is None else "distill",
        recipe,
        job,
        model=net.architecture(),
        modalities=sees,
    )
    joint = {
        name: JointStore(
            store=store_facts(jobs[name].store, sees),
            split=split_facts(jobs[name].store, job.split),
            videos_held_out=held_out_facts(recipe, jobs[name]),
        )
        for name in others
    }
    config = replace(config, joint=joint)
    if teacher is not None and isinstance(recipe, DistillRecipe):
        check_teacher(teacher, recipe, recipe.teacher, store=job.store, split=job.split)
        config = replace(config, teacher=(network_of(teacher),))
    with begun(config, job, store=stores) as run:
        results = run.results()
        if results is not None:
            if scratch and job.machine.processes.first and results.scratch is None:
                with run.writing(job.watch.say, wait=True):
                    run.finish(replace(results, scratch=compared(run, scratch)))
            return run
        if if_none:
            job.watch.say(if_none)
        many = " and ".join(
            f"{len(one.parts.train)} videos of {name}" for name, one in data.items()
        )
        job.watch.say(f"{run.folder}: {net.sees} {net.net} learns from {many}")
        trunk = fresh_network(net, job)
        classes = {name: len(one.store.classes) for name, one in jobs.items()}
        model = TwoHeads(trunk, classes)
        clips = JoinedClips({name: one.clips["train"] for name, one in data.items()})
        step = _step(recipe, model, net, teacher, classes, clips=clips)

        def complete(results: Results) -> Results:
            judged = {
                name: _judged_beside(
                    run,
                    recipe,
                    jobs[name],
                    model.alone(name),
                    name=name,
                    sees=net.sees,
                    clips=data[name].clips,
                )
                for name in others
            }
            baseline = compared(run, scratch) if scratch else None
            return replace(results, others=judged, scratch=baseline)

        taught = "" if teacher is None else " and a teacher"
        carry_out(
            run,
            recipe,
            job,
            step,
            model.alone(own),
            sees=net.sees,
            data=Data(data[own].parts, data[own].clips | {"train": clips}),
            title=f"{net.sees}, {' and '.join(names)}",
            what=f"{net.sees} from labels of {' and '.join(names)}{taught}",
            complete=complete,
            nets=(net, *(recipe.teachers if isinstance(recipe, DistillRecipe) else ())),
        )
    return run


def _step(
    recipe: Course,
    model: TwoHeads,
    net: BackboneConfig,
    teacher: Run | None,
    classes: Mapping[str, int],
    *,
    clips: JoinedClips,
) -> Step:
    if teacher is None or not isinstance(recipe, DistillRecipe):
        return JointSupervised(model, sees=net.sees)
    teachers, names = {}, list(classes)
    for name, count in classes.items():
        expert = build_backbone(recipe.teacher, count)
        path = teacher.weights(
            WEIGHTS if name == names[0] else OTHER_WEIGHTS.format(name=name)
        )
        state = read_weights(path)
        load_exactly(expert, state, what=str(path))
        teachers[name] = Teacher(
            {recipe.teacher.sees: expert}, {recipe.teacher.sees: recipe.teacher.sees}
        )
        if recipe.init == "teacher":
            load_exactly(model.alone(name), state, what=str(path))
    if not recipe.terms:
        return JointSupervised(model, sees=net.sees)
    example = None
    if any(term.adapter for term in recipe.terms.values()):
        first = [JoinedPlace(name, Place(0, 0, 0)) for name in names]
        example = grouped([clips[place] for place in first])
    return JointDistill(
        model,
        teachers,
        student_sees=net.sees,
        terms=recipe.terms,
        label_weight=recipe.label_weight,
        labels_reach=recipe.labels_reach,
        feature_only=recipe.feature_only,
        example=example,
    )


def _judged_beside(
    run: Run,
    recipe: Course,
    job: StoreJob,
    model: nn.Module,
    *,
    name: str,
    sees: str,
    clips: Mapping[str, Clips],
) -> OtherDataSet:
    """Judge the head of another data set, and keep its weights and scores.

    Args:
        job: on the videos of that data set.
        name: of it.
    """
    weights = {key: value.cpu() for key, value in model.state_dict().items()}
    checkpoint.save_weights(run.path(OTHER_WEIGHTS.format(name=name)), weights)
    told: dict[str, Accuracy] = {}
    for part in ("held_out", "test"):
        if not len(clips[part]):
            continue
        scorer = Scorer(
            clips[part],
            sees=sees,
            protocol=recipe.protocol,
            device=job.machine.device,
            precision=job.machine.precision,
            workers=job.machine.workers,
            split=job.split,
            part=part,
        )
        scores = scorer(model)
        scores.save(run.path(OTHER_SCORES.format(part=part, name=name)))
        told[part] = assessment(scores, job.store.classes)
    return OtherDataSet(held_out=told.get("held_out"), test=told.get("test"))
