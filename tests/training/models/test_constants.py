import torch
from torch.utils._python_dispatch import TorchDispatchMode

from training.losses.photometric import REFERENCE, flow_loss
from training.models.constants import constant
from training.models.layers2d import Grid
from training.models.motion_backbone import unnormalised


class Copies(TorchDispatchMode):
    """Numbers of the program that became tensors, or the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if "lift_fresh" in name or "_local_scalar_dense" in name:
            self.found.append(name)
        return func(*args, **kwargs or {})


def work() -> torch.Tensor:
    frames = torch.rand(1, 3, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    sizes = (32, 16, 8, 4, 2)
    flows = [torch.zeros(1, 2, 1, size, size, requires_grad=True) for size in sizes]
    loss, _ = flow_loss(frames, flows, REFERENCE)
    plain = unnormalised(frames, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    return loss + Grid((5, 7))(plain[:, :, 0]).sum()


def test_numbers_are_copied_to_a_device_once():
    with Copies() as first:
        torch.tensor([1.0])
    assert first.found  # the mode sees such copies
    expected = work()
    with Copies() as copies:
        again = work()
    assert copies.found == []
    assert torch.equal(expected, again)


def test_a_constant_has_the_type_of_its_like():
    for dtype in (torch.float32, torch.float64):
        found = constant((1.5, 2.5), torch.zeros(1, dtype=dtype))
        assert torch.equal(found, torch.tensor([1.5, 2.5], dtype=dtype))
    assert constant(((1, 2), (3, 4)), torch.zeros(1)).shape == (2, 2)


def test_a_constant_made_without_gradients_serves_with_them():
    like = torch.zeros(2, requires_grad=True)
    with torch.inference_mode():
        constant((0.25, 0.125), like)
    (like * constant((0.25, 0.125), like)).sum().backward()
    assert torch.equal(like.grad, torch.tensor([0.25, 0.125]))


def test_a_trace_leaves_nothing_behind():
    with torch._subclasses.FakeTensorMode():
        constant((7.0, 8.0), torch.zeros(1))
    assert type(constant((7.0, 8.0), torch.zeros(1))) is torch.Tensor
