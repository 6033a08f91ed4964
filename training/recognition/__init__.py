"""A trained network -> the actions in a video file or a stream.

>>> from training.recognition import Recognizer
>>> recognize = Recognizer("runs/ucf101-grid_small-split1-seed0")
>>> recognize("juggling.mp4").top(3)
"""

from .answers import (
    LiveSummary,
    Prediction,
    Ranked,
    Segment,
    VideoSummary,
    Window,
    ranked,
)
from .live.video import Patience
from .recognizer import Recognizer

__all__ = [
    "LiveSummary",
    "Patience",
    "Prediction",
    "Ranked",
    "Recognizer",
    "Segment",
    "VideoSummary",
    "Window",
    "ranked",
]
