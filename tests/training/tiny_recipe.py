"""The recipe `tiny`, and a context on a store, silently."""

from pathlib import Path

from pipeline.store import Store
from training.experiments.distill_recipe import DistillRecipe
from training.experiments.teach import TeachRecipe
from training.recipes import get_recipe, to_distill, to_teach
from training.runs.context import RunContext
from training.runs.machine import Machine
from training.runs.progress import SilentReporter

TINY = get_recipe("tiny")
CLIP, PROTOCOL = TINY.settings.clip, TINY.settings.protocol


def teach(modality: str) -> TeachRecipe:
    return to_teach(TINY, modality).settings


def distill(teacher: str, student: str) -> DistillRecipe:
    return to_distill(TINY, (teacher,), student).settings


def tiny_context(store: Store, runs: Path, **changes) -> RunContext:
    """Split 1, seed 0, on this machine."""
    given = {
        "store": store,
        "split": "1",
        "seed": 0,
        "runs": runs,
        "machine": Machine(),
        "reporter": SilentReporter(),
    }
    return RunContext(**given | changes)
