"""Joint training on several data sets: one trunk, and a head for each.

Source:
    Simonyan and Zisserman, "Two-Stream Convolutional Networks", NIPS 2014, section 6; so
    HMDB51 is trained together with UCF101 by Zhang et al., "Real-Time Action Recognition With
    Deeply Transferred Motion Vector CNNs", IEEE TIP 2018. There and here a batch has clips
    of both, the loss is the sum, and each head sees its own clips only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from motion_shards.plain_text import counted
from pipeline.store import Store

from ..data.dataset import Clips
from ..data.joined import JoinedClips
from ..engine import checkpoint
from ..errors import RecipeError, RunError
from ..models.backbones import BackboneConfig
from ..models.heads import TwoHeads
from ..run_files.names import WEIGHTS
from ..run_files.results import Accuracy, OtherDataSet
from ..run_files.run_config import JointStore, VariantStore
from ..runs.assessment import assessment
from ..runs.config import Data, TrainConfig, open_data, sees_of
from ..runs.context import StoreJob
from ..runs.identity import held_out_facts, split_facts, store_facts, variant_facts
from ..runs.lifecycle import fresh_network
from ..runs.record import Run
from ..scoring.protocols import Scorer

OTHER_WEIGHTS = "model_{name}.pt"
"""The trunk with the head of another data set than the first."""
OTHER_SCORES = "scores_{part}.{name}.npz"


@dataclass(frozen=True, slots=True)
class TrainingStores:
    """The stores that a run is trained on: its own, or also others, with a head for each.

    The run belongs to its own store, whose head gives its results; those of the others are
    recorded under `others`, and their heads saved in files of their own.
    """

    jobs: Mapping[str, StoreJob]
    """Data set -> the job on its store; the first is the run's own."""
    data_sets: Mapping[str, Data]

    @property
    def several(self) -> bool:
        return len(self.jobs) > 1

    @property
    def stores(self) -> list[Store]:
        return [job.store for job in self.jobs.values()]

    @property
    def classes(self) -> dict[str, int]:
        """Data set -> number of its classes."""
        return {name: len(job.store.classes) for name, job in self.jobs.items()}

    @property
    def own(self) -> str:
        """The data set of the run."""
        return next(iter(self.jobs))

    @property
    def names(self) -> str:
        """ "ucf101 and hmdb51"."""
        return " and ".join(self.jobs)

    @property
    def data(self) -> Data:
        """Training clips of all stores, held-out and test clips of the run's own."""
        data = self.data_sets[self.own]
        if not self.several:
            return data
        return Data(data.parts, data.clips | {"train": self.joined_clips})

    @property
    def joined_clips(self) -> JoinedClips:
        clips = {name: data.clips["train"] for name, data in self.data_sets.items()}
        return JoinedClips(clips)

    @property
    def text(self) -> str:
        """The training videos in words."""
        counts = {name: len(data.parts.train) for name, data in self.data_sets.items()}
        if not self.several:
            return counted(counts[self.own], "video")
        return " and ".join(
            f"{counted(count, 'video')} of {name}" for name, count in counts.items()
        )

    @property
    def held_out_text(self) -> str:
        """The held-out videos in words; empty for several stores."""
        return "" if self.several else f", {self.data_sets[self.own].parts.summary()}"

    def facts(
        self, recipe: TrainConfig, modalities: Sequence[str]
    ) -> dict[str, JointStore] | None:
        """The part of the other stores in what decides the result."""
        if not self.several:
            return None
        return {
            name: JointStore(
                store=store_facts(job.store, modalities),
                split=split_facts(job.store, job.split),
                videos_held_out=held_out_facts(recipe, job),
            )
            for name, job in self.jobs.items()
            if name != self.own
        }

    @property
    def of_stores_text(self) -> str:
        """The stores that clips come from, behind a network in words; empty of one."""
        count = len(self.data_sets[self.own].variants)
        return f", clips of {1 + count} stores" * bool(count)

    def variant_facts(self, recipe: TrainConfig) -> tuple[VariantStore, ...] | None:
        """The part of the variants in what decides the result."""
        data = self.data_sets[self.own]
        if not data.variants:
            return None
        return variant_facts(data.variants, data.parts.train, sees=sees_of(recipe))

    def network(self, config: BackboneConfig) -> nn.Module:
        """A network with its first weights; `TwoHeads` of several stores."""
        network = fresh_network(config, self.jobs[self.own])
        return TwoHeads(network, self.classes) if self.several else network

    def own_network(self, network: nn.Module) -> nn.Module:
        """The network that is evaluated: the trunk with the head of the run's store."""
        return network.alone(self.own) if isinstance(network, TwoHeads) else network

    def evaluate_others(
        self, run: Run, recipe: TrainConfig, network: nn.Module, *, sees: str
    ) -> dict[str, OtherDataSet] | None:
        """Evaluate the heads of the other stores, and save their weights and scores."""
        if not isinstance(network, TwoHeads):
            return None
        return {
            name: _evaluate_head(
                run,
                recipe,
                job,
                network.alone(name),
                name=name,
                sees=sees,
                clips=self.data_sets[name].clips,
            )
            for name, job in self.jobs.items()
            if name != self.own
        }


