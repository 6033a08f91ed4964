import pytest
import torch

from training.errors import RecipeError
from training.models.motionnet import (
    MotionNet,
    motionnet,
    motionnet_narrow,
    motionnet_tiny,
)


def parameters(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_every_row_of_the_table_has_its_parameters():
    with torch.device("meta"):
        net = motionnet()
    assert [(parameters(stage[0]), parameters(stage[2])) for stage in net.encoder] == [
        (19_072, 36_928),
        (73_856, 147_584),
        (295_168, 590_080),
        (1_180_160, 2_359_808),
        (2_359_808, 2_359_808),
        (4_719_616, 9_438_208),
    ]
    rows = {
        name: {level: parameters(layer) for level, layer in layers.items()}
        for name, layers in (
            ("flow", net.flow),
            ("deconv", net.deconv),
            ("xconv", net.xconv),
            ("upflow", net.upflow),
        )
    }
    assert rows == {
        "flow": {"6": 184_340, "5": 92_180, "4": 46_100, "3": 23_060, "2": 11_540},
        "deconv": {"5": 8_388_608, "4": 2_097_152, "3": 524_288, "2": 131_072},
        "xconv": {"5": 4_811_264, "4": 1_815_808, "3": 465_536, "2": 122_176},
        "upflow": {"5": 6_400, "4": 6_400, "3": 6_400, "2": 6_400},
    }
    assert [net.xconv[level].in_channels for level in "5432"] == [1044, 788, 404, 212]
    assert parameters(net) == 42_318_820


def test_sizes_of_the_table():
    with torch.device("meta"):
        flows = motionnet().scales(torch.zeros(1, 3, 11, 224, 224))
    assert [tuple(flow.shape) for flow in flows] == [
        (1, 2, 10, side, side) for side in (112, 56, 28, 14, 7)
    ]


@pytest.mark.parametrize(
    ("size", "levels"),
    [
        ((40, 56), [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]),
        ((48, 64), [(24, 32), (12, 16), (6, 8), (3, 4), (2, 2)]),
        ((33, 31), [(17, 16), (9, 8), (5, 4), (3, 2), (2, 1)]),
        ((1, 1), [(1, 1)] * 5),
    ],
)
def test_crops_of_any_size_are_taken(size, levels):
    net = motionnet_tiny(frames=4)
    flows = net.scales(torch.rand(2, 3, 4, *size))
    assert [tuple(flow.shape[3:]) for flow in flows] == levels
    assert all(flow.shape[:3] == (2, 2, 3) for flow in flows)


def test_narrow_sibling():
    assert parameters(motionnet_tiny()) == 747_220
    assert parameters(motionnet_narrow()) == 2_773_060


def test_it_begins_with_motion_of_less_than_a_pixel():
    torch.manual_seed(0)
    frames = 0.4 + 0.2 * torch.rand(2, 3, 5, 40, 56)  # as much contrast as scenes have
    flows = motionnet_tiny(frames=5).scales(frames)
    assert all(0.01 < flow.abs().mean() < 1 for flow in flows)


def test_outputs_are_u_and_v_of_each_interval_in_units_of_20_px():
    net = motionnet_tiny(frames=3)
    with torch.no_grad():
        net.flow["2"].weight.zero_()
        net.flow["2"].bias.copy_(torch.tensor([0.1, 0.2, -0.3, 0.4]))
    flow = net(torch.rand(1, 3, 3, 32, 32))
    assert flow.shape == (1, 2, 2, 16, 16)
    expected = torch.tensor([[2.0, -6.0], [4.0, 8.0]])  # (u, v) x interval
    torch.testing.assert_close(flow[0, :, :, 5, 5], expected)


def test_frames_are_stacked_one_after_the_other():
    """Only the last frame's green channel differs, so only its weights matter."""
    net = motionnet_tiny(frames=3)
    frames = torch.zeros(1, 3, 3, 32, 32)
    changed = frames.clone()
    changed[:, 1, 2] = 1
    with torch.no_grad():
        net.encoder[0][0].weight[:, 7] = 0  # r0 g0 b0 r1 g1 b1 r2 g2 b2
        torch.testing.assert_close(net(changed), net(frames))


def test_other_frames_are_refused():
    with pytest.raises(
        RecipeError, match=r"frames \(B, 3, 11, H, W\), got \(1, 3, 10, 32, 32\)"
    ):
        motionnet_tiny()(torch.zeros(1, 3, 10, 32, 32))
    with pytest.raises(RecipeError, match="2 frames or more"):
        MotionNet(frames=1)
