import numpy as np

from training.data.motion_input import compressed_input, filled_from, motion_input

VALID = np.array([False, True, True, False, False, True])


def test_invalid_intervals_have_the_previous_field():
    assert filled_from(VALID, "previous").tolist() == [-1, 1, 2, 2, 2, 5]


def test_or_none():
    assert filled_from(VALID, "zero").tolist() == [-1, 1, 2, -1, -1, 5]


def test_twenty_pixels_are_the_gain_and_more_is_cut():
    fields = np.array([0, 2, -20, 35], np.float32)
    np.testing.assert_allclose(motion_input(fields, gain=10), [0, 1, -10, 10])
    assert motion_input(fields, gain=1).dtype == np.float32


def test_the_logarithm_keeps_signs_and_20_px_and_raises_what_is_small():
    """log(1 + 3.582...) is half of log(1 + 20)."""
    half = 21**0.5 - 1
    fields = np.array([0, half, -half, -20, 35, 1], np.float32)
    found = compressed_input(fields, gain=10)
    wanted = [0, 5, -5, -10, 10, 2.2767]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert found.dtype == np.float32
