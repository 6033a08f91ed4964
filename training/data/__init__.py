"""A store -> clips as tensors.

`StoreClips` is for loops of your own; the rest of the folder is what it is made of.
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
