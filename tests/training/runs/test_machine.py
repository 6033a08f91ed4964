import pytest
import torch

from training.engine.processes import Processes
from training.errors import MachineError
from training.runs.machine import gpu_of, set_memory_format


@pytest.mark.parametrize(
    ("local_rank", "gpus", "expected"),
    [(0, 1, 0), (3, 1, 0), (0, 8, 0), (7, 8, 7), (1, 2, 1)],
)
def test_a_process_takes_its_gpu_among_those_that_it_sees(local_rank, gpus, expected):
    assert gpu_of(Processes(local_rank, 8, local_rank), gpus) == expected


def test_fewer_gpus_than_processes_are_an_error():
    with pytest.raises(
        MachineError, match="process 5 of 8: expected a GPU for each .* got 2 for .* 3"
    ):
        gpu_of(Processes(5, 8, 2), 2)


@pytest.mark.parametrize("order", ["auto", "contiguous", "channels_last"])
def test_clips_and_weights_are_in_an_order_of_memory_and_answers_stay(order):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv3d(3, 4, 3), torch.nn.BatchNorm3d(4)).eval()
    clip = torch.randn(2, 3, 5, 6, 7)
    weights = {name: it.clone() for name, it in net.state_dict().items()}
    expected, seen = net(clip), []
    set_memory_format(net, order)
    net[0].register_forward_pre_hook(lambda module, inputs: seen.extend(inputs))
    torch.testing.assert_close(net(clip), expected)
    for name, it in net.state_dict().items():
        assert torch.equal(it, weights[name])
    last = order == "channels_last"
    for it in (seen[0], net[0].weight):
        assert it.is_contiguous(memory_format=torch.channels_last_3d) is last
        assert it.is_contiguous() is not last


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_weights_of_2d_networks_are_in_an_order_of_memory_and_clips_stay(order):
    """Their clips are stacked or taken apart first: a copy of them would be wasted."""
    net = torch.nn.Sequential(torch.nn.Flatten(1, 2), torch.nn.Conv2d(15, 4, 3))
    clip, seen = torch.randn(2, 3, 5, 6, 7), []
    expected = net(clip)
    set_memory_format(net, order)
    net[0].register_forward_pre_hook(lambda module, inputs: seen.extend(inputs))
    torch.testing.assert_close(net(clip), expected)
    last = order == "channels_last"
    weight = net[1].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is last
    assert weight.is_contiguous() is not last
    assert seen[0] is clip
