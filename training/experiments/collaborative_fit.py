"""Snippets of training videos -> a trained `Collaborative`, step by step.

Axes: V videos, N snippets of a video, d features of a snippet, K classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..engine.checkpoint import Saved
from ..errors import DataError, RecipeError
from ..models.collaborative import Collaborative, CollaborativeConfig

CPU = torch.device("cpu")

HeldOut = tuple[Tensor, Tensor, Sequence[int] | np.ndarray]
"""Features of both streams and labels."""


class CollaborativeFit:
    """Training on the snippets of training videos, whose features are fixed.

    An equal object that loads the state after any step reaches the same weights. The
    global random generators are neither used nor changed.

    Source:
        Adam, weight decay and dropout as usual; the paper names neither. Its "end-to-end"
        means MotionNet and the network after it: through two networks for each of 25
        snippets of a video nothing could be trained.
    """

    def __init__(
        self,
        spatial: Tensor,
        motion: Tensor,
        labels: Sequence[int] | np.ndarray,
        num_classes: int,
        *,
        config: CollaborativeConfig,
        seed: int = 0,
        heads: tuple[nn.Linear, nn.Linear] | None = None,
        held_out: HeldOut | None = None,
        device: torch.device = CPU,
    ) -> None:
        """
        Args:
            spatial, motion: (V, N, d) features: the same videos, the same N snippets.
            heads: last layers of both streams, copied into the classifiers; None: random weights.
            held_out: features and labels of held-out videos: the weights of the epoch with
                the lowest loss on them are selected; None: those of the last epoch.

        Raises:
            DataError: features that do not fit each other, the labels or the classes.
            RecipeError: heads that do not take these features, or know other classes.
        """
        self.spatial, self.motion = spatial, motion
        self.labels = _checked(spatial, motion, labels, num_classes)
        self.held_out: tuple[Tensor, Tensor, Tensor] | None = None
        if held_out is not None:
            self.held_out = (*held_out[:2], _checked(*held_out, num_classes))
            _check_widths(self.held_out, spatial, motion)
        self.config, self.device = config, device
        with self._own_random():
            torch.manual_seed(seed)  # for the first weights and the dropout
            self.model = Collaborative(
                num_classes,
                spatial=spatial.shape[2],
                motion=motion.shape[2],
                hidden=config.hidden,
                rounds=config.rounds,
                dropout=config.dropout,
            ).to(device)
            if heads is not None:
                _start_from(heads, self.model)
            self.random = self._random_state()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)
        """Order of the videos in this epoch."""
        self.per_epoch = -(-len(spatial) // config.batch_size)
        self.total = self.per_epoch * config.epochs
        """Steps in all epochs."""
        self.taken = 0
        """Steps so far."""
        self.lowest = float("inf")
        self.best: dict[str, Tensor] | None = None

    def step(self) -> float:
        """Train on one batch; after the last one of an epoch, validate on the held-out videos.

        Returns:
            The loss of the batch.
        """
        with self._own_random():
            self._restore_random(self.random)
            loss = self._batch()
            self.random = self._random_state()
        self.taken += 1
        if self.held_out is not None and self.taken % self.per_epoch == 0:
            self._validate(self.held_out)
        return loss

    def best_model(self) -> Collaborative:
        """The network with the selected weights, in evaluation mode."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        return self.model.eval()

    def state_dict(self) -> Saved:
        """The state that a checkpoint saves."""
        return {
            "taken": self.taken,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "random": self.random,
            "order": self.order,
            "lowest": self.lowest,
            "best": self.best,
        }

    def load_state_dict(self, state: Saved) -> None:
        """Load the state of a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.taken, self.random = state["taken"], state["random"]
        self.order = state["order"]
        self.lowest, self.best = state["lowest"], state["best"]

    def _batch(self) -> float:
        videos, snippets = self.spatial.shape[:2]
        within = self.taken % self.per_epoch
        if within == 0:
            self.order = torch.randperm(videos, generator=self.generator)
        batch = self.order.split(self.config.batch_size)[within]
        fewest = min(self.config.fewest_snippets, snippets)
        count = int(torch.randint(fewest, snippets + 1, (), generator=self.generator))
        some = torch.randperm(snippets, generator=self.generator)[:count]
        first, second = (
            it[batch][:, some].to(self.device) for it in (self.spatial, self.motion)
        )
        self.model.train()
        loss = _loss(self.model(first, second), self.labels[batch].to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def _validate(self, held_out: tuple[Tensor, Tensor, Tensor]) -> None:
        self.model.eval()
        first, second, truth = (it.to(self.device) for it in held_out)
        now = _loss(self.model(first, second), truth).item()
        if now < self.lowest:
            self.lowest = now
            self.best = {n: v.clone() for n, v in self.model.state_dict().items()}

    def _own_random(self) -> Any:
        """A context whose random numbers leave the generators outside as they are."""
        devices = [self.device] if self.device.type == "cuda" else []
        return torch.random.fork_rng(devices=devices)

    def _random_state(self) -> dict[str, Tensor]:
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def _restore_random(self, state: dict[str, Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)


def _loss(logits: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    return F.cross_entropy(logits[0], labels) + F.cross_entropy(logits[1], labels)


def _start_from(heads: tuple[nn.Linear, nn.Linear], model: Collaborative) -> None:
    own = model.spatial_head, model.motion_head
    for name, given, head in zip(("spatial", "motion"), heads, own, strict=True):
        if given.weight.shape != head.weight.shape:
            raise RecipeError(
                f"collaborative: expected a {name} classifier from {head.in_features}"
                f" features to {head.out_features} classes, got one from"
                f" {given.in_features} to {given.out_features}"
            )
        head.load_state_dict(given.state_dict())


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


def _check_widths(
    held_out: tuple[Tensor, Tensor, Tensor], spatial: Tensor, motion: Tensor
) -> None:
    widths = held_out[0].shape[2], held_out[1].shape[2]
    if widths != (spatial.shape[2], motion.shape[2]):
        raise DataError(
            "collaborative: expected held-out features as wide as those of training,"
            f" got {widths[0]} and {widths[1]} for"
            f" {spatial.shape[2]} and {motion.shape[2]}"
        )
