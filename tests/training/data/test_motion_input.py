import numpy as np

from training.data.motion_input import filled_from, motion_input

VALID = np.array([False, True, True, False, False, True])


def test_invalid_intervals_have_the_previous_field():
    assert filled_from(VALID, "previous").tolist() == [-1, 1, 2, 2, 2, 5]


def test_or_none():
    assert filled_from(VALID, "zero").tolist() == [-1, 1, 2, -1, -1, 5]


def test_twenty_pixels_are_the_gain_and_more_is_cut():
    fields = np.array([0, 2, -20, 35], np.float32)
    np.testing.assert_allclose(motion_input(fields, gain=10), [0, 1, -10, 10])
    assert motion_input(fields, gain=1).dtype == np.float32
