"""Context of a run: data, machine, folders."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, TypedDict

from pipeline.store import Store

from ..data.known_share import MIN_KNOWN_SHARE
from .machine import Machine
from .progress import ProgressReporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Context of the run of one recipe."""

    name: str
    """Name of the recipe."""
    runs: Path
    """Folder of runs; an equal one in it is used or resumed."""
    out: Path | None = None
    """The run's folder; None finds or makes one in `runs`."""
    base: str
    """Name of a new folder there."""
    changes: tuple[str, ...] = ()
    """Settings that differ from those of the recipe of this name, for people."""
    code: tuple[str, ...] = ()
    """Names of the Python files that the recipe comes from."""
    machine: Machine
    reporter: ProgressReporter
    wait: bool = False
    """Wait while another process writes the run; else that is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreJob(Job):
    """Context of a run on the videos of a store."""

    store: Store
    split: str
    seed: int
    held_out: float | None = None
    """Share of the training videos to hold out; None is the recipe's."""
    min_known_share: float = MIN_KNOWN_SHARE
    """Least share of intervals with known motion vectors, if the run sees vectors."""
    fused_by_held_out: bool = False
    """Whether the run is for a fusion whose weights are found on held-out videos."""
    other_stores: tuple[Store, ...] = ()
    """Further stores that are learned together with the first."""
    variants: tuple[Store, ...] = ()
    """Stores of the same videos, from which training clips have what the network sees,
    too: see `open_variants`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Context in which recipes run: all fields of a `StoreJob` but those of its recipe."""

    store: Store
    split: str
    seed: int
    runs: Path
    machine: Machine
    reporter: ProgressReporter
    wait: bool = False
    held_out: float | None = None
    min_known_share: float = MIN_KNOWN_SHARE
    fused_by_held_out: bool = False
    other_stores: tuple[Store, ...] = ()
    variants: tuple[Store, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets of all stores; the own one is the first."""
        return tuple(store.dataset for store in (self.store, *self.other_stores))

    def job(
        self,
        name: str,
        *,
        label: str = "",
        out: Path | None = None,
        changes: tuple[str, ...] = (),
        code: tuple[str, ...] = (),
    ) -> StoreJob:
        """A run of one recipe here.

        Args:
            name: of the recipe.
            label: behind it in the name of a new folder: "flow-to-mv".
            out: the run's folder, where it is given.
            changes: settings that differ from those of the recipe of this name.
            code: names of the Python files that the recipe comes from.
        """
        shared = {field.name: getattr(self, field.name) for field in fields(self)}
        varied = f"{len(self.variants)}variants" * bool(self.variants)
        base = run_name(
            (self.store, *self.other_stores),
            "-".join(filter(None, (name, label, varied))),
            split=self.split,
            seed=self.seed,
        )
        return StoreJob(
            name=name, out=out, base=base, changes=changes, code=code, **shared
        )


class HoldsOut(Protocol):
    """A recipe that says how much is held out, and whether it chooses by that."""

    @property
    def held_out(self) -> float: ...

    @property
    def chooses(self) -> bool: ...


class Holding(TypedDict):
    """Arguments of `parts` and `held_out_videos`."""

    held_out: float
    chooses: bool


def holding(recipe: HoldsOut, job: StoreJob) -> Holding:
    """Arguments of `parts` and `held_out_videos`, from a recipe and its job."""
    if job.held_out is not None:
        return {"held_out": job.held_out, "chooses": True}
    chooses = recipe.chooses or job.fused_by_held_out
    return {"held_out": recipe.held_out, "chooses": chooses}


def run_name(stores: Sequence[Store], what: str, *, split: str, seed: int) -> str:
    """Name of a new run's folder.

    Args:
        stores: that are learned together.
        what: is done with them: the recipe's name, and more where that could be several.
    """
    of = "+".join(store.folder.resolve().name for store in stores)
    return f"{of}-{what}-split{split}-seed{seed}"
