import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from training.errors import DataError, RecipeError
from training.experiments.collaborative_fit import CollaborativeFit
from training.models.collaborative import (
    Collaborative,
    CollaborativeConfig,
    GuidedAttention,
    predict,
)

SMALL = CollaborativeConfig(
    hidden=8, learning_rate=1e-2, batch_size=16, epochs=15, fewest_snippets=3
)


def fit_collaborative(*data, **options) -> Collaborative:
    fit = CollaborativeFit(*data, **options)
    run(fit)
    return fit.best_model()


def run(fit: CollaborativeFit) -> None:
    while fit.taken < fit.total:
        fit.step()


def parameters(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def snippets(*, videos: int = 48, seed: int = 0) -> tuple[Tensor, Tensor, np.ndarray]:
    """6 snippets of 5 and 7 features; one snippet of each video says its class.

    Spatial snippets tell classes {0, 1} from {2, 3}, those of motion {0, 2} from {1, 3}.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(videos) % 4
    spatial = 0.3 * torch.randn(videos, 6, 5, generator=generator)
    motion = 0.3 * torch.randn(videos, 6, 7, generator=generator)
    place = torch.randint(6, (videos,), generator=generator)
    every = torch.arange(videos)
    spatial[every, place, 0] = 4.0
    spatial[every, place, 1] = 4.0 * (labels // 2 * 2 - 1)
    motion[every, place, 0] = 4.0
    motion[every, place, 1] = 4.0 * (labels % 2 * 2 - 1)
    return spatial, motion, labels.numpy()


@pytest.mark.parametrize(("classes", "heads"), [(101, 827_594), (51, 417_894)])
def test_parameters_are_those_of_the_equations(classes, heads):
    with torch.device("meta"):
        model = Collaborative(classes)
    layers = (model.motion_by_spatial, model.spatial_by_motion)
    assert sum(map(parameters, layers)) == 8_389_632
    assert parameters(model) == 8_389_632 + heads


def test_guided_attention_agrees_with_equations_7_to_9():
    """With snippets as columns, as they are printed."""
    torch.manual_seed(0)
    layer = GuidedAttention(5, 3, hidden=4)
    features, guide = torch.randn(2, 6, 5), torch.randn(2, 3)
    W, U, w = layer.own.weight, layer.guide.weight, layer.weigh.weight[0]
    for f, v, ours in zip(features, guide, layer(features, guide), strict=True):
        F = f.T
        H = torch.tanh(W @ F + (U @ v)[:, None] @ torch.ones(1, 6))
        c = torch.exp(w @ H) / torch.exp(w @ H).sum()
        torch.testing.assert_close(ours, F @ c)


def test_rounds_go_from_the_mean_to_motion_and_back():
    torch.manual_seed(0)
    model = Collaborative(4, spatial=5, motion=7, hidden=8, rounds=2)
    spatial, motion, _ = snippets()
    seen = spatial.mean(dim=1)
    for _ in range(2):
        moved = model.motion_by_spatial(motion, seen)
        seen = model.spatial_by_motion(spatial, moved)
    pooled = model.pooled(spatial, motion)
    assert torch.equal(pooled[0], seen) and torch.equal(pooled[1], moved)
    with pytest.raises(RecipeError, match="rounds above 0, got 0"):
        Collaborative(4, rounds=0)


def test_equal_snippets_give_themselves():
    torch.manual_seed(0)
    model = Collaborative(4, spatial=5, motion=7, hidden=8)
    one, two = torch.randn(2, 1, 5), torch.randn(2, 1, 7)
    seen, moved = model.pooled(one.expand(-1, 9, -1), two.expand(-1, 9, -1))
    torch.testing.assert_close(seen, one[:, 0])
    torch.testing.assert_close(moved, two[:, 0])


def test_training_finds_the_snippet_that_matters():
    config = replace(SMALL, epochs=20, fewest_snippets=5)
    model = fit_collaborative(*snippets(videos=240), 4, config=config)
    assert not model.training
    fresh, moves, truth = snippets(seed=1)
    predicted = predict(model, fresh, moves)
    assert predicted.softmax.shape == (48, 4)
    assert (predicted.softmax.argmax(axis=1) == truth).mean() > 0.9
    np.testing.assert_allclose(predicted.softmax.sum(axis=1), 1)
    both = torch.from_numpy(np.stack(predicted[:2])).softmax(dim=-1).mean(dim=0)
    np.testing.assert_allclose(predicted.softmax, both)
    seen, _ = model.pooled(fresh, moves)
    weights = model.motion_by_spatial.weights(moves, seen)
    found = weights.argmax(dim=1) == moves[..., 0].argmax(dim=1)
    assert found.float().mean() > 0.6  # of 6


def test_classifiers_start_from_those_of_the_streams():
    spatial, motion, labels = snippets()
    heads = torch.nn.Linear(5, 4), torch.nn.Linear(7, 4)
    fit = CollaborativeFit(spatial, motion, labels, 4, config=SMALL, heads=heads)
    own = fit.model.spatial_head, fit.model.motion_head
    for given, its in zip(heads, own, strict=True):
        assert torch.equal(given.weight, its.weight)
        assert torch.equal(given.bias, its.bias)
    before = heads[0].weight.clone()
    run(fit)
    assert torch.equal(heads[0].weight, before)
    assert not torch.equal(fit.model.spatial_head.weight, before)
    wrong = heads[0], torch.nn.Linear(9, 4)
    with pytest.raises(RecipeError, match="motion classifier from 7 .* from 9 to 4"):
        CollaborativeFit(spatial, motion, labels, 4, config=SMALL, heads=wrong)


def test_same_seed_same_weights_whatever_was_drawn_before():
    data = snippets(videos=16)
    config = replace(SMALL, epochs=2)
    first = fit_collaborative(*data, 4, config=config, seed=1)
    torch.rand(3)
    again = fit_collaborative(*data, 4, config=config, seed=1)
    other = fit_collaborative(*data, 4, config=config, seed=2)
    for one, two in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first.spatial_head.weight, other.spatial_head.weight)


@pytest.mark.parametrize("stop", [1, 3, 7])  # within an epoch, and between two
def test_state_of_any_step_goes_on_to_the_same_weights(stop):
    """The last ones, and the best: those of the first epoch, as the held-out labels are wrong."""
    spatial, motion, labels = snippets()
    config = replace(SMALL, epochs=4)
    options = {"config": config, "held_out": (spatial, motion, (labels + 1) % 4)}
    whole, first, second = (
        CollaborativeFit(spatial, motion, labels, 4, **options) for _ in range(3)
    )
    assert (whole.per_epoch, whole.total) == (3, 12)
    before = torch.get_rng_state()
    run(whole)
    assert torch.equal(torch.get_rng_state(), before)
    for _ in range(stop):
        first.step()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.step()  # what comes after belongs to another life
    torch.rand(3)
    run(second)
    for _ in ("last", "chosen"):
        for one, two in zip(
            whole.model.parameters(), second.model.parameters(), strict=True
        ):
            assert torch.equal(one, two)
        assert whole.best_model() is whole.model and second.best_model() is second.model


def test_the_best_epoch_on_held_out_videos_is_selected():
    """Watched videos with all labels wrong: the longer it learns, the worse."""
    spatial, motion, labels = snippets()
    wrong = (spatial, motion, (labels + 1) % 4)
    long = replace(SMALL, dropout=0.0)
    kept = fit_collaborative(spatial, motion, labels, 4, config=long, held_out=wrong)
    first = fit_collaborative(
        spatial, motion, labels, 4, config=replace(long, epochs=1)
    )
    for one, two in zip(kept.parameters(), first.parameters(), strict=True):
        assert torch.equal(one, two)


def test_features_that_do_not_fit_are_refused():
    spatial, motion, labels = snippets(videos=8)
    with pytest.raises(DataError, match=r"same snippets, got \(8, 6, 5\) and \(7, 6"):
        fit_collaborative(spatial, motion[1:], labels, 4, config=SMALL)
    with pytest.raises(DataError, match="expected 8 labels, got 7"):
        fit_collaborative(spatial, motion, labels[1:], 4, config=SMALL)
    with pytest.raises(DataError, match="labels from 0 to 2, got 0 to 3"):
        fit_collaborative(spatial, motion, labels, 3, config=SMALL)
    with pytest.raises(DataError, match="as wide as those of training, got 7 and 5"):
        fit_collaborative(
            spatial, motion, labels, 4, config=SMALL, held_out=(motion, spatial, labels)
        )
