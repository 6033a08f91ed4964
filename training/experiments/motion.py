"""Frames without labels -> a network that estimates the motion between them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from pipeline.store import Store

from ..data.dataset import Clips
from ..data.transforms import grid_size
from ..data.workers import single_threaded
from ..engine import processes
from ..engine.loop import on_device
from ..errors import RecipeError
from ..losses.photometric import BALANCED, FlowLoss, flow_loss
from ..models.motion_backbone import (
    BOUND_PX,
    MotionBackbone,
    MotionConfig,
    build_estimator,
    unnormalised,
)
from ..models.motionnet import MotionNet
from ..run_files.results import FlowError, Results
from ..runs.assessment import used_videos
from ..runs.config import TrainConfig, open_data
from ..runs.context import StoreJob
from ..runs.identity import run_config
from ..runs.lifecycle import open_run, report_hours, write_training_ids
from ..runs.machine import Machine
from ..runs.record import Run
from ..runs.train import train
from ..runs.validation import Validation
from ..scoring.clip_protocol import ClipProtocol
from ..steps.motion import Unsupervised


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionRecipe(TrainConfig):
    """Everything that decides the result of a motion network, apart from the data.

    Nothing is classified, so there is no `protocol` to choose.
    """

    motion: MotionConfig = field(default_factory=MotionConfig)
    loss: FlowLoss = BALANCED

    def __post_init__(self) -> None:
        TrainConfig.__post_init__(self)
        if self.balance:
            raise RecipeError(
                "expected no balance, as a motion network has one loss,"
                f" got {dict(self.balance)}"
            )
        if self.protocol != ClipProtocol():
            raise RecipeError(
                "expected no protocol of clips and scores, as a motion network classifies"
                f" nothing, got {self.protocol}"
            )
        of_labels = (self.label_smoothing, self.mixup, self.cutmix)
        if any(of_labels) or (self.class_weights, self.sampling) != ("none", "videos"):
            raise RecipeError(
                "expected label_smoothing, mixup, cutmix, class_weights and sampling as"
                " they are by default, as a motion network learns without labels"
            )
        check_motion(self.motion)
        if not self.motion.trains_alone:
            raise RecipeError(
                "expected a MotionNet that learns (motion.learns), which alone trains"
                f" without labels, got {self.motion.estimator},"
                f" learns {self.motion.learns}"
            )
        if self.clip.length != self.motion.frames:
            raise RecipeError(
                f"expected clips of the {self.motion.frames} frames that the motion"
                f" network takes, got {self.clip.length}"
            )


def check_motion(config: MotionConfig) -> None:
    """
    Raises:
        RecipeError: it sets `stored_px`, which the store determines.
    """
    if config.stored_px != 1:
        raise RecipeError(
            "expected no stored_px in a recipe, as it follows from the store and"
            f" grid_short_px, got {config.stored_px:g}"
        )


def motion(recipe: MotionRecipe, job: StoreJob) -> Run:
    """Train, compare with the stored flow if there is any, and complete the run.

    Nothing is recognised: the results have the end-point error against the stored TV-L1,
    in px of the stored grid, and that of no motion at all.

    Raises:
        TrainingError: see `train` and `open_data`.
    """
    data = open_data(recipe, job, ["rgb"], classifies=False)
    model = recipe.motion.estimator
    config = run_config(
        "motion",
        recipe,
        job,
        model={"estimator": model, "frames": recipe.motion.frames},
        modalities=["rgb"],
    )
    with open_run(config, job, store=job.store) as run:
        if run.results() is not None:
            return run
        job.reporter.say(
            f"{run.folder}: {model} learns from {len(data.parts.train)} videos without"
            " labels"
        )
        torch.manual_seed(job.seed)  # for the first weights
        estimator = build_estimator(recipe.motion)
        assert isinstance(estimator, MotionNet)  # checked by the recipe
        step = Unsupervised(
            estimator,
            rgb_mean=recipe.clip.rgb_mean,
            rgb_std=recipe.clip.rgb_std,
            loss=recipe.loss,
        )
        report_hours(run, recipe, job, step, estimator, data=data, title="motion")
        held_out, machine = data.clips["held_out"], job.machine
        processes.run_on_first(
            lambda: write_training_ids(run, data.parts), machine.processes
        )
        training = train(
            recipe,
            job,
            step,
            estimator,
            clips=data.clips["train"],
            validator=(lambda model: _validate(model, step, held_out, machine))
            if len(held_out)
            else None,
            run=run,
            title="motion",
        )

        def evaluate() -> None:
            flow = None
            if "flow" in job.store.modalities:
                both = Clips(
                    data.clips["test"].frames,
                    data.parts.test,
                    ["rgb", "flow"],
                    recipe.clip,
                )
                pixels = stored_px(job.store, recipe.clip.grid_short_px)
                flow = against_stored(estimator, both, pixels, machine)
            run.finish(
                Results(
                    what="motion without labels",
                    split=run.config().split,
                    videos=used_videos(data.parts),
                    training=training,
                    flow=flow,
                )
            )

        processes.run_on_first(evaluate, machine.processes)
    return run


def stored_px(store: Store, grid_short_px: int | None) -> float:
    """px of the stored grid per px of the clips, which are cut from a reduced one."""
    video = store.videos()[0]
    size = grid_size(video.height, video.width, grid_short_px)
    return min(video.height, video.width) / min(size)


@torch.no_grad()
def against_stored(
    estimator: nn.Module, clips: Clips, pixels: float, machine: Machine
) -> FlowError:
    """End-point error of estimated motion against the stored flow, in px of its grid.

    Args:
        clips: of rgb and flow.
        pixels: see `stored_px`.

    Returns:
        Mean end-point errors of the estimate, and of no motion at all.
    """
    config = clips.config
    backbone = MotionBackbone(
        estimator,
        nn.Identity(),
        rgb_mean=config.rgb_mean,
        rgb_std=config.rgb_std,
        motion_gain=BOUND_PX,
        stored_px=pixels,
    )
    errors, rest = [], []
    for batch in _middles(clips, machine):
        rgb, stored = batch["rgb"], batch["flow"]
        known = stored[:, :, :-1] * (BOUND_PX / config.motion_gain)
        found = backbone(rgb)
        errors.append((found - known).square().sum(1).sqrt().flatten(1).mean(1).cpu())
        rest.append(known.square().sum(1).sqrt().flatten(1).mean(1).cpu())
    return FlowError(
        end_point_error_px=float(torch.cat(errors).mean()),
        of_no_motion_px=float(torch.cat(rest).mean()),
        videos=float(len(clips)),
    )


class _Middle(Dataset):
    """The clip in the middle of each video, cut in the middle of the frame."""

    def __init__(self, clips: Clips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        clips, video = self.clips, self.clips.videos[place]
        start = max(clips.available(video) - clips.config.span, 0) // 2
        seen = clips.stated(video, start, clips.views(video, 1))
        return {modality: value[0] for modality, value in seen.items()}


def _middles(clips: Clips, machine: Machine) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of these clips on the device, one after the other."""
    loader = DataLoader(
        _Middle(clips),
        16,
        num_workers=machine.workers,
        pin_memory=machine.device.type == "cuda",
        worker_init_fn=single_threaded,
        generator=torch.Generator(),
    )
    for batch in loader:
        yield on_device(batch, machine.device)


@torch.no_grad()
def _validate(
    net: nn.Module, step: Unsupervised, clips: Clips, machine: Machine
) -> Validation:
    assert isinstance(net, MotionNet)
    training = net.training
    net.eval()
    losses = []
    for batch in _middles(clips, machine):
        # from 0 to 1 or nearly: as the step undoes it
        frames = unnormalised(batch["rgb"], mean=step.rgb_mean, std=step.rgb_std)
        losses.append(float(flow_loss(frames, net.scales(frames), step.loss)[0]))
    net.train(training)
    return Validation(float(np.mean(losses)))
