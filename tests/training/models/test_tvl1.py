"""The layer finds known motion, and the same as the solvers that stores are made with."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.flow import flow_solver
from training.errors import RecipeError
from training.models.tvl1 import (
    TVL1Config,
    TVL1Flow,
    level_sizes,
    numbers_of,
    tvl1,
)
from training.models.tvl1_operators import divergence, flow_gradient

LITERAL = TVL1Config(scales=1, warps=1)
"""As printed: one level, one warp, ten iterations; finds about one pixel of motion."""

SOLVER = TVL1Config(scales=5, warps=5, iterations=30, median=5, cubic=True)
"""What stores are extracted with by default."""


def texture(height: int, width: int, *, blur: float, seed: int = 0) -> np.ndarray:
    """(H, W) float32, 0 to 255: smooth noise."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), blur)
    return cv2.normalize(smooth, np.empty_like(smooth), 0, 255, cv2.NORM_MINMAX)


def pair(
    motion: tuple[float, float], *, size: tuple[int, int] = (64, 80), blur: float = 4
) -> np.ndarray:
    """(2, H, W) uint8: a texture, and what is seen after it moved. Cut from a larger one."""
    height, width = size
    large = texture(height + 32, width + 32, blur=blur)
    y, x = np.mgrid[: height + 32, : width + 32].astype(np.float32)
    second = cv2.remap(large, x - motion[0], y - motion[1], cv2.INTER_CUBIC)
    both = np.stack((large, second))[:, 16:-16, 16:-16]
    return both.clip(0, 255).round().astype(np.uint8)


def grey(frames: np.ndarray) -> tuple[Tensor, Tensor]:
    first, second = torch.from_numpy(frames.astype(np.float32))
    return first[None], second[None]


def rgb(frames: np.ndarray) -> Tensor:
    """(F, H, W) grey levels -> (1, 3, F, H, W) from 0 to 1."""
    values = torch.from_numpy(frames.astype(np.float32)) / 255
    return values[None, None].expand(1, 3, -1, -1, -1)


def error(flow: Tensor, motion: tuple[float, float]) -> float:
    """Mean end-point error in px, away from the border."""
    apart = flow[0] - torch.tensor(motion).view(2, 1, 1)
    return apart[:, 8:-8, 8:-8].norm(dim=0).mean().item()


@pytest.mark.parametrize("size", [(64, 80), (97, 121), (40, 56)])
def test_agrees_with_the_solvers_of_the_pipeline(size):
    frames = pair((2.5, -1.25), size=size, blur=3)
    ours = tvl1(*grey(frames), SOLVER)[0].permute(1, 2, 0).numpy()
    for backend in ("cpu", "opencv"):
        theirs = flow_solver(backend, profile="default").flow(frames)[0]
        assert np.abs(ours - theirs).mean() < 0.02


def test_agrees_with_opencv_at_its_own_default():
    """Another step of the pyramid, sizes that round; parameters it was not tuned to."""
    frames = pair((1.5, -0.75), size=(50, 71), blur=2)
    config = TVL1Config(
        scales=4, step=0.8, warps=3, iterations=20, median=3, cubic=True, lam=0.1
    )
    theirs = cv2.optflow.DualTVL1OpticalFlow.create(
        lambda_=0.1,
        nscales=4,
        scaleStep=0.8,
        warps=3,
        epsilon=0,
        innnerIterations=20,
        outerIterations=1,
        medianFiltering=3,
    ).calc(*frames, np.zeros(0, np.float32))
    ours = tvl1(*grey(frames), config)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).mean() < 0.02


def test_ten_iterations_of_one_warp_find_about_a_pixel_and_a_pyramid_finds_more():
    """As measured with another implementation on a texture of this kind."""
    motion = (1.5, -0.75)
    frames = grey(pair(motion, blur=2))
    literal = replace(LITERAL, cubic=True)
    deep = replace(literal, iterations=30)
    warped = replace(deep, warps=5)
    pyramid = replace(warped, scales=5)
    flow = tvl1(*frames, literal)
    assert flow[0, :, 8:-8, 8:-8].mean((1, 2)).tolist() == pytest.approx(
        (1.085, -0.549), abs=0.03
    )
    assert error(flow, motion) == pytest.approx(0.63, abs=0.03)
    assert error(tvl1(*frames, deep), motion) == pytest.approx(0.35, abs=0.05)
    assert error(tvl1(*frames, warped), motion) == pytest.approx(0.011, abs=0.005)
    assert error(tvl1(*frames, pyramid), motion) == pytest.approx(0.009, abs=0.005)
    assert error(tvl1(*frames, replace(pyramid, cubic=False)), motion) < 0.06

    motion = (4.0, 2.0)
    frames = grey(pair(motion, blur=2))
    assert error(tvl1(*frames, literal), motion) == pytest.approx(3.8, abs=0.3)
    assert error(tvl1(*frames, warped), motion) == pytest.approx(1.37, abs=0.4)
    assert error(tvl1(*frames, pyramid), motion) == pytest.approx(0.005, abs=0.003)
    assert error(tvl1(*frames, TVL1Config()), motion) < 0.2


