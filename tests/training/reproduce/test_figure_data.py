"""Arrays of the report's figures: first-layer filters, three frames and their motion."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from moving_store import SPEED
from tiny_recipe import tiny_context
from torch import nn

from pipeline.store import motion_colours
from training.models.layers2d import stacked
from training.recipes import get_recipe
from training.recipes.run import run_recipe
from training.reproduce import figure_data
from training.reproduce.figure_data import EXAMPLES, first_filters, motion_examples
from training.runs.trained import trained_model


def test_filters_answer_u_and_v_of_the_middle_field(store, tmp_path):
    run = run_recipe(get_recipe("mv_tiny"), tiny_context(store, tmp_path))
    model, config = trained_model(run)
    layer = model.conv1[0]
    for component, filters in enumerate(first_filters(run)):
        clip = torch.zeros(1, 2, config.frames, 20, 24)
        clip[0, component, config.frames // 2] = torch.rand(20, 24)
        expected = layer(stacked(clip, layer.in_channels)) - layer.bias.view(
            1, -1, 1, 1
        )
        only = clip[:, component, [config.frames // 2]]
        weight = torch.from_numpy(filters)[:, None]
        found = F.conv2d(only, weight, stride=layer.stride, padding=layer.padding)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_two_pairs_of_frames_have_a_flow_each(store):
    found = motion_examples(store, "1")
    videos = [v for v in store.videos() if v.splits["1"] == "test"]
    assert {f"example_{name}" for name in ("frame", "next", "third")} <= found.keys()
    first = store.read(videos[0].id, "rgb", start=4, stop=7)
    for frame, name in zip(first, ("frame", "next", "third"), strict=True):
        np.testing.assert_array_equal(found[f"example_{name}"][0], frame)
    flows = store.read(videos[0].id, "flow", start=4, stop=6)
    strongest = float(np.percentile(np.hypot(*np.moveaxis(flows[0], -1, 0)), 99))
    for flow, name in zip(flows, ("flow", "flow_next"), strict=True):
        colours = motion_colours(flow, bound_px=strongest)
        np.testing.assert_array_equal(found[f"example_{name}"][0], colours)
    assert len(found["example_mv_next"]) == len(found["example_layer_next"]) == EXAMPLES
    assert (found["example_layer"][0] != found["example_layer_next"][0]).any()


class Counting(nn.Module):
    """Field k is (k + 1, -2) px, on half the grid."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        _, _, count, height, width = frames.shape
        fields = torch.ones(1, 2, count - 1, height // 2, width // 2)
        fields[:, 0] *= torch.arange(1.0, count).view(1, -1, 1, 1)
        fields[:, 1] *= -2
        return fields


@pytest.fixture(scope="module")
def network(store, tmp_path_factory):
    context = tiny_context(store, tmp_path_factory.mktemp("motion"))
    return run_recipe(get_recipe("motionnet_tiny"), context)


@pytest.mark.parametrize(("start", "field"), [(4, 2), (0, 0), (6, 3)])
def test_the_networks_field_after_the_frame_in_stored_pixels(
    store, network, monkeypatch, start, field
):
    """Clips of 5 of 8 frames, at half the stored size: frames 2 to 6 around frame 4."""
    monkeypatch.setattr(figure_data, "build_estimator", lambda motion: Counting())
    monkeypatch.setattr(figure_data, "load_exactly", lambda *args, **kinds: None)
    flow = figure_data.network_flow(network, store, store.videos()[0], start)
    assert flow.shape == (48, 64, 2)
    np.testing.assert_allclose(flow[..., 0], 2 * (field + 1))
    np.testing.assert_allclose(flow[..., 1], -4)


def test_a_trained_networks_flow_is_among_the_examples(store, network):
    found = motion_examples(store, "1", network=network)
    assert found["example_motionnet"].shape == found["example_flow"].shape
    video = store.videos()[0]
    flow = figure_data.network_flow(network, store, video, 4)
    assert np.isfinite(flow).all() and np.abs(flow).max() < 10 * SPEED
