"""A recipe as a page: its parts, what it costs, what it reached, what papers print for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from motion_shards.plain_text import counted

from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.teach import TeachRecipe
from ..losses.terms import Term
from ..models.backbones import BackboneConfig
from ..models.named_weights import described, is_named, named_file
from ..models.sizes import cost
from ..papers.facts import DATASET_TITLES, facts_about
from ..papers.measured import measured_about
from ..recipes import KINDS, Recipe
from ..recipes.change import parse_changes
from ..recipes.changes import with_changes
from ..recipes.files import recipe_named
from ..recipes.teachers import is_role
from ..recipes.values import entries
from ..run_files.fields import is_left_out
from ..runs.config import TrainConfig
from .recipe_facts import epochs_elsewhere, inputs_at_test, lines_of


def recipe_text(name: str, classes: int = 101, changes: Sequence[str] = ()) -> str:
    """The page of a recipe, as text for a terminal.

    Args:
        classes: for the counts of parameters.
        changes: [ROLE:]PATH=VALUE of settings.

    Raises:
        RecipeError: no recipe of this name, or changes that it refuses.
    """
    recipe = with_changes(recipe_named(name), parse_changes(changes))
    system = recipe.system
    lines = [
        f"{recipe.name}: {recipe.line}",
        f"  kind      {system.kind}: {KINDS[system.kind].line}",
    ]
    if system.any_modality:
        lines.append("  for any pair of modalities; here flow to mv")
    lines += [f"  changed   {one}" for one in recipe.changes]
    like = system.like.get(recipe.size.name)
    if like and not recipe.changes:
        lines.append(f"  at this size the same as {like}{recipe.size.suffix}")
    for role, needed in recipe.needs.items():
        lines.append(f"  {role:<9} {needed.name}: {needed.system.line}")
    lines += _settings(recipe, classes)
    lines += _inputs(recipe)
    lines += _measured(recipe)
    lines += _printed(recipe)
    lines += _statements(recipe)
    lines += _paths(recipe)
    return "\n".join(lines)


def _settings(recipe: Recipe, classes: int) -> Iterator[str]:
    settings = recipe.settings
    if isinstance(settings, TeachRecipe):
        yield from _net("net", settings.model, settings, classes)
    if isinstance(settings, DistillRecipe):
        yield from _net("student", settings.student, settings, classes)
        for role, teacher in zip(settings.roles, settings.teachers, strict=True):
            yield from _net(role, teacher, settings, classes)
        yield from _mean(settings)
        start = "the teacher's" if settings.init == "teacher" else "drawn"
        start = "as said there" if settings.student.weights else start
        yield f"  first     weights {start}"
        reach = ", to the last layer only" if settings.labels_reach == "head" else ""
        yield f"  loss      {settings.label_weight:g} x cross-entropy of the labels{reach}"
        for name, term in settings.terms.items():
            yield f"          + {_term(name, term)}"
        for name, share in settings.balance.items():
            yield (
                f"            {name} weighted so that its gradient at "
                f"{settings.gradients_at} begins with {share:g} of the labels'"
            )
    if isinstance(settings, FuseRecipe):
        weights = settings.weights
        given = f", {':'.join(f'{w:g}' for w in weights)}" if weights else ""
        yield f"  fusion    {settings.how} of {settings.on}{given}"
    own = [f for f in fields(settings) if f.name not in _shown(settings)]
    for field in own:
        yield f"  {field.name:<9} {getattr(settings, field.name)}"
    if isinstance(settings, TrainConfig):
        yield from _config(settings, epochs_elsewhere(recipe))


def _mean(settings: DistillRecipe) -> Iterator[str]:
    """The mean of several teachers."""
    if not settings.other_teachers:
        return
    weights = [settings.teacher_weights.get(n, 1.0) for n in settings.teacher_names]
    shares = (
        f"{weight / sum(weights):.3g} {name}"
        for name, weight in zip(settings.teacher_names, weights, strict=True)
    )
    yield f"  teachers  mean of their softmax scores: {' + '.join(shares)}"


def _shown(settings: Any) -> set[str]:
    """Fields that have a line of their own kind."""
    known = {f.name for f in fields(TrainConfig)}
    if isinstance(settings, TeachRecipe):
        return known | {"model"}
    if isinstance(settings, DistillRecipe):
        return {f.name for f in fields(DistillRecipe)}
    if isinstance(settings, FuseRecipe):
        return {"how", "on", "weights"}
    return known


def _net(
    role: str, net: BackboneConfig, settings: TrainConfig, classes: int
) -> Iterator[str]:
    height, width = settings.clip.size_of(net.sees)
    entries, windows = settings.length_of(net), settings.windows_of(net)
    told = cost(net, classes, frames=entries, height=height, width=width)
    yield f"  {role:<9} {net.net} sees {net.sees}: {told.text()} ({classes} classes)"
    if windows > 1:
        yield f"            {windows} windows of {entries} entries of a clip"
    if net.over_time != "stack":
        yield f"            {net.frames} entries of a clip: {net.over_time}"
    if net.stochastic_depth is not None:
        yield f"            stochastic depth {net.stochastic_depth:g}"
    if net.weights:
        yield f"            first weights {net.weights}"
    if is_named(net):
        yield f"            which is {named_file(net)}: {described(net)}"


def _term(name: str, term: Term) -> str:
    rest = {
        f.name: getattr(term, f.name)
        for f in fields(term)  # type: ignore[arg-type]
        if f.name not in ("weight", "taps", "teacher")
    }
    told = ", ".join(
        f"{key} {value}" for key, value in rest.items() if value is not None
    )
    taps = f" at {', '.join(term.taps)}" if term.taps else ""
    taps += f" of {term.teacher} alone" if term.teacher else ""
    more = f" ({told})" if told else ""
    return f"{term.weight:g} x {type(term).__name__}{taps}{more}, called {name}"


def _config(config: TrainConfig, elsewhere: Mapping[str, int]) -> Iterator[str]:
    clip, optim, protocol = config.clip, config.optim, config.protocol
    grid = (
        f" of a grid with short side {clip.grid_short_px}" if clip.grid_short_px else ""
    )
    every = f", every {clip.stride}" if clip.stride > 1 else ""
    rows, columns = clip.cells or (0, 0)
    cells = f", vectors as {rows}x{columns} cells" if clip.cells else ""
    cells += f" ({clip.cell_values})" if clip.cell_values != "linear" else ""
    yield (
        f"  clip      {clip.length} entries{every}, {clip.crop_px[0]}x{clip.crop_px[1]}"
        f"{grid}{cells}, scales {', '.join(f'{s:.3g}' for s in clip.crop_scales) or 'none'},"
        f" flip {'where the data set allows it' if clip.flip else 'never'},"
        f" motion gain {clip.motion_gain:g}"
    )
    rates = (
        f" at {', '.join(f'{m:.3g}' for m in optim.milestones)}"
        if optim.milestones
        else ""
    )
    decay = f", decay {optim.weight_decay:g}"
    damped = f", dampening {optim.dampening:g}" if optim.dampening else ""
    others = ", ".join(
        f"{DATASET_TITLES[name]} {epochs}" for name, epochs in elsewhere.items()
    )
    others = f" ({others})" if others else ""
    clipped = f", gradient clip {optim.gradient_clip:g}" if optim.gradient_clip else ""
    still = [name.removesuffix(".") for name, rate in optim.rates.items() if not rate]
    frozen = f", frozen {', '.join(still)}" if still else ""
    yield (
        f"  schedule  {counted(config.epochs, 'epoch')}{others}, batches of {config.batch_size}, {optim.name}"
        f" {optim.learning_rate:g}{decay}{damped}, {optim.schedule}{rates}{clipped}{frozen},"
        f" weights: the {config.select}"
    )
    more = [
        f"{f.name} {getattr(where, f.name)}"
        for where in (optim, config)
        for f in fields(where)
        if f.metadata.get("added")
        and f.name != "teacher_weights"  # said with the teachers
        and not is_left_out(f, getattr(where, f.name))
    ]
    if more:
        yield f"  also      {', '.join(more)}"
    clips = (
        "clips without overlap" if protocol.clips is None else f"{protocol.clips} clips"
    )
    yield (
        f"  evaluated {clips} of a video, {counted(protocol.crops, 'crop')}, mean "
        f"{protocol.aggregate}"
    )


def _inputs(recipe: Recipe) -> Iterator[str]:
    settings = recipe.settings
    if isinstance(settings, TrainConfig) and settings.network is None:
        return  # it recognises nothing
    inputs = inputs_at_test(recipe)
    told = "; ".join(f"{modality} ({what})" for modality, what in inputs.items())
    yield f"  at test   {told}"


def _measured(recipe: Recipe) -> Iterator[str]:
    for one in measured_about(recipe.name):
        yield (
            f"  measured  {one.mean:.1f} [{one.low:.1f}, {one.high:.1f}] top-1,"
            f" {DATASET_TITLES.get(one.dataset, one.dataset)} split {one.split},"
            f" {one.seeds} seed{'s' * (one.seeds > 1)} ({one.about}):"
            " docs/reproduction.md"
        )


def _paths(recipe: Recipe) -> Iterator[str]:
    """Every setting in the form that --set takes."""
    yield "  settings  to change with --set PATH=VALUE:"
    for path, text in entries(recipe.settings):
        yield f"            {path}={text}"
    for role, needed in recipe.needs.items():
        yield f"            {role}:PATH=VALUE, with the settings of {needed.name}"
    if is_role(recipe, "teacher"):
        yield "            teacher=RECIPE, teacher_rgb=RECIPE: another teacher, a further one"


def _printed(recipe: Recipe) -> Iterator[str]:
    facts = [fact for fact in facts_about(recipe.system.name) if fact.metric != "fps"]
    if not facts:
        yield "  papers    print no number for it"
        return
    yield "  papers    as printed there, with other machines and pretraining (not measured here):"
    for fact in facts:
        metric = "mAP" if fact.metric == "map" else "top-1"
        crops = f", {fact.crops} crops" if fact.crops else ""
        pretrain = f", {fact.pretrain}" if fact.pretrain else ""
        note = f" ({fact.note})" if fact.note else ""
        yield (
            f"            {fact.value:g} {metric}, {DATASET_TITLES[fact.dataset]} split"
            f" {fact.split}{crops}{pretrain}: {fact.citation}, {fact.row}{note}"
        )
    if recipe.size.name != "paper":
        yield "            for the published size; expect the same order of methods, not these values"


def _statements(recipe: Recipe) -> Iterator[str]:
    """The block "paper says / here / why", and the settings about which all is said."""
    lines = lines_of(recipe)
    if not lines:
        return
    yield f"  paper says / here / why ({recipe.system.paper}), where they differ or it is silent:"
    for line in lines:
        if line.differs:
            yield f"            {line.setting}: {line.paper} / {line.here}"
            yield f"              {line.why}"
    yield "  as the paper states:"
    for line in lines:
        if line.verdict == "as stated":
            yield f"            {line.setting}: {line.paper} / {line.here}"
    apart = [line.setting for line in lines if line.verdict == "free"]
    yield f"  no matter of the paper: {', '.join(apart)}"
