"""Facts about a recipe that its page and its JSON share."""

from typing import Any

from ..models.backbones import BackboneConfig
from ..papers.differences import Line, paper_lines
from ..recipes import Recipe
from ..run_files.settings_json import as_json
from ..runs.config import TrainConfig


def lines_of(recipe: Recipe) -> tuple[Line, ...]:
    """Every setting of a recipe with what its paper says of it; none without a paper."""
    system = recipe.system
    return paper_lines(system.name, system.paper, as_json(recipe.settings))


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
    height, width = clip.size_of(sees)
    unit = " cells" if sees == "mv" and clip.cells else ""
    return {sees: f"{many} of {height}x{width}{unit}"}


def net_of(settings: Any) -> BackboneConfig | None:
    """The network that recognises classes once a recipe is trained; None without one."""
    return settings.network if isinstance(settings, TrainConfig) else None


def epochs_elsewhere(recipe: Recipe) -> dict[str, int]:
    """Data set -> epochs, where they are others than the recipe's own."""
    found = {name: recipe.on(name).settings.epochs for name in recipe.system.epochs_on}
    return {name: n for name, n in found.items() if n != recipe.settings.epochs}