@pytest.mark.parametrize(
    "config", [LITERAL, TVL1Config(), SOLVER, TVL1Config(learnable=True)]
)
def test_equal_frames_have_no_flow_at_all(config):
    """With equation 4 as printed they would seem to move."""
    generator = torch.Generator().manual_seed(0)
    frame = torch.rand(2, 3, 1, 24, 33, generator=generator)
    assert not TVL1Flow(config)(frame.expand(-1, -1, 3, -1, -1)).any()


def test_layer_gives_every_interval_in_order():
    first, second = pair((1.0, 0.0), size=(40, 48))
    frames = rgb(np.stack([first, second, first]))
    flow = TVL1Flow(TVL1Config(warps=5, iterations=30))(frames)
    assert flow.shape == (1, 2, 2, 40, 48)
    inner = flow[0, :, :, 8:-8, 8:-8].mean((2, 3))
    torch.testing.assert_close(
        inner, torch.tensor([[1.0, -1.0], [0.0, 0.0]]), atol=0.05, rtol=0
    )


def test_colours_count_as_grey_does_in_the_pipeline():
    frames = pair((1.0, 0.5), size=(32, 40))
    coloured = torch.zeros(1, 3, 2, 32, 40)
    coloured[:, 1] = torch.from_numpy(frames.astype(np.float32)) / 255
    first, second = (0.587 * it for it in grey(frames))
    torch.testing.assert_close(
        TVL1Flow(TVL1Config())(coloured)[:, :, 0],
        tvl1(first, second, TVL1Config()),
        atol=1e-3,
        rtol=0,
    )


def test_lambda_has_the_unit_of_one_over_intensity():
    first, second = (it.double() for it in grey(pair((1.5, -0.75))))
    config = TVL1Config()
    flow = tvl1(first, second, config)
    other = replace(config, lam=255 * config.lam)
    assert other.lam == pytest.approx(38.25)
    apart = tvl1(first / 255, second / 255, other) - flow
    assert apart.abs().mean() < 1e-3  # flat is flat at 1.2e-7 in both units


@pytest.mark.parametrize("taps", [None, [[-0.9, 1.2], [-1.1, 0.7]]])
def test_divergence_is_the_negative_adjoint_of_the_gradient(taps):
    generator = torch.Generator().manual_seed(0)
    u, right, down = torch.randn(
        3, 2, 5, 7, generator=generator, dtype=torch.float64
    ).unbind()
    taps = None if taps is None else torch.tensor(taps, dtype=torch.float64)
    along, across = flow_gradient(u, taps)
    left = (along * right + across * down).sum()
    assert left.item() == pytest.approx(
        -(u * divergence(right, down, taps)).sum().item()
    )
    assert not along[..., -1].any() and not across[..., -1, :].any()


def test_gradient_reaches_images_and_every_number():
    generator = torch.Generator().manual_seed(0)
    images = 40 * torch.rand(2, 1, 5, 6, generator=generator, dtype=torch.float64)
    config = TVL1Config(scales=1, warps=2, iterations=3)
    start = numbers_of(config)
    taps = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    given = [*images, start.tau, start.lam, start.theta, start.image_taps, taps]

    def flow(first, second, *numbers):
        return tvl1(first, second, config, type(start)(*numbers))

    assert torch.autograd.gradcheck(flow, [it.clone().requires_grad_() for it in given])


def test_learnable_numbers_start_as_the_fixed_ones_and_learn():
    frames = rgb(pair((2.0, 0.0), size=(32, 40)))
    layer = TVL1Flow(TVL1Config(learnable=True, iterations=5))
    assert sum(weight.numel() for weight in layer.parameters()) == 13
    assert not list(TVL1Flow().parameters())
    fixed = TVL1Flow(TVL1Config(iterations=5))(frames)
    torch.testing.assert_close(layer(frames), fixed, atol=1e-3, rtol=1e-3)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(8):
        flow = layer(frames)[0, :, 0, 8:-8, 8:-8]
        loss = (flow[0] - 2).abs().mean() + flow[1].abs().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(weight.grad.isfinite().all() for weight in layer.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(number > 0 for number in layer.numbers()[:3])


def test_no_gradient_is_lost_where_nothing_moves():
    frames = torch.full((1, 3, 2, 16, 16), 0.5, requires_grad=True)
    TVL1Flow()(frames).sum().backward()
    assert frames.grad is not None and frames.grad.isfinite().all()


def test_pyramid_ends_before_a_side_falls_below_16_px():
    assert level_sizes(112, 112, TVL1Config()) == [(112, 112), (56, 56), (28, 28)]
    assert level_sizes(40, 56, TVL1Config()) == [(40, 56), (20, 28)]


def test_settings_and_frames_that_make_no_sense_are_refused():
    for wrong in (
        {"tau": 0.3},
        {"lam": 0},
        {"theta": -1},
        {"scales": 0},
        {"step": 1.0},
        {"median": 4},
    ):
        with pytest.raises(RecipeError, match="TV-L1: expected"):
            TVL1Config(**wrong)
    with pytest.raises(
        RecipeError, match=r"at least 2 frames .* got \(1, 3, 1, 8, 8\)"
    ):
        TVL1Flow()(torch.zeros(1, 3, 1, 8, 8))
