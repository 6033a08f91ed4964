"""Streams combined in numpy as the networks and functions of torch do it."""

import numpy as np
import pytest
import torch

from training.errors import RunError
from training.models.collaborative import Collaborative, predict
from training.recognition.combination import (
    check_layers,
    collaborative_logits,
    combined,
    combined_features,
)
from training.recognition.contract import Fusion
from training.scoring.fusion import AttentionFusion
from training.scoring.scores import softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (2, 5, 3))
PROBABILITIES = softmax(RNG.normal(0, 2, (10, 3))).reshape(2, 5, 3)


def layers(model) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def collaborative() -> Collaborative:
    torch.manual_seed(0)
    return Collaborative(3, spatial=6, motion=4, hidden=5, rounds=2).eval()


def test_only_the_ratio_of_weights_counts_and_each_stream_has_its_own():
    fusion = Fusion(on="softmax", weights=(1.0, 3.0))
    found = combined(LOGITS, PROBABILITIES, fusion, {})
    np.testing.assert_allclose(found, 0.25 * PROBABILITIES[0] + 0.75 * PROBABILITIES[1])
    fusion = Fusion(on="logits", weights=(3.0, 1.0))
    found = combined(LOGITS, PROBABILITIES, fusion, {})
    np.testing.assert_allclose(found, softmax(0.75 * LOGITS[0] + 0.25 * LOGITS[1]))


def test_clipped_logits_are_shares_of_what_is_above_zero():
    logits = np.array([[[3.0, 1.0, -4.0]], [[-1.0, -2.0, -3.0]]])
    fusion = Fusion(on="clipped", weights=(0.5, 0.5))
    found = combined(logits, PROBABILITIES[:, :1], fusion, {})
    np.testing.assert_allclose(found, [[(0.75 + 1 / 3) / 2, (0.25 + 1 / 3) / 2, 1 / 6]])


def test_weights_of_classes_are_rows():
    rows = ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5))
    found = combined(
        LOGITS, PROBABILITIES, Fusion(on="softmax", class_weights=rows), {}
    )
    by_hand = np.stack(
        [
            PROBABILITIES[0, :, 0],
            PROBABILITIES[1, :, 1],
            PROBABILITIES[:, :, 2].mean(0),
        ],
        axis=1,
    )
    np.testing.assert_allclose(found, by_hand / by_hand.sum(axis=1, keepdims=True))


def test_attention_is_that_of_torch():
    torch.manual_seed(1)
    model = AttentionFusion(3, hidden=7).eval()
    torch.nn.init.normal_(model.weigh.weight)
    with torch.no_grad():
        theirs = model(torch.from_numpy(PROBABILITIES).float().transpose(0, 1))
    fusion = Fusion(on="softmax", layers="attention")
    found = combined(LOGITS, PROBABILITIES, fusion, layers(model))
    np.testing.assert_allclose(found, theirs.numpy(), atol=1e-6)
    assert np.abs(found - PROBABILITIES.mean(0)).max() > 0.01


def test_a_collaboration_is_that_of_torch():
    model = collaborative()
    spatial, motion = RNG.normal(size=(4, 9, 6)), RNG.normal(size=(4, 9, 4))
    seen, moved = torch.from_numpy(spatial).float(), torch.from_numpy(motion).float()
    theirs = predict(model, seen, moved)
    ours = collaborative_logits(spatial, motion, layers(model), rounds=2)
    np.testing.assert_allclose(ours, [theirs.spatial, theirs.motion], atol=1e-5)
    fusion = Fusion(on="softmax", weights=(0.5, 0.5), layers="collaborative", rounds=2)
    found = combined_features((spatial, motion), fusion, layers(model))
    np.testing.assert_allclose(found, theirs.softmax, atol=1e-6)
    once = collaborative_logits(spatial, motion, layers(model), rounds=1)
    assert np.abs(once - ours).max() > 1e-3


@pytest.mark.parametrize("kind", ["attention", "collaborative"])
def test_layers_that_do_not_fit_are_one_line(kind):
    model = AttentionFusion(3) if kind == "attention" else collaborative()
    fusion = Fusion(on="softmax", layers=kind, rounds=2 * (kind != "attention"))
    good = layers(model)

    def check(changed) -> None:
        check_layers(changed, fusion, streams=2, classes=3, where="here")

    check(good)
    for name, value in good.items():
        for bad in (
            good | {name: value.repeat(2, axis=0)},
            {key: one for key, one in good.items() if key != name},
            good | {name: np.full_like(value, np.nan)},
            good | {name: value.astype(np.float64)},
        ):
            with pytest.raises(RunError, match="here: .*expected"):
                check(bad)
    with pytest.raises(RunError, match="here: more: expected no such tensor"):
        check(good | {"more": value})
