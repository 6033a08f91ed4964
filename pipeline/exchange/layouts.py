"""Trees of frames as other programs have them: names of the files, numbers, curve."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLayout:
    """Names of the files in the folder of a video. They count from 1 (denseflow may from 0)."""

    image: str
    """Name of a frame without its number: `img_` of img_00001.jpg."""
    flow_x: str
    """The same of the component to the right."""
    flow_y: str
    """The same of the component down."""
    from_image: bool = True
    """Whether flow k leads from image k to k + 1; else from image k - 1 to k."""
    floor: bool = False
    """Whether levels of flow are truncated, not rounded; see `Levels`."""
    done: str = ""
    """Empty file that marks a finished folder; none if empty."""


FIRST = 1
"""Number of the first frame in the trees that an export writes."""

LAYOUTS: Mapping[str, FrameLayout] = {
    "denseflow": FrameLayout(image="img_", flow_x="flow_x_", flow_y="flow_y_"),
    "tsn": FrameLayout(
        image="img_", flow_x="flow_x_", flow_y="flow_y_", from_image=False
    ),
    "mars": FrameLayout(
        image="",
        flow_x="TVL1jpg_x_",
        flow_y="TVL1jpg_y_",
        floor=True,
        done="done",
    ),
}
"""denseflow of OpenMMLab, also of mmaction2 and TSN's readers: N images and N - 1 fields.
tsn: the older dense_flow, which drops the first frame: as many images as fields.
mars: `00001.jpg`, `TVL1jpg_x_00001.jpg`, and a file `done` that its data sets ask for."""
WRITTEN = ("denseflow", "mars")
"""Layouts of an export: `tsn` would lose a frame, and its readers take the first one."""


def file_of(prefix: str, number: int) -> str:
    """`img_00001.jpg`."""
    return f"{prefix}{number:05d}.jpg"
