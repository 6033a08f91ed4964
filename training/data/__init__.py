"""A store -> clips as tensors.

`StoreClips` is for training loops of your own; the other modules are its parts.
"""

from typing import TYPE_CHECKING, Any

from .clip_config import ClipConfig

if TYPE_CHECKING:
    from .store_clips import StoreClips

__all__ = ["ClipConfig", "StoreClips"]


def __getattr__(name: str) -> Any:
    if name == "StoreClips":  # here, because prediction without torch imports this
        from .store_clips import StoreClips

        return StoreClips
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