def training_stores(
    recipe: TrainConfig, job: StoreJob, modalities: Sequence[str]
) -> TrainingStores:
    """The stores of a job, opened.

    Raises:
        RecipeError: the recipe selects the best weights, which is undefined for several
            stores; or there are several stores and variants.
        RunError: two stores are the same.
        DataError: see `open_data`.
    """
    jobs = {"": job}
    if job.other_stores:
        if job.variants:
            raise RecipeError(
                f"expected one store with variants, got {1 + len(job.other_stores)}"
                f" and {counted(len(job.variants), 'variant')}"
            )
        check_joint(recipe)
        stores = (job.store, *job.other_stores)
        jobs = {
            name: replace(job, store=store)
            for name, store in zip(names_of(stores), stores, strict=True)
        }
    data = {name: open_data(recipe, one, modalities) for name, one in jobs.items()}
    return TrainingStores(jobs, data)


def check_joint(recipe: TrainConfig, *, teachers: int = 0) -> None:
    """Check that several stores can be learned together by a recipe.

    Raises:
        RecipeError: it selects the best weights, which one store would decide, or has
            several teachers.
    """
    if recipe.select == "best":
        raise RecipeError(
            "expected the last weights to be selected in joint training, got the best of"
            " one data set"
        )
    if teachers > 1:
        raise RecipeError("expected one teacher for several stores, got several")


def names_of(stores: Sequence[Store]) -> list[str]:
    """Names of the data sets; of the folders where two are of one kind.

    Raises:
        RunError: two have the same name, or there is only one.
    """
    names = [store.dataset for store in stores]
    if len(set(names)) < len(names):
        names = [store.folder.resolve().name for store in stores]
    names = [name.replace(".", "_") for name in names]
    if len(set(names)) < len(names) or len(names) < 2:
        raise RunError(
            f"expected several different stores to learn together, got {', '.join(names)}"
        )
    return names


def head_weights(run: Run, names: Sequence[str]) -> list[Path]:
    """The weights of each data set's network.

    Args:
        names: of the data sets; the first is the run's own.
    """
    files = [WEIGHTS, *(OTHER_WEIGHTS.format(name=name) for name in names[1:])]
    return [run.weights(file) for file in files]


def _evaluate_head(
    run: Run,
    recipe: TrainConfig,
    job: StoreJob,
    model: nn.Module,
    *,
    name: str,
    sees: str,
    clips: Mapping[str, Clips],
) -> OtherDataSet:
    """Evaluate the head of another data set, and save its weights and scores.

    Args:
        job: on the videos of that data set.
        name: of it.
    """
    weights = {key: value.cpu() for key, value in model.state_dict().items()}
    checkpoint.save_weights(run.path(OTHER_WEIGHTS.format(name=name)), weights)
    accuracies: dict[str, Accuracy] = {}
    for part in ("held_out", "test"):
        if not len(clips[part]):
            continue
        scorer = Scorer(
            clips[part],
            sees=sees,
            protocol=recipe.protocol,
            device=job.machine.device,
            precision=job.machine.precision,
            workers=job.machine.workers,
            inputs=job.machine.inputs,
            split=job.split,
            part=part,
        )
        scores = scorer(model)
        scores.save(run.path(OTHER_SCORES.format(part=part, name=name)))
        accuracies[part] = assessment(scores, job.store.classes)
    return OtherDataSet(
        held_out=accuracies.get("held_out"), test=accuracies.get("test")
    )
