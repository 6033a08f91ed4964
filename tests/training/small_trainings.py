"""Trainings of small students with all that learns beside a network."""

from dataclasses import replace
from pathlib import Path

import tiny_recipe as tiny
import torch
from tiny_runs import job_on
from torch import nn

from training.data.joined import JoinedClips
from training.engine.optim import OptimConfig
from training.losses.gram import GramMatching
from training.losses.terms import FeatureMSE, SoftTargets
from training.models.backbones import BackboneConfig, build_backbone
from training.models.heads import TwoHeads
from training.runs.config import Data, TrainConfig, open_data
from training.runs.context import StoreJob
from training.runs.record import Run
from training.runs.train import train
from training.runs.validation import classifier_validator
from training.steps.distill import Distill, JointDistill
from training.steps.teachers import Teacher

OPTIM = OptimConfig(
    learning_rate=0.01,
    momentum=0.9,
    dampening=0.9,
    schedule="steps",
    milestones=(1 / 3, 7 / 9),
    warm_up_steps=2,
    bias_rate=2.0,
    gradient_clip=10.0,
    accumulate=2,
)
CONFIG = TrainConfig(
    clip=tiny.CLIP,
    optim=OPTIM,
    epochs=2,
    batch_size=3,
    protocol=tiny.PROTOCOL,
    held_out=0.25,
    select="best",
    gradients_at="layer4",
    balance={"soft": 0.5},
)
CLASSES = {"ucf101": 2, "hmdb51": 3}


def net(name: str, sees: str, classes: int = 2) -> nn.Module:
    return build_backbone(BackboneConfig(net=name, sees=sees), classes)


def adapted(config: TrainConfig) -> tuple[nn.Module, nn.Module]:
    """A narrow student of a wider teacher: projections learn with it."""
    torch.manual_seed(0)
    student, teacher = net("r3d_tiny", "mv"), net("r3d_narrow", "flow")
    terms = {
        "match": FeatureMSE(weight=1.0, taps=("layer4", "avgpool"), adapter="conv"),
        "soft": SoftTargets(),
    }
    size = (config.clip.length, *config.clip.crop_px)
    step = Distill(
        student,
        teacher,
        student_sees="mv",
        terms=terms,
        feature_only=1,
        example={
            "mv": torch.zeros(1, 2, *size),
            "flow": torch.zeros(1, 2, *size),
            "label": torch.zeros(1, dtype=torch.int64),
        },
    )
    return step, student


def joint(config: TrainConfig) -> tuple[nn.Module, nn.Module]:
    """Two data sets, two heads, and a teacher of two heads; the second is judged."""
    torch.manual_seed(0)
    student = TwoHeads(net("r3d_tiny", "mv"), CLASSES)
    expert = TwoHeads(net("r3d_tiny", "flow"), CLASSES)
    teachers = {
        name: Teacher({"flow": expert.alone(name)}, {"flow": "flow"})
        for name in CLASSES
    }
    terms = {"gram": GramMatching(taps=("layer2",), norm="mean"), "soft": SoftTargets()}
    step = JointDistill(student, teachers, student_sees="mv", terms=terms)
    return step, student.alone("hmdb51")


def data_of(job: StoreJob, config: TrainConfig, make) -> Data:
    data = open_data(config, job, ["mv", "flow"])
    if make is joint:
        clips = data.clips["train"]
        other = open_data(
            replace(config, held_out=0.5), replace(job, seed=1), ["mv", "flow"]
        )
        both = JoinedClips({"ucf101": clips, "hmdb51": other.clips["train"]})
        return Data(data.parts, data.clips | {"train": both})
    return data


def trained(store, out: Path, make, *, config: TrainConfig = CONFIG, **changes) -> Run:
    step, model = make(config)
    run = Run.open(out, {"config": "test"}, machine={})
    job = job_on(store, out.parent, **changes)
    data = data_of(job, config, make)
    train(
        config,
        job,
        step,
        model,
        clips=data.clips["train"],
        validator=classifier_validator(config, data, sees="mv", machine=job.machine),
        run=run,
        title="test",
    )
    return run
