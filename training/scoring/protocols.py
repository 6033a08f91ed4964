"""Clips of a video -> scores of a video: the evaluation protocol."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from motion_shards.choices import MOTION
from pipeline.store import StoredVideo

from ..data.dataset import Clips, StatedClips
from ..data.packed import collated, unpacked
from ..data.packing import Inputs, inputs_on, packing_of
from ..data.workers import single_threaded
from ..engine.loop import Precision, autocast
from ..errors import RecipeError
from ..models.taps import pooled
from ..models.taps import tap as tapped
from .clip_protocol import ClipProtocol
from .scores import Scores


class Scorer:
    """Scorer of a fixed set of videos; its workers stay alive between calls.

    A network sees its own modality only, from its first to its last entry, whatever
    modalities its training had. A clip that counts several times is read and scored once.
    """

    def __init__(
        self,
        clips: Clips,
        *,
        sees: str,
        protocol: ClipProtocol,
        device: torch.device,
        precision: Precision = "float32",
        batch_size: int = 32,
        workers: int = 0,
        inputs: Inputs | None = None,
        split: str = "",
        part: str = "",
        classes: tuple[str, ...] | None = None,
    ) -> None:
        """
        Args:
            batch_size: inputs seen at once; each crop is one.
            inputs: where clips are normalised; None: on the device if it is a GPU.
            classes: names of the labels, if they are not the store's.
            split, part: recorded with the scores.

        Raises:
            RecipeError: the protocol mirrors, but a mirrored video is of another class.
        """
        store = clips.frames.store
        if protocol.crops == 10 and not store.mirror_safe:
            raise RecipeError(
                f"{store.folder}: expected 1 or 3 crops, got 10: they mirror, and mirrored"
                " videos of this data set are of other classes"
            )
        self.clips, self.sees, self.protocol = clips.seeing(sees), sees, protocol
        self.device, self.precision = device, precision
        self.split, self.part = split, part
        self.classes = store.classes if classes is None else classes
        self.mirrors = protocol.crops == 10
        wanted: list[tuple[int, int]] = []
        repeats: list[int] = []
        for index, video in enumerate(clips.videos):
            starts = protocol.starts(self.clips.available(video), clips.config.span)
            found, times = np.unique(starts, return_counts=True)
            wanted += [(index, start) for start in found.tolist()]
            repeats += times.tolist()
        self.video_of = np.array([index for index, _ in wanted], np.int64)
        self.times = np.array(repeats, np.int64)
        """Number of times each clip counts."""
        packs = (inputs or inputs_on(device)) == "device"
        seen = packing_of(self.clips) if packs else self.clips
        self.stated = StatedClips(seen, wanted, crops=protocol.crops)
        self.batch_size = max(batch_size // (5 if self.mirrors else protocol.crops), 1)
        self.workers = workers
        self.loader = self._loader()

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> Scores:
        """Score every clip once, in evaluation mode; the mode is restored."""
        videos = self.clips.videos
        sums: dict[str, np.ndarray] = {}
        training = model.training
        model.eval()
        for places, crops in self.batches():
            each = self.forward(model, crops)
            of_video, times = self.video_of[places], self.times[places, None]
            for name, values in (("logits", each), ("softmax", each.softmax(-1))):
                means = values.mean(dim=0).cpu().numpy()
                total = sums.setdefault(name, np.zeros((len(videos), means.shape[1])))
                np.add.at(total, of_video, means * times)
        model.train(training)
        if not sums:
            raise ValueError("expected at least one video to score")
        counts = np.bincount(self.video_of, self.times, len(videos))[:, None]
        classes = self.classes
        relevant = np.zeros((len(videos), sums["logits"].shape[1]), bool)
        for row, video in zip(relevant, videos, strict=True):
            row[list(video.labels)] = True
        return Scores(
            ids=tuple(video.id for video in videos),
            labels=first_labels(videos),
            logits=sums["logits"] / counts,
            softmax=sums["softmax"] / counts,
            relevant=None if (relevant.sum(axis=1) == 1).all() else relevant,
            aggregate=self.protocol.aggregate,
            classes=classes if len(classes) == relevant.shape[1] else (),
            split=self.split,
            part=self.part,
            groups=tuple(video.group for video in videos),
        )

    @torch.no_grad()
    def snippet_features(
        self, model: nn.Module, tap: str, *, first: int = 0
    ) -> Iterator[np.ndarray]:
        """Features of a layer for each snippet, the mean over its crops, batch by batch.

        Maps are averaged over space and time, so that d is the layer's channels. A
        snippet that counts several times comes several times.

        Args:
            tap: a submodule of the model.
            first: the batch to begin with, of `len(scorer.loader)`.

        Yields:
            (n, d) float32. One under the other they are those of the first video's
            snippets in order, then the second's, and so on.
        """
        training = model.training
        model.eval()
        try:
            for places, crops in self.batches(first):
                found = []
                for inputs in self._inputs(crops):
                    with tapped(model, tap) as taps:
                        self._pass(model, inputs)
                    found.append(_by_crop(pooled(taps[tap]), len(places)))
                values = torch.cat(found).mean(dim=0).cpu().numpy()
                yield values.repeat(self.times[places], axis=0)
        finally:
            model.train(training)

    def batches(self, first: int = 0) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Indices in the protocol's list of clips, and (B, crops, C, T, H, W).

        Args:
            first: the batch to begin with.
        """
        for batch in self.loader if first == 0 else self._loader(first):
            clips = unpacked(batch[self.sees], self.device)
            clips = clips.to(self.device, non_blocking=True)
            yield batch["index"].numpy(), clips

    def forward(self, model: nn.Module, clips: Tensor) -> Tensor:
        """(B, crops, C, T, H, W) -> (crops with mirrors, B, K) float64 logits."""
        passes = [self._pass(model, inputs).double() for inputs in self._inputs(clips)]
        return torch.cat([_by_crop(logits, len(clips)) for logits in passes])

    def _inputs(self, clips: Tensor) -> Iterator[Tensor]:
        """(B, crops, C, T, H, W) as batches, the mirrors in one of their own."""
        inputs = clips.flatten(0, 1)
        yield inputs
        if self.mirrors:
            yield mirrored(inputs, motion=self.sees in MOTION)

    def _pass(self, model: nn.Module, inputs: Tensor) -> Tensor:
        with autocast(self.device, self.precision):
            return model(inputs)

    def _loader(self, first: int = 0) -> DataLoader:
        left = range(first * self.batch_size, len(self.stated))
        return DataLoader(
            Subset(self.stated, left) if first else self.stated,
            self.batch_size,
            collate_fn=collated,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=single_threaded,
            generator=torch.Generator(),  # else iterating would draw from dropout's
        )


def first_labels(videos: Sequence[StoredVideo]) -> np.ndarray:
    """(V,) int64: the first label of each video, -1 where it has none."""
    return np.array([(*video.labels, -1)[0] for video in videos], np.int64)


def mirrored(clips: Tensor, *, motion: bool) -> Tensor:
    """(B, C, T, H, W) from right to left; what moved right moves left."""
    flipped = clips.flip(-1)
    if motion:
        flipped[:, 0].neg_()  # a copy already
    return flipped


def _by_crop(values: Tensor, clips: int) -> Tensor:
    """(B x crops, d) -> (crops, B, d)."""
    return values.unflatten(0, (clips, -1)).transpose(0, 1)
