"""The reference: OpenCV's own TV-L1, with the numbers of a profile."""

import cv2
import numpy as np

from .profiles import Profile
from .protocol import check_frames


class OpenCvSolver:
    """`FlowSolver` by cv2.optflow.DualTVL1OpticalFlow, about one pair a second.

    It does not know rounds without a stop test: an epsilon of 0 ends no sooner than
    `inner` times `outer` iterations, which is the same thing.

    Source: OpenCV contrib, module optflow, class DualTVL1OpticalFlow.
    """

    backend = "opencv"

    def __init__(self, name: str, profile: Profile) -> None:
        self.profile = name
        self.device = f"opencv {cv2.__version__}"
        self._scales = profile.scales
        self._tvl1 = cv2.optflow.DualTVL1OpticalFlow.create(
            tau=profile.tau,
            lambda_=profile.lam,
            theta=profile.theta,
            nscales=profile.scales,
            warps=profile.warps,
            epsilon=profile.epsilon,
            innnerIterations=profile.inner,
            outerIterations=profile.outer,
            scaleStep=profile.step,
            medianFiltering=profile.median,
        )

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """See `FlowSolver.flow`."""
        check_frames(frames)
        flow = np.empty((*frames.shape, 2), np.float32)[1:]
        no_guess = np.zeros(0, np.float32)
        for k in range(len(flow)):
            # it forgets the levels that the smallest frame so far had no room for
            self._tvl1.setScalesNumber(self._scales)
            flow[k] = self._tvl1.calc(frames[k], frames[k + 1], no_guess)
        return flow
