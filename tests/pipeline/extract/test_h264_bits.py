"""Numbers of H.264 headers, read from bits written out by hand."""

import numpy as np
import pytest

from pipeline.extract.h264 import FEW_BYTES, Bits


def golomb(number: int) -> str:
    """ue(v): as many zeros as there are digits behind the first one (9.1)."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def as_bytes(bits: str) -> bytes:
    padded = bits + "0" * (-len(bits) % 8)
    return int("1" + padded, 2).to_bytes(len(padded) // 8 + 1)[1:]


def test_numbers_are_read_across_the_first_bytes() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        numbers = [int(n) for n in random.integers(0, 3000, 60)]
        bits = Bits(as_bytes("".join(golomb(n) + f"{n:012b}" for n in numbers)))
        for number in numbers:
            assert (bits.golomb(), bits.read(12)) == (number, number)


def test_a_long_run_of_zeros_goes_on_behind_the_first_bytes() -> None:
    zeros = 8 * FEW_BYTES - 3
    large = (1 << 40) + 5
    bits = Bits(as_bytes("0" * zeros + golomb(large)))
    assert bits.read(zeros) == 0
    assert bits.golomb() == large


@pytest.mark.parametrize("size", (1, FEW_BYTES, 2 * FEW_BYTES))
def test_past_the_end_is_an_error(size: int) -> None:
    bits = Bits(bytes(size))
    bits.read(8 * size - 1)
    with pytest.raises(ValueError, match="more bits"):
        bits.read(2)
    with pytest.raises(ValueError, match="more bits"):
        Bits(bytes(size)).golomb()
