"""One video file -> RGB, flow and motion vectors, frame for frame.

from pipeline.extract import read_flow, read_vectors
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .one_file import Flow, Vectors, read_flow, read_vectors

__all__ = ["Flow", "Vectors", "read_flow", "read_vectors"]


def __getattr__(name: str) -> Any:
    """Load FFmpeg only for those who read a file."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import one_file

    return getattr(one_file, name)
