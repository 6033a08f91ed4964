"""The numbers of TV-L1: every back end computes these, and only these.

The method, per level of the pyramid from coarse to fine, and per warp:

    warp     the second image and its gradient, at the flow so far
    repeat up to `outer` times:
        median   of each flow component
        repeat up to `inner` times:
            pull each pixel's flow to where the images agree  (at most lam * theta)
            smooth it by one step of the dual variables       (step length tau / theta)
            stop when the squared updates sum to less than epsilon**2 per pixel

Source:
    Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow",
    DAGM 2007. Sánchez, Meinhardt-Llopis, Facciolo, "TV-L1 Optical Flow Estimation",
    IPOL 2013. The median, the rounds and the defaults are those of OpenCV's
    DualTVL1OpticalFlow.
"""

from dataclasses import dataclass

from .errors import FlowError


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One setting of TV-L1. The defaults are OpenCV's."""

    tau: float = 0.25
    """Step of the dual ascent."""
    lam: float = 0.15
    """Weight of the data term, in 1 / grey levels of 0 to 255: lower is smoother."""
    theta: float = 0.3
    """Coupling of the flow to its smooth version: larger values let the data term pull more."""
    scales: int = 5
    """Levels of the pyramid at most; it ends before a side falls below 16 px."""
    step: float = 0.8
    """Side of a level over the side of the next finer one."""
    warps: int = 5
    outer: int = 10
    """Rounds per warp, each begun with a median filter."""
    inner: int = 30
    """Iterations per round."""
    epsilon: float = 0.01
    """Root mean squared update, in px, below which a warp is done; 0: never."""
    median: int = 5
    """Side of the median filter in px: 5, 3, or 1 for none."""


PROFILES = {
    "opencv": Profile(),
    "default": Profile(step=0.5, outer=1, inner=30, epsilon=0.0),
    "fast": Profile(step=0.5, outer=1, inner=15, epsilon=0.0, warps=3),
}
"""`opencv` reproduces OpenCV's defaults; the others do a fixed amount of work.

Mean end-point error on the eight Middlebury pairs with public ground truth: opencv
0.92 px, default 0.39 px, fast 0.45 px. OpenCV's step of 0.8 shrinks the image only 2.4
times over its five levels and loses motions above some 10 px; a step of 0.5 follows them.
"""

MIN_SIDE_PX = 16
"""No level but the first has a smaller side."""


def profile_named(name: str) -> Profile:
    """The profile of this name.

    Raises:
        FlowError: there is none.
    """
    if name not in PROFILES:
        raise FlowError(
            f"flow profile: expected one of {sorted(PROFILES)}, got {name!r}"
        )
    return PROFILES[name]


def level_sizes(height: int, width: int, profile: Profile) -> list[tuple[int, int]]:
    """(height, width) of the levels of the pyramid, the frame itself first.

    Each is the one before times `step`, rounded half to even as OpenCV does.
    """
    sizes = [(height, width)]
    while len(sizes) < profile.scales:
        height, width = round(height * profile.step), round(width * profile.step)
        if min(height, width) < MIN_SIDE_PX:
            break
        sizes.append((height, width))
    return sizes
