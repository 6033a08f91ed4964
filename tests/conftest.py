"""Data whose answer we know, and the folder of real clips."""

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving import MOVES, write_video


@pytest.fixture(scope="session")
def moving_frames() -> np.ndarray:
    """(12, 64, 64, 3) uint8: a texture that moves by `MOVES`. We know its flow exactly."""
    noise = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    texture = cv2.normalize(
        smooth, np.empty_like(smooth), 0, 255, cv2.NORM_MINMAX
    ).astype(np.uint8)
    dx, dy = MOVES
    return np.stack(
        [np.roll(texture, (t * dy, t * dx), axis=(0, 1)) for t in range(12)]
    )


@pytest.fixture(scope="session")
def moving_video(
    moving_frames: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same as an H.264 file. Every frame but the first refers to the one before it."""
    return write_video(tmp_path_factory.mktemp("videos") / "moving.mp4", moving_frames)


@pytest.fixture(scope="session")
def clips_folder() -> Path:
    """The folder of real clips: skipped where unset, an error where it is not there."""
    name = os.environ.get("VIDEO_TEST_DATA")
    if not name:
        pytest.skip("VIDEO_TEST_DATA is not set: no real clips")
    folder = Path(name)
    if not (folder / "ucf101").is_dir():
        pytest.fail(f"VIDEO_TEST_DATA: expected a folder with ucf101/, got {folder}")
    return folder


def pytest_configure() -> None:
    # A shell ignores it for what it runs in the background, and so would all children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup does so, too


def pytest_runtest_setup() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Ray, once used, leaves its own


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not os.environ.get("VIDEO_TEST_DATA"):
        terminalreporter.write_line(
            "VIDEO_TEST_DATA is not set: the tests on real clips were skipped"
        )
