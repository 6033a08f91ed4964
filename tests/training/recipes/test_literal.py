"""Recipes that take a formula as a paper prints it, against that formula by hand."""

import numpy as np
import pytest
import torch
from stream_scores import stream

from training.losses.gram import GramMatching
from training.losses.terms import STAGES, Outputs
from training.recipes import SIZES, SYSTEMS, get_recipe

LITERAL = {"ds_literal": "ds", "htsc_literal": "htsc", "dtmv_literal": "dtmv"}


def sized(name: str) -> list:
    return [get_recipe(name + size.suffix).settings for size in SIZES.values()]


def printed_gram_loss(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Equation 3 of the Dual-action Stream, entry by entry, for one clip.

    sum over i of |G(f_DS) - G(f_FLOW)|_1 / ((n - 1) C T H W), with inner products of
    flattened channels.
    """
    total = 0.0
    for first, second in zip(ours, theirs, strict=True):
        channels, *positions = first.shape
        for j in range(channels):
            for k in range(channels):
                one = sum(
                    a * b for a, b in zip(first[j].flat, first[k].flat, strict=True)
                )
                two = sum(
                    a * b for a, b in zip(second[j].flat, second[k].flat, strict=True)
                )
                total += abs(one - two) / (
                    len(ours) * channels * np.prod(positions, dtype=float)
                )
    return total


def test_the_gram_term_is_the_printed_equation_at_every_size():
    rng = np.random.default_rng(0)
    shapes = [(2, 2, 3, 3), (3, 2, 2, 2), (4, 1, 2, 2), (5, 1, 1, 2), (6, 1, 1, 1)]
    ours, theirs = ([rng.normal(size=s) for s in shapes] for _ in range(2))
    expected = printed_gram_loss(ours, theirs)
    seen = [
        Outputs(
            torch.zeros(1, 2),
            {tap: torch.tensor(f)[None] for tap, f in zip(STAGES, each, strict=True)},
        )
        for each in (ours, theirs)
    ]
    for settings, usual in zip(sized("ds_literal"), sized("ds"), strict=True):
        term = settings.terms["gram"]
        assert isinstance(term, GramMatching) and term.weight == 50
        assert term(*seen).item() == pytest.approx(expected)
        other = usual.terms["gram"](*seen).item()
        assert abs(other - expected) > 0.1 * expected
        assert settings.terms["levels"] == usual.terms["levels"]


def test_the_weights_are_a_solution_of_the_printed_programme():
    """Two classes, three videos: g = (0.9 + 0.7 - .005 x 0.4, 0.5 + 0.5 - .005 x 0.0) =
    (1.598, 1.0) and (0.6 - .005 x (0.1 + 0.3), 1.0 - .005 x (0.5 + 0.5)) = (0.598, 0.995):
    all weight on the first stream for class 0, and on the second for class 1."""
    labels = np.array([0, 0, 1])
    probabilities = np.array(
        [[[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]], [[0.5, 0.5], [0.5, 0.5], [1e-9, 1.0]]]
    )
    streams = [stream(np.log(one), labels) for one in probabilities]
    gain = np.array([[1.598, 1.0], [0.598, 0.995]])
    for settings in sized("htsc_literal"):
        weights = settings.adaptive.fit(streams, training=()).weights
        np.testing.assert_allclose(weights, [[1, 0], [0, 1]])
        assert (weights >= 0).all() and (weights.sum(axis=1) == 1).all()
        reached = (weights * gain).sum(axis=1)
        for share in np.linspace(0, 1, 21):  # every other point of the segment
            assert (gain @ [share, 1 - share] <= reached + 1e-12).all()
    for settings in sized("htsc"):
        bounded = settings.adaptive.fit(streams, training=()).weights
        assert bounded.min() == pytest.approx(0.1)


@pytest.mark.parametrize("name", LITERAL)
def test_a_literal_recipe_is_a_control_beside_the_one_in_use(name):
    literal, usual = SYSTEMS[name], SYSTEMS[LITERAL[name]]
    assert literal.control and not usual.control
    assert literal.needs == usual.needs and literal.paper == usual.paper
