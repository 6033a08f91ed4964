"""Image networks of the library timm, by name: timm:resnet50.

timm is an extra: pip install 'motion-shards[timm]'.
"""

import re
from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

from motion_shards.extras import TIMM
from motion_shards.near import near

from ..errors import RecipeError
from .frames2d import OPTIONS, FrameNet, OverTime
from .net import Net
from .taps import channels_last, of_tokens

PREFIX = "timm:"
POOLS = ("global_pool", "head.global_pool")
"""Modules that give the mean over all positions, by the kind of network."""


@lru_cache(maxsize=64)
def timm_net(name: str) -> Net:
    """The properties of a network of timm.

    Args:
        name: as timm has it, without the prefix: resnet50, convnext_tiny.

    Raises:
        RecipeError: timm is not installed, or has no network of this name.
    """
    with torch.device("meta"):
        model = _created(name, num_classes=2)
    config = getattr(model, "pretrained_cfg", None) or {}
    head = config.get("classifier") or "fc"
    head = head if isinstance(head, str) else head[0]
    stages = [each["module"] for each in getattr(model, "feature_info", [])]
    known = dict(model.named_modules())
    taps = dict.fromkeys(f"net.{name}" for name in (*stages, *POOLS) if name in known)
    options = (*OPTIONS, "stochastic_depth")
    build = partial(build_timm, name)
    return Net(build, 2, tuple(taps), f"net.{head}", options, inside="net.")


def build_timm(
    name: str,
    channels: int,
    num_classes: int,
    *,
    frames: int,
    over_time: OverTime,
    stochastic_depth: float | None = None,
) -> nn.Module:
    """A network of timm on clips.

    Args:
        name: without the prefix.
        stochastic_depth: largest share of clips that skip a block (timm's drop path).

    Raises:
        RecipeError: timm is missing, or this network does not take the options.
    """
    options: dict[str, Any] = {"num_classes": num_classes, "in_chans": channels}
    if stochastic_depth is not None:
        options["drop_path_rate"] = stochastic_depth
    net = _created(name, **options)
    mark_layouts(net)
    return FrameNet(net, channels=channels, frames=frames, over_time=over_time)


@lru_cache(maxsize=64)
def check_size(name: str, height: int, width: int) -> None:
    """Check that a network takes images of a size.

    Raises:
        RecipeError: it does not, as transformers of one size; its reason is named.
    """
    with torch.device("meta"):
        model = _created(name, num_classes=2).eval()
    try:
        model(torch.zeros(1, 3, height, width, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise RecipeError(
            f"expected crops that {PREFIX}{name} takes, got {height}x{width}: {reason[0]}"
        ) from None


def pretrained_timm(name: str) -> dict[str, torch.Tensor]:
    """Weights that timm has trained, from its cache or the Hugging Face hub.

    Args:
        name: of the weights: resnet50.a1_in1k.

    Raises:
        RecipeError: timm is missing, or has no network of this name.
    """
    return dict(_created(name, pretrained=True).state_dict())


def scaling_of_timm(name: str) -> dict[str, Any]:
    """The input scaling of weights that timm has trained, as settings of clips.

    Raises:
        RecipeError: timm is missing, or has no network of this name.
    """
    with torch.device("meta"):
        config: Any = _created(name, num_classes=2).pretrained_cfg
    return {
        "rgb_mean": tuple(map(float, config["mean"])),
        "rgb_std": tuple(map(float, config["std"])),
        "rgb_order": "rgb",
    }


def mark_layouts(net: nn.Module) -> None:
    """Mark stages whose output is (B, H, W, C), or tokens (B, N, C)."""
    stages = [each["module"] for each in getattr(net, "feature_info", [])]
    known = dict(net.named_modules())
    for name in (*stages, "norm"):
        if name not in known:
            continue
        of_tokens(known[name], prefix=getattr(net, "num_prefix_tokens", 0))
        if getattr(net, "output_fmt", "NCHW") == "NHWC":
            channels_last(known[name])


def _created(name: str, **options: Any) -> nn.Module:
    try:
        import timm  # here, because it is an extra
    except ImportError:
        raise RecipeError(TIMM.needed_by(f"{PREFIX}{name}")) from None
    plain = re.fullmatch(r"[\w.]+", name)  # no hf-hub:, local-dir:: files of others
    weights = "." in name
    there = plain and timm.is_model(name)  # whatever stands behind the point
    if not there or (weights and name not in timm.list_models(pretrained=True)):
        raise RecipeError(
            f"expected timm:NAME with a network of timm {timm.__version__}"
            f" (timm.list_models({'pretrained=True' * weights})), got {PREFIX}{name}"
            f"{near(name, timm.list_models(pretrained=weights))}"
        )
    try:
        return timm.create_model(name, **options)  # type: ignore[no-any-return]
    except TypeError as error:  # an option that its constructor does not have
        raise RecipeError(f"{PREFIX}{name}: {error}") from None
