import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import RecipeError
from training.models.backbones import BackboneConfig, build_backbone
from training.models.heads import TwoHeads, split_head, with_module


class Net(nn.Module):
    """Drops at the root, so that a copy of the root must know its mode."""

    def __init__(self, classes: int = 4, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(2, width, 1), nn.BatchNorm3d(width))
        self.end = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)
        )

    def forward(self, clips: Tensor) -> Tensor:
        pooled = self.body(clips).mean((2, 3, 4))
        return self.end(F.dropout(pooled, 0.5, self.training))


def clips(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 2, 3, 3, generator=generator)


def test_the_last_linear_layer_is_the_head():
    net = Net()
    place, head = split_head(net)
    assert place == "end.2" and head is net.end[2]
    with pytest.raises(RecipeError, match="ends in a linear layer, got ReLU without"):
        split_head(nn.ReLU())


def test_a_head_more_is_its_weights_more():
    """2,048 values into fc8: 206,949 weights for 101 classes, 104,499 for 51."""
    net = Net(width=2048)
    trunk = sum(p.numel() for p in net.parameters()) - (2048 * 4 + 4)
    both = TwoHeads(net, {"ucf101": 101, "hmdb51": 51})
    assert sum(p.numel() for p in both.parameters()) == trunk + 206_949 + 104_499


def test_clarifai_of_two_data_sets_has_the_weights_of_the_paper():
    with torch.device("meta"):
        config = BackboneConfig(net="clarifai", sees="flow", frames=10)
        net = build_backbone(config, 101)
        trunk = sum(p.numel() for p in net.parameters()) - 206_949
        both = TwoHeads(net, {"ucf101": 101, "hmdb51": 51})
    assert sum(p.numel() for p in both.parameters()) == trunk + 206_949 + 104_499


def test_every_head_gets_the_features_of_its_own_clips():
    torch.manual_seed(0)
    both = TwoHeads(Net(), {"a": 3, "b": 5}).eval()
    given = {"a": clips(2), "b": clips(4, seed=1)}
    logits = both(given)
    assert {name: tuple(value.shape) for name, value in logits.items()} == {
        "a": (2, 3),
        "b": (4, 5),
    }
    for name, value in given.items():
        torch.testing.assert_close(both.alone(name)(value), logits[name])


def test_batch_norm_sees_all_clips_together():
    both = TwoHeads(Net(), {"a": 3, "b": 3})
    given = {"a": clips(2), "b": clips(4, seed=1)}
    both(given)
    norm = both.trunk.body[1]
    assert norm.num_batches_tracked == 1
    seen = both.trunk.body[0](torch.cat(list(given.values()))).mean((0, 2, 3, 4))
    torch.testing.assert_close(norm.running_mean, 0.1 * seen)


def test_one_head_alone_is_the_network_as_it_was():
    """Same names of weights, so it is saved, read and judged as any network."""
    torch.manual_seed(0)
    both = TwoHeads(Net(), {"a": 3, "b": 4})
    view = both.alone("b")
    fresh = Net(classes=4)
    assert view.state_dict().keys() == fresh.state_dict().keys()
    fresh.load_state_dict(view.state_dict())
    torch.testing.assert_close(fresh.eval()(clips(3)), view.eval()(clips(3)))


def test_what_is_learned_together_is_known_alone():
    both = TwoHeads(Net(), {"a": 3, "b": 4})
    view = both.alone("a")
    with torch.no_grad():
        for weight in both.parameters():
            weight.add_(1.0)
    state = view.state_dict()
    assert torch.equal(state["body.0.weight"], both.trunk.body[0].weight)
    assert torch.equal(state["end.2.weight"], both.heads["a"].weight)
    own = {id(weight) for weight in both.parameters()}
    assert {id(weight) for weight in view.parameters()} < own


def test_the_original_is_left_as_it_was():
    net = Net()
    head = net.end[2]
    with_module(net, "end.2", nn.Identity())
    assert net.end[2] is head


def test_no_data_set_is_refused():
    with pytest.raises(RecipeError, match="at least one data set, got none"):
        TwoHeads(Net(), {})
