"""TV-L1: known motion, exact properties, and the same answer as OpenCV."""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from motion_shards import hardware
from pipeline.flow import PROFILES, FlowError, flow_solver
from pipeline.flow.profiles import level_sizes
from pipeline.flow.solver import _say_once

NOT_AT_THE_BORDER = (slice(None), slice(12, -12), slice(12, -12))


@pytest.fixture(scope="module")
def default():
    return flow_solver("cpu")


def textured(seed: int, height: int, width: int, *, blur: float = 2) -> np.ndarray:
    """(H, W) float32, 0 to 255: smooth noise."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), blur)
    return cv2.normalize(smooth, np.empty_like(smooth), 0, 255, cv2.NORM_MINMAX)


def moved(image: np.ndarray, right: float, down: float) -> np.ndarray:
    """(2, H, W) uint8: the image and what it shows after everything moved."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    second = cv2.remap(
        image, x - right, y - down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.stack([image, second]).clip(0, 255).round().astype(np.uint8)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("backend", ["cpu", "opencv"])
@pytest.mark.parametrize("profile", PROFILES)
def test_texture_that_moves_2_right_and_1_down_has_flow_2_1(
    moving_frames, backend, profile
):
    grey = np.stack([cv2.cvtColor(it, cv2.COLOR_RGB2GRAY) for it in moving_frames[:3]])
    flow = flow_solver(backend, profile=profile).flow(grey)
    assert flow.shape == (2, 64, 64, 2)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(
        flow[NOT_AT_THE_BORDER].mean((0, 1, 2)), (2, 1), atol=0.05
    )


@pytest.mark.parametrize(
    "motion", [(0.5, 0), (0, -0.25), (-1.3, 0.7), (7.5, -4.25), (-9, 6)]
)
def test_motion_of_parts_of_a_pixel_and_of_many_is_found(default, motion):
    flow = default.flow(moved(textured(1, 160, 200, blur=6), *motion))
    inner = flow[:, 40:-40, 40:-40]
    assert np.abs(inner - np.float32(motion)).mean() < 0.03


def test_a_bright_square_that_goes_left_and_up_has_negative_flow(default):
    frames = np.full((2, 64, 64), 40, np.uint8)
    frames[0, 24:40, 24:40] = noise(2, 16, 16) // 4 + 150
    frames[1, 22:38, 21:37] = frames[0, 24:40, 24:40]
    u, v = default.flow(frames)[0, 28:36, 28:36].mean((0, 1))
    assert u == pytest.approx(-3, abs=0.3)
    assert v == pytest.approx(-2, abs=0.3)


@pytest.mark.parametrize("backend", ["cpu", "opencv"])
@pytest.mark.parametrize("profile", PROFILES)
def test_equal_frames_have_no_flow_at_all(backend, profile):
    still = np.repeat(noise(3, 1, 50, 70), 3, axis=0)
    flow = flow_solver(backend, profile=profile).flow(still)
    assert not flow.any()


def test_swapping_the_axes_swaps_the_components(default):
    frames = moved(textured(4, 90, 110), 2.5, -1.5)
    flow = default.flow(frames)
    turned = default.flow(np.ascontiguousarray(frames.transpose(0, 2, 1)))
    apart = np.abs(flow - turned.transpose(0, 2, 1, 3)[..., ::-1])
    # Processors round in another order, which grows where content leaves the frame.
    assert np.median(apart) < 1e-4
    assert np.percentile(apart, 95) < 0.02


def test_mirroring_the_frames_negates_u(default):
    frames = moved(textured(5, 64, 96), 2.5, -1.5)  # every level has an even side
    flow = default.flow(frames)
    mirrored = default.flow(np.ascontiguousarray(frames[..., ::-1]))[..., ::-1, :]
    assert np.abs(flow - mirrored * np.float32((-1, 1))).mean() < 0.01  # one-sided


@pytest.mark.parametrize(
    "size",
    [(2, 2), (2, 3), (3, 2), (5, 40), (40, 5), (15, 15), (16, 16), (17, 31)]
    + [(33, 512), (33, 513), (20, 1100), (97, 61), (2, 1025)],
)
@pytest.mark.parametrize(
    ("profile", "most_px"),
    [("default", 0.005), ("opencv", 0.03)],  # the latter may stop an iteration apart
)
def test_any_size_gives_the_same_as_opencv(size, profile, most_px):
    height, width = size
    frames = moved(textured(6, height, width, blur=1.5), 0.6, -0.4)
    flow = flow_solver("cpu", profile=profile).flow(frames)
    reference = flow_solver("opencv", profile=profile).flow(frames)
    assert flow.shape == reference.shape == (1, height, width, 2)
    assert np.abs(flow - reference).mean() < most_px


def test_levels_end_before_a_side_falls_below_16_px():
    profile = PROFILES["default"]
    assert level_sizes(256, 340, profile) == [
        (256, 340),
        (128, 170),
        (64, 85),
        (32, 42),
        (16, 21),
    ]
    assert level_sizes(31, 300, profile) == [(31, 300), (16, 150)]
    assert level_sizes(30, 300, profile) == [(30, 300)]
    assert level_sizes(2, 2, profile) == [(2, 2)]


