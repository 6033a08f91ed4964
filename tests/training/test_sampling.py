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
    assert sampling.even_starts(25, available=12, clip_span=10).tolist() == [0, 1, 2]
    assert sampling.even_starts(2, available=5, clip_span=16).tolist() == [0]


def test_consecutive_clips_do_not_overlap():
    assert sampling.consecutive_starts(available=35, clip_span=16).tolist() == [0, 16]
    assert sampling.consecutive_starts(available=5, clip_span=16).tolist() == [0]
