"""A recipe as a page: its parts, what it costs, what it reached, what papers print for it."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from motion_shards.plain_text import counted

from ..data.dataset import ClipConfig
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.teach import TeachRecipe
from ..losses.terms import Term
from ..models.backbones import BackboneConfig
from ..models.sizes import cost
from ..papers.facts import DATASET_TITLES, facts_about
from ..papers.measured import measured_about
from ..recipes import KINDS, Recipe, get_recipe
from ..runs.config import TrainConfig


def recipe_text(name: str, classes: int = 101) -> str:
    """The page of a recipe, as text for a terminal.

    Args:
        classes: for the counts of parameters.

    Raises:
        RecipeError: no recipe of this name.
    """
    recipe = get_recipe(name)
    system = recipe.system
    lines = [
        f"{name}: {recipe.line}",
        f"  kind      {system.kind}: {KINDS[system.kind].line}",
    ]
    if system.any_modality:
        lines.append("  for any pair of modalities; here flow to mv")
    like = system.like.get(recipe.size.name)
    if like:
        lines.append(f"  at this size the same as {like}{recipe.size.suffix}")
    for role, needed in recipe.needs.items():
        lines.append(f"  {role:<9} {needed.name}: {needed.system.line}")
    lines += _settings(recipe.settings, classes)
    lines += _inputs(recipe)
    lines += _measured(recipe)
    lines += _printed(recipe)
    return "\n".join(lines)


def inputs_at_test(recipe: Recipe) -> dict[str, str]:
    """Modality -> the input of its network at test time.

    A network that sees what another one computes (hidden two-stream) takes the stored
    modality that this is computed from.
    """
    settings = recipe.settings
    if not isinstance(settings, TrainConfig):  # it combines what it needs
        found: dict[str, str] = {}
        for needed in recipe.needs.values():
            for modality, what in inputs_at_test(needed).items():
                known = found.get(modality)
                found[modality] = what if known in (None, what) else f"{known} + {what}"
        return found
    net, stored = net_of(settings), settings.modalities
    sees = net.sees if net and net.sees in stored else stored[0]
    length, clip = settings.clip.length, settings.clip
    many = "one frame" if length == 1 else f"{length} entries"
    return {sees: f"{many} of {clip.crop_px[0]}x{clip.crop_px[1]}"}


def net_of(settings: Any) -> BackboneConfig | None:
    """The network that recognises classes once a recipe is trained; None without one."""
    return settings.network if isinstance(settings, TrainConfig) else None


def _settings(settings: Any, classes: int) -> Iterator[str]:
    if isinstance(settings, TeachRecipe):
        yield from _net("net", settings.model, settings.clip, classes)
    if isinstance(settings, DistillRecipe):
        yield from _net("student", settings.student, settings.clip, classes)
        for teacher in settings.teachers:
            yield from _net("teacher", teacher, settings.clip, classes)
        start = "the teacher's" if settings.init == "teacher" else "drawn"
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
        yield from _config(settings)


def _shown(settings: Any) -> set[str]:
    """Fields that have a line of their own kind."""
    known = {f.name for f in fields(TrainConfig)}
    if isinstance(settings, TeachRecipe):
        return known | {"model"}
    if isinstance(settings, DistillRecipe):
        return {f.name for f in fields(settings)}
    if isinstance(settings, FuseRecipe):
        return {"how", "on", "weights"}
    return known


def _net(
    role: str, net: BackboneConfig, clip: ClipConfig, classes: int
) -> Iterator[str]:
    height, width = clip.crop_px
    told = cost(net, classes, frames=clip.length, height=height, width=width)
    yield f"  {role:<9} {net.net} sees {net.sees}: {told.text()} ({classes} classes)"
    if net.weights:
        yield f"            first weights {net.weights}"


def _term(name: str, term: Term) -> str:
    rest = {
        f.name: getattr(term, f.name)
        for f in fields(term)  # type: ignore[arg-type]
        if f.name not in ("weight", "taps")
    }
    told = ", ".join(
        f"{key} {value}" for key, value in rest.items() if value is not None
    )
    taps = f" at {', '.join(term.taps)}" if term.taps else ""
    more = f" ({told})" if told else ""
    return f"{term.weight:g} x {type(term).__name__}{taps}{more}, called {name}"


def _config(config: TrainConfig) -> Iterator[str]:
    clip, optim, protocol = config.clip, config.optim, config.protocol
    grid = (
        f" of a grid with short side {clip.grid_short_px}" if clip.grid_short_px else ""
    )
    every = f", every {clip.stride}" if clip.stride > 1 else ""
    yield (
        f"  clip      {clip.length} entries{every}, {clip.crop_px[0]}x{clip.crop_px[1]}"
        f"{grid}, scales {', '.join(f'{s:.3g}' for s in clip.crop_scales) or 'none'},"
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
    clipped = f", gradient clip {optim.gradient_clip:g}" if optim.gradient_clip else ""
    yield (
        f"  schedule  {config.epochs} epochs, batches of {config.batch_size}, {optim.name}"
        f" {optim.learning_rate:g}{decay}{damped}, {optim.schedule}{rates}{clipped},"
        f" weights: the {config.select}"
    )
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
        yield (
            f"            {fact.value:g} {metric}, {DATASET_TITLES[fact.dataset]} split"
            f" {fact.split}{crops}{pretrain}: {fact.citation}, {fact.row}"
        )
    if recipe.size.name != "paper":
        yield "            for the published size; expect the same order of methods, not these values"