def test_one_frame_has_no_interval(default):
    assert default.flow(noise(0, 1, 20, 30)).shape == (0, 20, 30, 2)


def test_flow_does_not_depend_on_the_block_it_is_asked_in(default):
    frames = noise(7, 6, 40, 60)
    whole = default.flow(frames)
    parts = [
        default.flow(frames[:3]),
        default.flow(frames[2:5]),
        default.flow(frames[4:]),
    ]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("backend", ["cpu", "opencv"])
def test_a_solver_used_on_other_sizes_before_gives_the_same_bytes(backend):
    frames = [noise(8, 2, 80, 90), noise(9, 2, 10, 12), noise(10, 2, 33, 600)]
    used = flow_solver(backend, profile="fast")
    for _ in range(2):
        for pair in frames:
            fresh = flow_solver(backend, profile="fast")
            assert used.flow(pair).tobytes() == fresh.flow(pair).tobytes()


def test_frames_need_not_be_contiguous(default):
    frames = noise(11, 2, 50, 60, 3)
    flow = default.flow(frames[..., 1])
    assert flow.tobytes() == default.flow(frames[..., 1].copy()).tobytes()


def test_memory_for_sizes_seen_before_is_bounded(monkeypatch):
    monkeypatch.setattr("pipeline.flow.cpu.solver.KEPT_BYTES", 8_000_000)
    solver = flow_solver("cpu", profile="fast")
    for width in range(20, 220, 4):
        solver.flow(np.zeros((2, 48, width), np.uint8))
        assert solver.kept_bytes < 8_000_000


TWICE = """
import hashlib, numpy as np
from pipeline.flow import flow_solver
frames = np.random.default_rng(0).integers(0, 256, (3, 70, 90), dtype=np.uint8)
for profile in ("default", "opencv"):
    print(hashlib.sha256(flow_solver("cpu", profile=profile).flow(frames)).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_give_the_same_bytes():
    first, second = (
        subprocess.check_output([sys.executable, "-c", TWICE]) for _ in "ab"
    )
    assert first == second


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 8, 8), np.float32), r"got \(2, 8, 8\) float32"),
        (np.zeros((8, 8), np.uint8), r"got \(8, 8\) uint8"),
        (np.zeros((2, 1, 8), np.uint8), r"2x2 px, got \(2, 1, 8\)"),
        (np.zeros((0, 8, 8), np.uint8), r"at least one frame"),
    ],
)
@pytest.mark.parametrize("backend", ["cpu", "opencv"])
def test_other_frames_are_refused(backend, frames, message):
    with pytest.raises(FlowError, match=message):
        flow_solver(backend).flow(frames)


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(FlowError, match="'cpu', 'opencv', 'cuda'.*got 'gpu'"):
        flow_solver("gpu")
    with pytest.raises(FlowError, match="'default', 'fast', 'opencv'.*got 'best'"):
        flow_solver(profile="best")


def without_a_gpu(number: int) -> None:
    raise FlowError("flow back end cuda: no GPU here")


@pytest.mark.parametrize("in_sight", [True, False])
def test_auto_says_once_why_a_gpu_is_not_used_where_there_is_one(
    monkeypatch, capsys, in_sight
):
    monkeypatch.setattr("pipeline.flow.solver.gpu_in_sight", lambda: in_sight)
    monkeypatch.setattr("pipeline.flow.cuda.driver.Gpu", without_a_gpu)
    _say_once.cache_clear()
    for _ in range(2):
        solver = flow_solver("auto", profile="fast")
        assert (solver.backend, solver.profile) == ("cpu", "fast")
        assert solver.device.startswith("cpu ")
    said = capsys.readouterr().err
    why = "flow is computed on the CPU (flow back end cuda: no GPU here)\n"
    assert said == (why if in_sight else "")


def test_a_gpu_is_seen_by_its_driver_or_its_folder(monkeypatch, tmp_path):
    folder = tmp_path / "gpus"
    monkeypatch.setattr(hardware, "DRIVER_FOLDER", folder)
    monkeypatch.setattr(hardware, "DRIVER", "libnothing-of-this-name.so.1")
    assert not hardware.gpu_in_sight()
    folder.mkdir()
    assert not hardware.gpu_in_sight()
    (folder / "0000:01:00.0").mkdir()
    assert hardware.gpu_in_sight()
    (folder / "0000:01:00.0").rmdir()
    monkeypatch.setattr(hardware, "DRIVER", "libc.so.6")
    assert hardware.gpu_in_sight()


def test_cuda_without_a_gpu_says_why(monkeypatch, capsys):
    monkeypatch.setattr("pipeline.flow.cuda.driver.Gpu", without_a_gpu)
    with pytest.raises(FlowError, match="no GPU here"):
        flow_solver("cuda")
    assert not capsys.readouterr().err


ASK = """
import sys
from pipeline.flow import FlowError, flow_solver
try:
    flow_solver("cuda")
except FlowError as error:
    print(error)
print("numba" in sys.modules)
"""


def test_no_visible_gpu_is_found_out_before_anything_heavy_is_loaded():
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    said = subprocess.check_output(
        [sys.executable, "-c", ASK], env=environment, text=True
    )
    reason, loaded = said.splitlines()
    assert re.match("flow back end cuda: no (NVIDIA driver|GPU)", reason)
    assert loaded == "False"
