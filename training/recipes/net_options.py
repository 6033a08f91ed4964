"""Options that must change with the net and its clips, such as the number of entries."""

from collections.abc import Mapping
from typing import Any

from ..errors import RecipeError
from ..models.backbones import USUAL, BackboneConfig, net_named
from .values import text_of


def options_of_nets(settings: Any, texts: Mapping[str, str]) -> dict[str, str]:
    """Paths and texts of the options that changes of nets make necessary.

    An option that the new net does not have gets its usual value, and a 2D net instead of
    a 3D one takes all entries of a clip.

    >>> options_of_nets(get_recipe("mv_small").settings, {"model.net": "r3d_18"})
    {'model.frames': '1'}

    Args:
        settings: of a recipe, before the changes.
        texts: path -> text of the changes; options among them stay.
    """
    found: dict[str, str] = {}
    for path, name in texts.items():
        here, _, last = path.rpartition(".")
        config = _at(settings, here) if last == "net" else None
        if not isinstance(config, BackboneConfig):
            continue
        try:
            net = net_named(name)
        except RecipeError:
            continue  # said where the net is changed
        for option, usual in USUAL.items():
            if option not in net.options and getattr(config, option) != usual:
                found[f"{here}.{option}"] = text_of(usual)
        if net.dim == 2 and net_named(config.net).dim == 3:
            length = str(settings.clip.length)
            found[f"{here}.frames"] = texts.get("clip.length", length)
    return {path: text for path, text in found.items() if path not in texts}


def frames_of_clips(settings: Any, texts: Mapping[str, str]) -> dict[str, str]:
    """Path and text of the entries of a 2D net that learns from clips of another length.

    It takes all of them, if it did before.

    >>> frames_of_clips(get_recipe("mv_small").settings, {"clip.length": "6"})
    {'model.frames': '6'}

    Args:
        settings, texts: see `options_of_nets`.
    """
    for here in ("model", "student"):
        config = getattr(settings, here, None)
        if "clip.length" in texts and isinstance(config, BackboneConfig):
            try:
                net = net_named(texts.get(f"{here}.net", config.net))
            except RecipeError:
                continue  # said where the net is changed
            path = f"{here}.frames"
            takes_all = net.dim == 2 and config.frames == settings.clip.length
            if takes_all and path not in texts:
                return {path: texts["clip.length"]}
    return {}


def _at(settings: Any, path: str) -> Any:
    """The part of settings at a path; None without one."""
    for name in path.split("."):
        if name.isdecimal() and isinstance(settings, tuple):
            settings = dict(enumerate(settings)).get(int(name))
        else:
            settings = getattr(settings, name, None)
    return settings
