"""The stages in the order in which they run: those whose bad news change most come first."""

from typing import NamedTuple

PACKAGE = __name__.rpartition(".")[0]


class Stage(NamedTuple):
    """One stage: a function that yields rows, in a process of its own."""

    name: str
    title: str
    seconds: float
    """Share of the ten minutes that all stages take at most: a guess, until a GPU has run
    it."""
    function: str
    """Module and function, such as "package.module:function". It takes `Settings`."""


FACTS = Stage(
    "facts", "device, driver, machine, versions", 20, f"{PACKAGE}.facts:facts"
)
"""Always the first one: without a GPU that can be used, no other begins."""

STAGES = (
    FACTS,
    Stage(
        "answers", "flow of the GPU against the CPU", 130, f"{PACKAGE}.answers:answers"
    ),
    Stage(
        "speed",
        "pairs per second by batch size",
        70,
        f"{PACKAGE}.flow_speed:flow_speed",
    ),
    Stage("kernels", "time by kernel", 40, f"{PACKAGE}.kernel_times:kernel_times"),
    Stage("errors", "errors caused on purpose", 60, f"{PACKAGE}.faults:faults"),
    Stage(
        "workers",
        "extraction by number of workers",
        130,
        f"{PACKAGE}.extraction:extraction",
    ),
    Stage(
        "training",
        "training in clips per second",
        150,
        f"{PACKAGE}.training_speed:training_speed",
    ),
)

BUDGET_MINUTES = 10.0
"""Time of all stages together."""
