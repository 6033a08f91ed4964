"""Mixup and CutMix of the clips of a batch, alike in all modalities.

Teacher and student see the same mixture, as it is made before both.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Mixing:
    """Mixes each clip of a batch with another one.

    The mixture is a function of seed, step and process, so a resumed training has the
    same. Adds "other_label" (B,) int64 and "share" (B,) float32, the share of a clip's
    own label, to a batch; of several data sets, to each.

    Source:
        mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
        cutmix: Yun et al., "CutMix", ICCV 2019; one box for all entries of a clip, as in
        Yun et al., "VideoMix", arXiv:2012.03457.
    """

    def __init__(
        self, *, mixup: float = 0.0, cutmix: float = 0.0, seed: int, rank: int = 0
    ) -> None:
        """
        Args:
            mixup, cutmix: parameter of the beta distribution that the share is drawn
                from; 0 is off. With both, each batch has one of them, equally likely.
        """
        self.mixup, self.cutmix, self.seed, self.rank = mixup, cutmix, seed, rank

    @property
    def mixes(self) -> bool:
        return self.mixup > 0 or self.cutmix > 0

    def __call__(self, batches: Iterable[Any], first_step: int) -> Iterator[Any]:
        """Mix batches, of which the first is that of step `first_step`."""
        for step, batch in enumerate(batches, first_step):
            yield self.mixed(batch, np.random.default_rng(self._key(step)))

    def _key(self, step: int) -> list[int]:
        return [self.seed, step, self.rank, 2]

    def mixed(self, batch: Any, rng: np.random.Generator) -> Any:
        """One batch, mixed."""
        if not isinstance(batch["label"], Tensor) if "label" in batch else True:
            return {name: self.mixed(part, rng) for name, part in batch.items()}
        cuts = self.cutmix > 0 and (self.mixup <= 0 or bool(rng.integers(2)))
        alpha = self.cutmix if cuts else self.mixup
        share = float(rng.beta(alpha, alpha))
        partner = torch.from_numpy(rng.permutation(len(batch["label"])))
        clips = {name: value for name, value in batch.items() if value.dim() == 5}
        if cuts:
            coarsest = min((value.shape[-2:] for value in clips.values()), key=sum)
            box = draw_box(rng, *coarsest, share=share)
            share = 1 - box_area(box) / (coarsest[0] * coarsest[1])
            mixed = {
                name: _cut(value, partner, box, coarsest)
                for name, value in clips.items()
            }
        else:
            mixed = {
                name: share * value + (1 - share) * value[partner]
                for name, value in clips.items()
            }
        labels = batch["label"]
        more = {
            "other_label": labels[partner],
            "share": torch.full((len(labels),), share),
        }
        return batch | mixed | more


Box = tuple[int, int, int, int]
"""Top, left, bottom, right; bottom and right are outside."""


def draw_box(rng: np.random.Generator, height: int, width: int, *, share: float) -> Box:
    """A box of about 1 - share of an image, its centre anywhere, cut at the border."""
    side = (1 - share) ** 0.5
    tall, wide = round(side * height), round(side * width)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    top, left = y - tall // 2, x - wide // 2
    bottom, right = min(top + tall, height), min(left + wide, width)
    return max(top, 0), max(left, 0), bottom, right


def box_area(box: Box) -> int:
    """Number of pixels inside."""
    top, left, bottom, right = box
    return max(bottom - top, 0) * max(right - left, 0)


def _cut(clips: Tensor, partner: Tensor, box: Box, size: tuple[int, ...]) -> Tensor:
    """Clips with the box of their partners, of which `size` is the grid."""
    down, across = clips.shape[-2] / size[0], clips.shape[-1] / size[1]
    rows = slice(round(box[0] * down), round(box[2] * down))
    columns = slice(round(box[1] * across), round(box[3] * across))
    mixed = clips.clone()
    mixed[..., rows, columns] = clips[partner][..., rows, columns]
    return mixed
