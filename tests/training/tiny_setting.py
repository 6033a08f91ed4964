"""The tiny recipe on a store, silently."""

from pathlib import Path

from pipeline.store import Store
from training.jobs.machine import Machine
from training.progress import Silent
from training.recipes import family
from training.setting import Setting


def tiny_setting(store: Store, runs: Path) -> Setting:
    """What the options of a command would say."""
    return Setting(
        store=store,
        split="1",
        seed=0,
        name="tiny",
        family=family("tiny"),
        runs=runs,
        machine=Machine(),
        watch=Silent(),
    )
