"""Motion of training clips that is faster or slower than it was."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_clips import CONFIG, clips_of

from training.data.order import ClipPosition
from training.errors import RecipeError
from training.run_files.settings_json import as_json

MOTION = ["flow", "mv"]
PLAIN = replace(CONFIG, cells=(2, 3))
JITTERED = replace(PLAIN, speed_jitter=0.5)


def test_flow_and_vectors_of_a_clip_have_one_factor(store):
    """Everything else is as without it: the part, the flip, the flag of known ones."""
    plain, other = clips_of(store, MOTION, PLAIN), clips_of(store, MOTION, JITTERED)
    factors = []
    for position in range(40):
        at = ClipPosition(0, position, position % len(plain))
        first, second = plain[at], other[at]
        moved = first["mv"][:2].abs() > 0
        factor = (second["mv"][:2][moved] / first["mv"][:2][moved]).mean().item()
        torch.testing.assert_close(second["mv"][:2], factor * first["mv"][:2])
        torch.testing.assert_close(second["flow"], factor * first["flow"])
        assert torch.equal(first["mv"][2], second["mv"][2])
        factors.append(math.log(factor) / math.log(1.5))
    assert -1 <= min(factors) < -0.6 and 0.6 < max(factors) <= 1
    assert abs(np.mean(factors)) < 0.3


def test_evaluation_has_the_speed_that_was(store):
    plain, other = clips_of(store, MOTION, PLAIN), clips_of(store, MOTION, JITTERED)
    video = plain.videos[0]
    first, second = (
        clips.stated(video, 0, clips.views(video, 1)) for clips in (plain, other)
    )
    assert all(torch.equal(first[name], second[name]) for name in MOTION)


def test_it_is_recorded_where_it_is_on():
    assert "speed_jitter" not in as_json(PLAIN)
    assert as_json(JITTERED)["speed_jitter"] == 0.5
    with pytest.raises(RecipeError, match="speed_jitter of 0 or more, got -0.1"):
        replace(CONFIG, speed_jitter=-0.1)
