import cv2
import numpy as np
import pytest
import torch

from training.models.warp import warp


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize("cubic", [False, True])
def test_no_motion_gives_the_image_bit_by_bit(cubic):
    image = drawn(2, 3, 9, 13)
    assert torch.equal(warp(image, torch.zeros(2, 2, 9, 13), cubic=cubic), image)


def test_what_lies_2_right_and_1_down_is_fetched():
    image = drawn(1, 1, 6, 8)
    flow = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    warped = warp(image, flow)
    assert torch.equal(warped[..., :-1, :-2], image[..., 1:, 2:])
    assert not warped[..., -1, :].any() and not warped[..., -2:].any()


def test_half_a_pixel_is_the_mean_of_two():
    image = torch.tensor([[[[1.0, 3.0, 7.0]]]])
    flow = torch.zeros(1, 2, 1, 3)
    flow[:, 0] = 0.5
    assert warp(image, flow).flatten().tolist() == [2.0, 5.0, 3.5]  # zero outside


def test_cubic_agrees_with_cv2():
    image = drawn(1, 1, 20, 24)
    flow = 12 * drawn(1, 2, 20, 24, seed=1) - 6
    flow = (flow * 32).round() / 32  # cv2 knows 1/32 px
    y, x = np.mgrid[:20, :24].astype(np.float32)
    u, v = flow[0].numpy()
    expected = cv2.remap(image[0, 0].numpy(), x + u, y + v, cv2.INTER_CUBIC)
    ours = warp(image, flow, cubic=True)[0, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_far_outside_is_zero():
    flow = torch.full((1, 2, 4, 4), 1e9)
    assert not warp(drawn(1, 1, 4, 4), flow).any()
    assert not warp(drawn(1, 1, 4, 4), -flow, cubic=True).any()


@pytest.mark.parametrize("cubic", [False, True])
def test_gradients_are_those_of_differences(cubic):
    image = drawn(1, 2, 4, 5, dtype=torch.float64).requires_grad_()
    flow = (3 * drawn(1, 2, 4, 5, seed=1, dtype=torch.float64) - 1.5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda image, flow: warp(image, flow, cubic=cubic), (image, flow)
    )
