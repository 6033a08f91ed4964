import math
from fractions import Fraction

import numpy as np
import pytest

from training.data import sampling


def test_clip_by_hand():
    entries = sampling.clip_entries(2, length=4, stride=3, available=20)
    assert entries.tolist() == [2, 5, 8, 11]
    assert sampling.span(4, 3) == 10


def test_short_video_is_looped():
    entries = sampling.clip_entries(3, length=6, stride=1, available=5)
    assert entries.tolist() == [3, 4, 0, 1, 2, 3]


@pytest.mark.parametrize("available", [1, 2, 7, 8, 9, 40])
def test_entries_never_leave_the_video(available):
    rng = np.random.default_rng(0)
    for stride in (1, 2):
        clip_span = sampling.span(4, stride)
        starts = [
            sampling.random_start(rng, available=available, clip_span=clip_span)
            for _ in range(100)
        ]
        starts += sampling.even_starts(
            3, available=available, clip_span=clip_span
        ).tolist()
        starts += sampling.consecutive_starts(
            available=available, clip_span=clip_span
        ).tolist()
        for start in starts:
            entries = sampling.clip_entries(
                start, length=4, stride=stride, available=available
            )
            assert 0 <= entries.min() and entries.max() < available
            if available >= clip_span:
                assert start + clip_span <= available


def test_every_start_comes_the_last_too():
    rng = np.random.default_rng(0)
    draws = [sampling.random_start(rng, available=10, clip_span=8) for _ in range(200)]
    assert set(draws) == {0, 1, 2}
    short = [sampling.random_start(rng, available=3, clip_span=8) for _ in range(200)]
    assert set(short) == {0, 1, 2}


def test_even_starts_reach_from_first_to_last():
    starts = sampling.even_starts(3, available=23, clip_span=16)
    assert starts.tolist() == [0, 4, 7]
    assert sampling.even_starts(2, available=5, clip_span=16).tolist() == [0, 0]
    assert sampling.even_starts(1, available=23, clip_span=16).tolist() == [0]


@pytest.mark.parametrize("available", [3, 10, 12, 34, 58, 101, 1000])
def test_25_snippets_by_the_papers_formula(available):
    last = max(available - 10, 0)
    expected = [math.floor(Fraction(i * last, 24) + Fraction(1, 2)) for i in range(25)]
    starts = sampling.even_starts(25, available=available, clip_span=10)
    assert starts.tolist() == expected
    assert starts[-1] == last


def test_short_stack_repeats_its_last_field():
    entries = sampling.clip_entries(0, length=6, stride=1, available=4, short="hold")
    assert entries.tolist() == [0, 1, 2, 3, 3, 3]
    rng = np.random.default_rng(0)
    starts = {
        sampling.random_start(rng, available=a, clip_span=6, short="hold")
        for a in (1, 4, 6)
        for _ in range(50)
    }
    assert starts == {0}


def test_consecutive_clips_do_not_overlap():
    assert sampling.consecutive_starts(available=35, clip_span=16).tolist() == [0, 16]
    assert sampling.consecutive_starts(available=5, clip_span=16).tolist() == [0]
