"""Values by hand, and that a flow is learned from frames alone."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training.errors import RecipeError
from training.losses.photometric import (
    BALANCED,
    REFERENCE,
    charbonnier,
    flow_loss,
    level_terms,
    similarity,
)
from training.models.motionnet import motionnet_tiny

NOTHING = 1e-6  # the penalty's epsilon squared


def still(frames: Tensor, *, size: tuple[int, int] | None = None) -> Tensor:
    """No flow, for frames (B, 3, F, H, W)."""
    batch, _, count, *own = frames.shape
    return torch.zeros(batch, 2, count - 1, *(size or own))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def terms(frames: Tensor, flow: Tensor, valid: Tensor | None = None, **options):
    values = level_terms(frames, flow, replace(BALANCED, **options), valid)
    return [value.item() for value in values]


def test_penalty_by_hand():
    assert charbonnier(torch.tensor(0.3), 0.4).item() == pytest.approx(0.090001**0.4)


def test_frames_that_stand_still_cost_what_epsilon_costs():
    frame = drawn(2, 3, 1, 16, 24).expand(-1, -1, 3, -1, -1)
    photometric, smoothness, structure = terms(frame, still(frame))
    assert photometric == pytest.approx(NOTHING**0.4, rel=1e-4)
    assert smoothness == pytest.approx(4 * NOTHING**0.3, rel=1e-4)
    assert structure == pytest.approx(0, abs=1e-6)


def test_a_change_of_brightness_by_hand():
    frames = torch.full((1, 3, 2, 16, 16), 0.25)
    frames[:, :, 1] = 0.75
    photometric, _, structure = terms(frames, still(frames))
    assert photometric == pytest.approx((0.5**2 + NOTHING) ** 0.4)
    light = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert structure == pytest.approx(1 - light)


def test_a_shift_is_explained_by_its_flow_and_not_by_the_opposite_one():
    large = drawn(1, 3, 20, 40)
    frames = torch.stack((large[..., 4:36], large[..., 2:34]), dim=2)  # 2 to the right
    right, left = still(frames), still(frames)
    right[:, 0], left[:, 0] = 2.0, -2.0
    photometric, _, structure = terms(frames, right)
    assert photometric == pytest.approx(NOTHING**0.4, rel=1e-3)
    assert photometric < 0.1 * terms(frames, left)[0]
    assert structure < 0.5 * terms(frames, left)[2]


def test_what_lies_in_the_border_does_not_count():
    """A tenth of 30 rows and 20 columns: 3 above and below, 2 left and right."""
    frames = torch.full((1, 3, 2, 30, 20), 0.5)
    frames[:, :, 1, :3] = frames[:, :, 1, -3:] = 1.0
    frames[:, :, 1, :, :2] = frames[:, :, 1, :, -2:] = 1.0
    assert terms(frames, still(frames))[0] == pytest.approx(NOTHING**0.4, rel=1e-4)
    frames[:, :, 1, 3, 2] = 1.0
    off, counted = (0.25 + NOTHING) ** 0.4, 24 * 16
    assert terms(frames, still(frames))[0] == pytest.approx(
        (off + (counted - 1) * NOTHING**0.4) / counted, rel=1e-4
    )


def test_smoothness_by_hand():
    """u grows by 0.5 px a column, v by 0.25 px a row; the last of them have no next."""
    frames = drawn(1, 3, 2, 10, 10)
    flow = still(frames)
    flow[:, 0] = 0.5 * torch.arange(10.0)
    flow[:, 1] = 0.25 * torch.arange(10.0).view(10, 1)
    expected = (0.25 + NOTHING) ** 0.3 + (0.0625 + NOTHING) ** 0.3 + 2 * NOTHING**0.3
    assert terms(frames, flow)[1] == pytest.approx(expected, rel=1e-5)


def test_flow_is_measured_in_px_of_its_level():
    """Of the input, 4 px to the right and 8 down: at a quarter, 1 and 2."""
    frames = drawn(1, 3, 2, 32, 48)
    flow = still(frames, size=(8, 12))
    flow[:, 0] = 4.0 * torch.arange(12.0)
    flow[:, 1] = 8.0 * torch.arange(8.0).view(8, 1)
    expected = (1 + NOTHING) ** 0.3 + (4 + NOTHING) ** 0.3 + 2 * NOTHING**0.3
    assert terms(frames, flow)[1] == pytest.approx(expected, rel=1e-5)


def test_pairs_that_do_not_follow_each_other_are_left_out():
    frames = drawn(1, 3, 3, 16, 16)
    first = terms(frames[:, :, :2], still(frames)[:, :, :1])
    both = terms(frames, still(frames))
    valid = torch.tensor([[True, False]])
    assert terms(frames, still(frames), valid) == pytest.approx(first)
    assert both[0] != pytest.approx(first[0], rel=1e-4)
    assert terms(frames, still(frames), ~(valid | True)) == [0, 0, 0]


def test_structural_similarity_agrees_with_its_definition():
    x, y = drawn(1, 1, 8, 8), drawn(1, 1, 8, 8, seed=1)
    cov = ((x - x.mean()) * (y - y.mean())).mean()
    expected = (2 * x.mean() * y.mean() + 1e-4) * (2 * cov + 1e-3)
    expected /= x.mean() ** 2 + y.mean() ** 2 + 1e-4
    expected /= x.var(unbiased=False) + y.var(unbiased=False) + 1e-3
    assert similarity(x, y).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("gaussian", [False, True])
def test_blocks_at_the_edge_count_with_the_part_inside(gaussian):
    x, y = drawn(2, 3, 7, 20), drawn(2, 3, 7, 20, seed=1)
    blocks = similarity(x, y, gaussian=gaussian)
    assert blocks.shape == (2, 3, 1, 3)
    torch.testing.assert_close(
        blocks[..., 2:],
        similarity(x[..., 16:], y[..., 16:], gaussian=gaussian),
    )


def test_loss_is_the_weighted_sum_of_its_parts():
    frames = drawn(2, 3, 3, 32, 32)
    flows = [
        8 * drawn(2, 2, 2, 32 >> level, 32 >> level, seed=level) - 4
        for level in range(1, 6)
    ]
    config = replace(REFERENCE, scales=(1.0, 0.5, 0.25, 0.0, 2.0))
    loss, parts = flow_loss(frames, flows, config)
    expected = sum(
        scale * (p * parts.photometric[i] + s * parts.smoothness[i] + q * parts.ssim[i])
        for i, (scale, p, s, q) in enumerate(
            zip(
                config.scales,
                config.photometric,
                config.smoothness,
                config.ssim,
                strict=True,
            )
        )
    )
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(  # the middle level, alone
        torch.stack([part[2] for part in parts]),
        torch.stack(level_terms(frames, flows[2], config, None)),
    )


def test_contrast_normalisation_forgives_light():
    frames = torch.full((1, 3, 2, 16, 16), 0.5)
    frames[:, :, 1] = 1.0
    normalised = [x / (1 + 3 * x**2 / 9) ** 0.7 for x in (0.5, 1.0)]
    photometric = terms(frames, still(frames), normalise_contrast=True)[0]
    off = normalised[1] - normalised[0]
    assert photometric == pytest.approx((off**2 + NOTHING) ** 0.4, rel=1e-4)


def test_what_does_not_fit_is_refused():
    frames = drawn(1, 3, 3, 32, 32)
    with pytest.raises(RecipeError, match="expected flows of 5 levels, got 1"):
        flow_loss(frames, [still(frames)])
    with pytest.raises(RecipeError, match=r"flows \(1, 2, 2, h, w\), got \(1, 2, 1"):
        flow_loss(frames, [still(frames)[:, :, :1]] * 5)
    with pytest.raises(RecipeError, match="uniform or gaussian, got flat"):
        replace(BALANCED, window="flat")
    with pytest.raises(RecipeError, match="border"):
        replace(BALANCED, border=0.5)


def shifted_textures(seed: int, *, clips: int = 4) -> Tensor:
    """(B, 3, 2, 40, 56): textures that all go 2 to the right and 1 up."""
    noise = drawn(clips, 3, 14, 18, seed=seed)
    large = F.interpolate(noise, (52, 68), mode="bicubic").clamp(0, 1)
    return torch.stack((large[..., 6:46, 6:62], large[..., 7:47, 4:60]), dim=2)


@pytest.mark.parametrize("weights", [BALANCED, REFERENCE])
def test_a_narrow_net_learns_a_shift_from_frames_alone(weights):
    torch.manual_seed(0)
    net = motionnet_tiny(frames=2)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(25):
        frames = shifted_textures(step)
        loss, _ = flow_loss(frames, net.scales(frames), weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        flow = net(shifted_textures(1000))
    u, v = flow.mean((0, 2, 3, 4)).tolist()
    assert u == pytest.approx(2, abs=0.4)
    assert v == pytest.approx(-1, abs=0.3)
