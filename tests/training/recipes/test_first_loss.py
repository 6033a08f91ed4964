"""Networks with random first weights begin as a guess, and learn from the first steps on.

On real clips, one of each class, at the recipe's own rate: a start that is too strong has
many times the loss of a guess, with dropout above all.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import default_collate

from pipeline.commands.cli import main
from pipeline.store import Store
from training.data.clip_config import ClipConfig
from training.data.dataset import Clips, frames_of
from training.data.normal import CAFFE
from training.data.order import ClipPosition
from training.engine.loop import fit
from training.engine.optim import Schedule, build_optimizer
from training.experiments.distill_recipe import DistillRecipe
from training.experiments.teach import TeachRecipe
from training.models.backbones import BackboneConfig, build_backbone, net_named
from training.recipes import SIZES, get_recipe, recipe_names, to_teach
from training.runs.config import TrainConfig
from training.steps.labels import Supervised

CPU = torch.device("cpu")
CLASSES, STEPS = 7, 20
LONGEST = 8
"""Entries of clips for 3D networks, which take any number."""


class Start(NamedTuple):
    """A network and the clips that it sees."""

    net: BackboneConfig
    clip: ClipConfig


class Beginner(NamedTuple):
    """A recipe that begins with random weights."""

    name: str
    size: str
    settings: TrainConfig


def random_starts() -> dict[Start, list[Beginner]]:
    """Start -> recipes that begin so, in the order of the recipes."""
    found: dict[Start, list[Beginner]] = {}
    for name in recipe_names():
        recipe = get_recipe(name)
        several = recipe.system.any_modality
        for sees in ("rgb", "flow", "mv") if several else (None,):
            one = to_teach(recipe, sees).settings if several else recipe.settings
            if isinstance(one, TeachRecipe):
                net = one.model
            elif isinstance(one, DistillRecipe) and one.init == "none":
                net = one.student
            else:
                continue
            clip = one.clip
            if net_named(net.net).dim == 3:
                clip = replace(clip, length=min(clip.length, LONGEST))
            if net.weights is None:
                start, size = Start(net, clip), recipe.size.name
                found.setdefault(start, []).append(Beginner(name, size, one))
    return found


STARTS = random_starts()


def name_of(start: Start) -> str:
    return f"{STARTS[start][0].name}-{start.net.sees}"


def deep(start: Start) -> bool:
    """A 3D network of clips of more than small size: minutes for a few steps."""
    area = math.prod(start.clip.crop_px)
    return net_named(start.net.net).dim == 3 and start.clip.length * area > 16 * 60 * 60


def params(starts: list[Start], slow: Callable[[Start], bool]) -> list:
    return [
        pytest.param(
            start, id=name_of(start), marks=[pytest.mark.slow] if slow(start) else []
        )
        for start in starts
    ]


EVERY = params(list(STARTS), deep)
LEARNING = params(
    [
        s
        for s in STARTS
        if net_named(s.net.net).dim == 2 or STARTS[s][0].size != "paper"
    ],
    lambda start: deep(start) or math.prod(start.clip.crop_px) > 60 * 60,
)
"""All but 3D networks of paper size, whose 20 steps take hours on a CPU."""


@pytest.fixture(scope="session")
def real_clips(clips_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A video of each of seven classes of UCF101."""
    folder = tmp_path_factory.mktemp("real") / "store"
    words = ["extract", "--dataset", "folder", "--videos", clips_folder / "ucf101"]
    words += ["--out", folder, "--limit", f"{CLASSES}", "--workers", "1"]
    words += ["--short-side", "120", "--flow-profile", "fast"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return Store(folder)


def batch_of(
    store: Store, start: Start, *, count: int = CLASSES
) -> dict[str, torch.Tensor]:
    """A training clip of every video, or of the first ones."""
    videos = store.videos()
    assert sorted(video.labels[0] for video in videos) == list(range(CLASSES))
    videos, clip = videos[:count], start.clip
    clips = Clips(frames_of(store, clip), videos, [start.net.sees], clip)
    return default_collate([clips[ClipPosition(0, k, k)] for k in range(len(videos))])


def network_of(start: Start) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(start.net, CLASSES)


def loss_of(net: nn.Module, start: Start, batch, *, training: bool) -> float:
    """Cross-entropy; with dropout the mean of two masks."""
    drawn = 2 if training and net_named(start.net.net).dim == 2 else 1
    with torch.no_grad():
        net.train(training)
        found = [
            cross_entropy(net(batch[start.net.sees]), batch["label"])
            for _ in range(drawn)
        ]
    return float(torch.stack(found).mean())


@pytest.mark.parametrize("start", EVERY)
def test_the_first_loss_is_that_of_a_guess(real_clips, start):
    batch, net = batch_of(real_clips, start), network_of(start)
    for training in (False, True):
        loss = loss_of(net, start, batch, training=training)
        assert loss == pytest.approx(math.log(CLASSES), rel=0.2), training


@pytest.mark.parametrize("start", LEARNING)
def test_the_loss_falls_over_the_first_steps(real_clips, start):
    """At the rates that the recipe begins with, on the batch that is learned.

    Networks with dropout are compared in evaluation mode, which draws no mask; the 3D ones
    in training mode, as batch norm's running values lag behind."""
    settings, size = STARTS[start][0].settings, STARTS[start][0].size
    batch = batch_of(real_clips, start, count=4 if size == "paper" else CLASSES)
    net, normed = network_of(start), net_named(start.net.net).dim == 3
    before = loss_of(net, start, batch, training=normed)
    step = Supervised(net, sees=start.net.sees)
    optim = settings.optim
    optimizer = build_optimizer(step, optim)
    schedule = Schedule(optimizer, optim)
    total = settings.epochs * 20  # as of some hundreds of clips

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        for number in range(STEPS):
            schedule.before_step(number, total)
            yield batch

    values = fit(
        step,
        batches(),
        optimizer,
        device=CPU,
        gradient_clip=optim.gradient_clip,
    )
    losses = [value["loss"] for value in values]
    after = loss_of(net, start, batch, training=normed)
    assert after < min(before, math.log(CLASSES)), (before, after, losses)


def test_weights_that_others_trained_see_values_to_255():
    """Those of ClarifaiNet are Caffe's; the scale of random first weights is not theirs."""
    paper = SIZES["paper"].frame
    assert (paper.rgb_std, paper.motion_gain) == (CAFFE["rgb_std"], 127.5)
    for name in recipe_names():
        model = getattr(get_recipe(name).settings, "model", None)
        if getattr(model, "net", "") == "clarifai" and model.weights is not None:
            assert get_recipe(name).settings.clip.rgb_std == CAFFE["rgb_std"], name
