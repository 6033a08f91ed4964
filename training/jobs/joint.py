"""One network learns several data sets together: one trunk, and a head for each.

Source:
    Simonyan and Zisserman, "Two-Stream Convolutional Networks", NIPS 2014, section 6; so
    HMDB51 is trained beside UCF101 by Zhang et al., "Real-Time Action Recognition With
    Deeply Transferred Motion Vector CNNs", IEEE TIP 2018. There and here a batch has clips
    of both, the loss is the sum, and each head sees its own clips only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from pipeline.store import Store

from ..data.joined import JoinedClips
from ..engine import checkpoint, processes
from ..engine.record import LEARNED_FROM, WEIGHTS, Run, write_json
from ..errors import RecipeError, RunError
from ..models.backbones import BackboneConfig, build_backbone
from ..models.heads import TwoHeads
from ..models.weights import load_exactly, read_weights
from ..progress import Watch
from ..protocols import Scorer
from ..steps.distill import JointDistill
from ..steps.labels import JointSupervised
from ..steps.teachers import Teacher
from .course import Course, Data, open_data
from .description import decided, fingerprint_of, split_facts, store_facts
from .distill import DistillRecipe
from .evaluate import assessment, judged
from .follow import follow
from .looking import held_out_look
from .machine import Machine
from .needed import check_teacher
from .teach import TeachRecipe
from .whole import begun, fresh_network, told_of_split

OTHER_WEIGHTS = "model_{name}.pt"
"""The same trunk with the head of another data set than the first."""
OTHER_SCORES = "scores_{part}.{name}.npz"


def teach_jointly(
    recipe: TeachRecipe, *, stores: Sequence[Store], **options: Any
) -> Run:
    """Train on the labels of several stores, judge each head, leave a complete run.

    The run is one of the first store, whose head counts; the others' results stand
    beside, and their heads in files of their own.

    Args:
        options: as `teach` takes, but for the store.

    Raises:
        TrainingError: see `follow` and `open_data`.
    """
    return _carried_out(recipe, recipe.model, stores, teacher=None, **options)


def distill_jointly(
    recipe: DistillRecipe, *, teacher: Run, stores: Sequence[Store], **options: Any
) -> Run:
    """The same with a teacher that was trained on the same stores jointly.

    Raises:
        RunError: the teacher was not, or does not fit the recipe.
    """
    if recipe.beside:
        raise RecipeError("expected one teacher for several stores, got several")
    return _carried_out(recipe, recipe.student, stores, teacher=teacher, **options)


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
    stores: Sequence[Store],
    *,
    teacher: Run | None,
    recipe_name: str,
    split: str,
    seed: int,
    runs: Path,
    out: Path | None = None,
    base: str,
    machine: Machine,
    watch: Watch,
    if_none: str = "",
) -> Run:
    names = names_of(stores)
    if recipe.select == "best":
        raise RecipeError(
            "expected the last weights to be selected in joint training, got the best of"
            " one data set"
        )
    sees = [net.sees]
    if isinstance(recipe, DistillRecipe):
        sees = list(dict.fromkeys((net.sees, recipe.teacher.sees)))
    data = {
        name: open_data(
            store, recipe, split=split, modalities=sees, seed=seed, machine=machine
        )
        for name, store in zip(names, stores, strict=True)
    }
    what = decided(
        "teach" if teacher is None else "distill",
        recipe=recipe,
        recipe_name=recipe_name,
        model=net,
        modalities=sees,
        store=stores[0],
        split=split,
        seed=seed,
        precision=machine.precision,
    )
    what["joint"] = {
        name: {"store": store_facts(store, sees), "split": split_facts(store, split)}
        for name, store in zip(names[1:], stores[1:], strict=True)
    }
    if teacher is not None and isinstance(recipe, DistillRecipe):
        check_teacher(teacher, recipe, recipe.teacher, store=stores[0], split=split)
        what["teacher"] = [
            teacher.decided()["model"] | {"weights": fingerprint_of(teacher)}
        ]
    with begun(
        what,
        about={"store": stores},
        runs=runs,
        out=out,
        base=base,
        machine=machine,
        watch=watch,
    ) as run:
        if run.results() is not None:
            return run
        if if_none:
            watch.say(if_none)
        many = " and ".join(
            f"{len(one.parts.train)} videos of {name}" for name, one in data.items()
        )
        watch.say(f"{run.folder}: {net.sees} {net.net} learns from {many}")
        trunk = fresh_network(net, len(stores[0].classes), seed=seed, watch=watch)
        classes = {n: len(s.classes) for n, s in zip(names, stores, strict=True)}
        model = TwoHeads(trunk, classes)
        step = _step(recipe, model, net, teacher, classes)
        own = model.alone(names[0])
        first = machine.processes.first
        if first:
            ids = [v.id for v in data[names[0]].parts.train]
            write_json(run.path(LEARNED_FROM), ids)
        training = follow(
            recipe,
            step,
            own,
            clips=JoinedClips({n: one.clips["train"] for n, one in data.items()}),
            look=held_out_look(recipe, data[names[0]], sees=net.sees, machine=machine),
            run=run,
            seed=seed,
            machine=machine,
            watch=watch,
            title=f"{net.sees}, {' and '.join(names)}",
        )
        if first:
            scores = judged(
                own,
                data[names[0]].clips,
                sees=net.sees,
                protocol=recipe.protocol,
                run=run,
                classes=stores[0].classes,
                machine=machine,
                watch=watch,
            )
            others = {
                name: _judged_beside(
                    run,
                    model.alone(name),
                    name,
                    data[name],
                    store,
                    recipe,
                    net,
                    machine,
                )
                for name, store in zip(names[1:], stores[1:], strict=True)
            }
            told = told_of_split(run, data[names[0]].parts, training)
            taught = "" if teacher is None else " and a teacher"
            about_it = {
                "what": f"{net.sees} from labels of {' and '.join(names)}{taught}"
            }
            run.finish(told | scores | about_it | {"others": others})
        processes.wait(machine.processes)
    return run


def _step(
    recipe: Course,
    model: TwoHeads,
    net: BackboneConfig,
    teacher: Run | None,
    classes: Mapping[str, int],
) -> nn.Module:
    if teacher is None or not isinstance(recipe, DistillRecipe):
        return JointSupervised(model, sees=net.sees)
    teachers, names = {}, list(classes)
    for name, count in classes.items():
        expert = build_backbone(recipe.teacher, count)
        path = teacher.path(
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
    return JointDistill(
        model,
        teachers,
        student_sees=net.sees,
        terms=recipe.terms,
        label_weight=recipe.label_weight,
        labels_reach=recipe.labels_reach,
        feature_only=recipe.feature_only,
    )


def _judged_beside(
    run: Run,
    model: nn.Module,
    name: str,
    data: Data,
    store: Store,
    recipe: Course,
    net: BackboneConfig,
    machine: Machine,
) -> dict[str, Any]:
    """Judge the head of another data set, and keep its weights and scores."""
    weights = {key: value.cpu() for key, value in model.state_dict().items()}
    checkpoint.save(run.path(OTHER_WEIGHTS.format(name=name)), weights)
    told: dict[str, Any] = {}
    for part in ("held_out", "test"):
        if not len(data.clips[part]):
            continue
        scorer = Scorer(
            data.clips[part],
            sees=net.sees,
            protocol=recipe.protocol,
            device=machine.device,
            precision=machine.precision,
            workers=machine.workers,
            split=run.decided()["split"]["name"],
            part=part,
        )
        scores = scorer(model)
        scores.save(run.path(OTHER_SCORES.format(part=part, name=name)))
        told[part] = assessment(scores, store.classes)
    return told
