"""`--init`: first weights from elsewhere, and the input scaling that they were trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision.models import get_model_weights

from motion_shards.choices import MOTION

from ..data.clip_config import ClipConfig
from ..data.normal import MARS
from ..errors import CheckpointError, RecipeError
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.teach import TeachRecipe
from ..models.backbones import BackboneConfig, net_named
from ..models.named_weights import is_named, lacking, named_file
from ..models.pretrained import read_state
from ..models.timm2d import scaling_of_timm
from ..run_files.fields import recorded
from ..run_files.names import RECIPE, WEIGHTS
from ..run_files.run_config import read_recipe
from .change import Change
from .changes import with_changes
from .systems import Recipe
from .values import text_of

OF_RGB = ("rgb_mean", "rgb_std", "rgb_order")
"""Settings of clips that scale frames; motion has `motion_gain`."""

Scaling = tuple[str, dict[str, Any]]
"""A network and its weights in words, and settings of a `ClipConfig`."""


def init_changes(
    recipe: Recipe,
    weights: str,
    changes: Sequence[Change],
    *,
    of_teacher: bool = False,
    teachers: Mapping[str, Recipe] | None = None,
) -> tuple[list[Change], str]:
    """The changes that start a network from other weights.

    The clips are scaled as for those weights, as far as `changes` do not say otherwise.

    Args:
        weights: torchvision:NAME, timm:NAME, named:NAME, a file, or the folder of a run.
        changes: the user's own, which count more.
        of_teacher: start the first teacher of a distillation instead of its student.
        teachers: role -> recipe, as `with_changes` takes them.

    Returns:
        All changes, the user's last, and a line about the scaling.

    Raises:
        RecipeError: the recipe trains no such network.
        CheckpointError: there is no such file, or it holds something else.
    """
    made = with_changes(recipe, changes, teachers=teachers)
    settings = made.settings
    if of_teacher and not isinstance(settings, DistillRecipe):
        raise RecipeError(
            f"expected --teacher-init with a teacher, {recipe.name} has none"
        )
    if not isinstance(settings, (TeachRecipe, DistillRecipe)):
        raise RecipeError(f"expected --init with one network, {recipe.name} has others")
    if of_teacher and isinstance(settings, DistillRecipe):
        needed = made.needs["teacher"].settings
        net, of, path = settings.teacher, "teacher", "model.weights"
        if not isinstance(needed, TeachRecipe):
            raise RecipeError(
                f"expected --teacher-init with a teacher that is one network, that of"
                f" {recipe.name} is not"
            )
    else:
        net, of = settings.network, ""
        taught = isinstance(settings, DistillRecipe)
        path = "student.weights" if taught else "model.weights"
    found = str(_resolved(weights))
    own = [Change(of, path, found)]
    if not of_teacher and getattr(settings, "init", "none") == "teacher":
        own.append(Change("", "init", "none"))
    name, scaling = scaling_of(net, found)
    own += [Change("", f"clip.{key}", text_of(v)) for key, v in scaling.items()]
    given = {one[:2] for one in changes}
    own = [one for one in own if one[:2] not in given]
    kept = [one.path for one in changes if one.path.removeprefix("clip.") in scaling]
    whose = "the teacher's first weights" if of_teacher else "first weights"
    how = "as for them" if scaling else "as in the recipe"
    line = f"{whose} {name}, clips scaled {how}"
    if kept:
        line += f", but {', '.join(kept)} as given"
    return [*own, *changes], line


def scaling_of(net: BackboneConfig, weights: str) -> Scaling:
    """The input scaling of weights: of frames for one that sees rgb, and of motion only
    where the weights saw motion, too.

    Raises:
        CheckpointError: the file is missing or holds something else.
    """
    source, _, name = weights.rpartition(":")
    if source == "timm":
        found = scaling_of_timm(name) if net.sees == "rgb" else {}
        return weights, found
    if source == "torchvision":
        return weights, _of_torchvision(net, name)
    named = replace(net, weights=weights)
    path = named_file(named) if is_named(named) else Path(weights)
    if reason := lacking(named):
        raise CheckpointError(reason)
    if (path.parent / RECIPE).is_file() and path.name == WEIGHTS:
        return f"of the run {path.parent.name}", _of_run(net, path.parent)
    return f"of {path.name}", _of_file(net, read_state(path))


def _of_torchvision(net: BackboneConfig, name: str) -> dict[str, Any]:
    if net.sees != "rgb" or name not in net_named(net.net).torchvision:
        return {}
    preset = get_model_weights(net.net)[name].transforms()
    return {
        "rgb_mean": tuple(map(float, preset.mean)),
        "rgb_std": tuple(map(float, preset.std)),
        "rgb_order": "rgb",
    }


def _of_run(net: BackboneConfig, folder: Path) -> dict[str, Any]:
    run = read_recipe(folder).run
    where = f"{folder / RECIPE}: clip"
    clip = recorded(ClipConfig, run.recipe.settings.get("clip"), where=where)
    if net.sees == "rgb":
        names: tuple[str, ...] = OF_RGB if run.sees == "rgb" else ()
    else:
        names = ("motion_gain",) if run.sees in MOTION else ()
    return {name: getattr(clip, name) for name in names}


def _of_file(net: BackboneConfig, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The scaling of a file that does not record it, by the names of its tensors. Files of
    3D-ResNets-PyTorch and MARS have other names of the first layers than ours; files of
    torchvision have the names of torchvision's network.
    """
    kind = net_named(net.net)
    aliased = any(name.partition(".")[0] in kind.aliases for name in state)
    if aliased:
        first = next((w for w in state.values() if w.dim() == 5), None)
        of_motion = first is not None and first.shape[1] == 2
        if net.sees == "rgb":
            return {name: MARS[name] for name in OF_RGB}  # type: ignore[literal-required]
        return {"motion_gain": MARS["motion_gain"]} if of_motion else {}
    if kind.torchvision:
        return _of_torchvision(net, kind.torchvision[0])
    return {}


def _resolved(weights: str) -> str | Path:
    """Weights as a recipe has them: a file by its whole path, a run by its weights."""
    source = weights.partition(":")[0]
    path = Path(weights)
    if source in ("torchvision", "timm", "named") and not path.exists():
        return weights
    return (path / WEIGHTS if path.is_dir() else path).resolve()
