"""Snippets of two streams that tell each other which of them matter.

Axes: V videos, N snippets of a video, d features of a snippet, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import DataError, RecipeError

CPU = torch.device("cpu")


class GuidedAttention(nn.Module):
    """A weighted mean of a stream's snippets; another stream says which ones matter.

    H = tanh(W F + (U V) 1^T), c = softmax(w^T H) over the snippets, V' = F c: 2 d k + k
    parameters without biases where both streams have d features.

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
        Recognition", equations 7 to 9. Equation 8 calls the weights z and equation 9 c;
        N is the number of snippets and of hidden units (that is, classes) at once; step
        8's "F^T c" holds for snippets as rows.
    """

    def __init__(self, features: int, guide: int, *, hidden: int) -> None:
        """
        Args:
            features: d of the stream that is averaged.
            guide: d of the other.
            hidden: k.
        """
        super().__init__()
        self.own = nn.Linear(features, hidden, bias=False)
        self.guide = nn.Linear(guide, hidden, bias=False)
        self.weigh = nn.Linear(hidden, 1, bias=False)

    def forward(self, snippets: Tensor, guide: Tensor) -> Tensor:
        """(V, N, d) of one stream and (V, d) of the other -> (V, d) of the one."""
        return torch.einsum("vn,vnd->vd", self.weights(snippets, guide), snippets)

    def weights(self, snippets: Tensor, guide: Tensor) -> Tensor:
        """(V, N), each row sums to 1."""
        hidden = torch.tanh(self.own(snippets) + self.guide(guide)[:, None])
        return self.weigh(hidden)[..., 0].softmax(dim=1)


class Collaborative(nn.Module):
    """Two streams guide each other for some rounds; then each has a classifier.

    8,389,632 parameters with 4,096 features and 512 hidden units, and the classifiers:
    827,594 for 101 classes, 417,894 for 51.

    Source:
        As `GuidedAttention`, section 3.2. The first weights are not specified: the mean
        of the snippets. "Iterate until the loss converges" mixes epochs of training with
        this loop: two rounds, after which it hardly changes. Parameters are shared by the
        rounds. How the loss is made of two predictions is not said: the sum of both
        cross-entropies; the prediction is the mean of both.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        spatial: int = 4096,
        motion: int = 4096,
        hidden: int = 512,
        rounds: int = 2,
        dropout: float = 0.5,
    ) -> None:
        """
        Args:
            spatial, motion: d of each stream.
            hidden: k.
        """
        super().__init__()
        if rounds < 1:
            raise RecipeError(f"collaborative: expected rounds above 0, got {rounds}")
        self.rounds = rounds
        self.motion_by_spatial = GuidedAttention(motion, spatial, hidden=hidden)
        self.spatial_by_motion = GuidedAttention(spatial, motion, hidden=hidden)
        self.dropout = nn.Dropout(dropout)
        self.spatial_head = nn.Linear(spatial, num_classes)
        self.motion_head = nn.Linear(motion, num_classes)

    def forward(self, spatial: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """(V, N, d) of each stream -> (V, K) logits of each."""
        seen, moved = self.pooled(spatial, motion)
        return (
            self.spatial_head(self.dropout(seen)),
            self.motion_head(self.dropout(moved)),
        )

    def pooled(self, spatial: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """(V, N, d) of each stream -> (V, d) of each."""
        seen = spatial.mean(dim=1)
        for _ in range(self.rounds):
            moved = self.motion_by_spatial(motion, seen)
            seen = self.spatial_by_motion(spatial, moved)
        return seen, moved


class Predicted(NamedTuple):
    """What the two classifiers say, for the weighting that follows."""

    spatial: np.ndarray
    """(V, K) float64 logits."""
    motion: np.ndarray
    """(V, K) float64 logits."""
    softmax: np.ndarray
    """(V, K) mean of both probabilities."""


@torch.no_grad()
def predict(model: Collaborative, spatial: Tensor, motion: Tensor) -> Predicted:
    """Scores of videos, in evaluation mode.

    Args:
        spatial, motion: (V, N, d), as in training.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    logits = [it.double().cpu() for it in model(spatial.to(device), motion.to(device))]
    model.train(training)
    mean = torch.stack(logits).softmax(dim=-1).mean(dim=0)
    return Predicted(logits[0].numpy(), logits[1].numpy(), mean.numpy())


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborativeConfig:
    """How a `Collaborative` is built and trained."""

    hidden: int = 512
    rounds: int = 2
    dropout: float = 0.5
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4
    batch_size: int = 64
    epochs: int = 50
    fewest_snippets: int = 8
    """Each batch sees so many random snippets of its videos, up to all."""


def fit_collaborative(
    spatial: Tensor,
    motion: Tensor,
    labels: Sequence[int] | np.ndarray,
    num_classes: int,
    *,
    config: CollaborativeConfig = CollaborativeConfig(),
    seed: int = 0,
    watched: tuple[Tensor, Tensor, Sequence[int] | np.ndarray] | None = None,
    device: torch.device = CPU,
) -> Collaborative:
    """Train on the snippets of training videos, whose features stand still.

    Args:
        spatial, motion: (V, N, d) features: the same videos, the same N snippets.
        watched: the same of held-out videos: the epoch with their lowest loss wins;
            without, the last one.

    Raises:
        DataError: features that do not fit each other, the labels or the classes.

    Source:
        Adam, weight decay and dropout as usual; the paper names neither. Its "end-to-end"
        means MotionNet and the network after it: through two networks for each of 25
        snippets of a video nothing could be trained.
    """
    truth = _checked(spatial, motion, labels, num_classes)
    held = None
    if watched is not None:
        held = (*watched[:2], _checked(*watched, num_classes))
        if (
            held[0].shape[2:] != spatial.shape[2:]
            or held[1].shape[2:] != motion.shape[2:]
        ):
            raise DataError(
                "collaborative: expected held-out features as wide as those of training,"
                f" got {held[0].shape[2]} and {held[1].shape[2]} for"
                f" {spatial.shape[2]} and {motion.shape[2]}"
            )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # for the first weights and the dropout
        model = Collaborative(
            num_classes,
            spatial=spatial.shape[2],
            motion=motion.shape[2],
            hidden=config.hidden,
            rounds=config.rounds,
            dropout=config.dropout,
        ).to(device)
        return _fitted(model, spatial, motion, truth, config, seed, held)


def _fitted(
    model: Collaborative,
    spatial: Tensor,
    motion: Tensor,
    labels: Tensor,
    config: CollaborativeConfig,
    seed: int,
    held: tuple[Tensor, Tensor, Tensor] | None,
) -> Collaborative:
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    generator = torch.Generator().manual_seed(seed)
    videos, snippets = spatial.shape[:2]
    fewest = min(config.fewest_snippets, snippets)
    lowest, best = float("inf"), None
    for _ in range(config.epochs):
        model.train()
        order = torch.randperm(videos, generator=generator)
        for batch in order.split(config.batch_size):
            count = int(torch.randint(fewest, snippets + 1, (), generator=generator))
            some = torch.randperm(snippets, generator=generator)[:count]
            first, second = (it[batch][:, some].to(device) for it in (spatial, motion))
            loss = _loss(model(first, second), labels[batch].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if held is None:
            continue
        model.eval()
        with torch.no_grad():
            first, second, truth = (it.to(device) for it in held)
            now = _loss(model(first, second), truth).item()
        if now < lowest:
            lowest = now
            best = {name: value.clone() for name, value in model.state_dict().items()}
    if best is not None:
        model.load_state_dict(best)
    return model.eval()


def _loss(logits: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    return F.cross_entropy(logits[0], labels) + F.cross_entropy(logits[1], labels)


def _checked(
    spatial: Tensor,
    motion: Tensor,
    labels: Sequence[int] | np.ndarray,
    num_classes: int,
) -> Tensor:
    """The labels as a tensor, if all fits."""
    truth = torch.from_numpy(np.asarray(labels, np.int64))
    if spatial.dim() != 3 or motion.dim() != 3 or spatial.shape[:2] != motion.shape[:2]:
        raise DataError(
            "collaborative: expected features (V, N, d) of the same snippets,"
            f" got {tuple(spatial.shape)} and {tuple(motion.shape)}"
        )
    if truth.shape != spatial.shape[:1]:
        raise DataError(
            f"collaborative: expected {len(spatial)} labels, got {len(truth)}"
        )
    if len(truth) and not 0 <= int(truth.min()) <= int(truth.max()) < num_classes:
        raise DataError(
            f"collaborative: expected labels from 0 to {num_classes - 1},"
            f" got {int(truth.min())} to {int(truth.max())}"
        )
    return truth
