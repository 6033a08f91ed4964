"""Settings that turn a video into a network's input."""

from dataclasses import dataclass, field
from typing import Literal

from ..errors import RecipeError
from ..run_files.fields import ADDED
from . import sampling
from .motion_input import Fill, Scale
from .normal import KINETICS, Colours
from .sampling import Short

CHOICES = {
    "short": ("loop", "hold"),
    "test_crop": ("largest", "input"),
    "rgb_order": ("rgb", "bgr"),
    "fill": ("previous", "zero"),
    "cell_values": ("linear", "log"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipConfig:
    """Settings that turn a video into a network's input."""

    length: int = 16
    """Entries of a clip."""
    stride: int = 1
    short: Short = "loop"
    """Padding of a video that is shorter than a clip."""
    grid_short_px: int | None = None
    """Whole frames are reduced to this short side first; None leaves them as stored."""
    crop_px: tuple[int, int] = (112, 112)
    """Height and width of the input."""
    crop_scales: tuple[float, ...] = ()
    """Short side of a training crop as shares of the grid's; empty: `crop_px` unscaled."""
    uneven_crops: bool = False
    """Choose the shares of height and width apart: equal, or neighbours in the list."""
    corners: bool = False
    """Cut training crops at the centre or in a corner only."""
    test_crop: Literal["largest", "input"] = "largest"
    """Crop of evaluation: the size of the largest training crop, or `crop_px` unscaled.
    Both are the same where training crops are unscaled."""
    jitter_rescale: bool = False
    """Motion grows with its training crop: u and v are multiplied by how much more a
    crop is enlarged than those of evaluation are. Off: values stay, as in the papers."""
    flip: bool = True
    """Mirror half of the training clips, where the data set says a mirrored video
    keeps its class."""
    jitter: float = 0.0
    """Contrast and brightness of rgb change by up to this share."""
    rgb_mean: Colours = KINETICS["rgb_mean"]
    rgb_std: Colours = KINETICS["rgb_std"]
    rgb_order: Literal["rgb", "bgr"] = "rgb"
    motion_gain: float = 1.0
    """Input value of a motion of 20 px. Use a gain only where the first layer needs it."""
    fill: Fill = "previous"
    """Replacement of intervals without known vectors."""
    cells: tuple[int, int] | None = field(default=None, metadata=ADDED)
    """Rows and columns of motion vectors on their own grid, with a third channel that says
    whether they are known; None paints them to the pixels of the crop."""
    cell_values: Scale = field(default="linear", metadata=ADDED)
    """Values of u and v on their own grid; log: small motion counts more, see
    `compressed_input`."""
    speed_jitter: float = field(default=0.0, metadata=ADDED)
    """Motion of a training clip is multiplied or divided by up to 1 + this share, flow and
    vectors alike."""

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise RecipeError(
                    f"expected {name} {' or '.join(known)}, got {getattr(self, name)}"
                )
        sizes = (self.length, self.stride, *self.crop_px, self.grid_short_px or 1)
        if min(sizes) < 1:
            raise RecipeError(
                "expected length, stride, grid_short_px and crop_px of 1 or more, got"
                f" {self.length}, {self.stride}, {self.grid_short_px} and"
                f" {self.crop_px[0]}x{self.crop_px[1]}"
            )
        if not all(0 < scale <= 1 for scale in self.crop_scales):
            raise RecipeError(
                f"expected crop_scales above 0 and up to 1, got {self.crop_scales}"
            )
        if min(*self.rgb_std, self.motion_gain) <= 0 or not 0 <= self.jitter < 1:
            raise RecipeError(
                "expected rgb_std and motion_gain above 0, and jitter from 0 to below 1,"
                f" got {self.rgb_std}, {self.motion_gain} and {self.jitter}"
            )
        if self.cells is not None and min(self.cells) < 1:
            raise RecipeError(
                f"expected at least one row and column of cells, got {self.cells}"
            )
        if self.cell_values != "linear" and self.cells is None:
            raise RecipeError(
                f"expected cells with cell_values {self.cell_values}, got none"
            )
        if self.speed_jitter < 0:
            raise RecipeError(
                f"expected speed_jitter of 0 or more, got {self.speed_jitter}"
            )
        if self.uneven_crops and not self.crop_scales:
            raise RecipeError("expected crop_scales with uneven_crops, got none")

    @property
    def span(self) -> int:
        return sampling.span(self.length, self.stride)

    def size_of(self, modality: str) -> tuple[int, int]:
        """Height and width of a modality as the network takes it: px, or cells of mv."""
        if modality == "mv" and self.cells is not None:
            return self.cells
        return self.crop_px

    @property
    def test_scaled(self) -> bool:
        """Whether evaluation's crops are scaled to the size of the input."""
        return bool(self.crop_scales) and self.test_crop == "largest"
