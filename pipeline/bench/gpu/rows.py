"""The rows that stages report, with their JSON: one kind of row per kind of finding."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

State = Literal["finished", "not run", "failed", "crashed", "timed out", "interrupted"]
"""End of a stage. failed: it raised an error; crashed: its process died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The GPU that is measured."""

    name: str
    capability: str
    """Compute capability, such as "9.0"."""
    multiprocessors: int
    memory_bytes: int
    free_bytes: int
    """Free memory before the first stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A property of the machine or of its software."""

    name: str
    value: str
    concern: str = ""
    """Consequence for the measurements; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A number that says how far an answer is from the expected one."""

    name: str
    value: float
    unit: str = ""
    most: float | None = None
    """Largest value that is right; None: the value is reported and not judged."""

    @property
    def passed(self) -> bool:
        """Whether the value is no larger than it may be; a value that is no number never
        is."""
        return self.most is None or self.value <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSpeed:
    """Speed of TV-L1 with batches of one size, coded flow back on the host."""

    profile: str
    batch: int
    pairs_per_second: float
    usual: bool = False
    """Whether extraction takes batches of this size."""
    forecast: float | None = None
    """Pairs per second that the timing model expects of an H200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTime:
    """Time of all launches of one kernel in a batch, by events on the device."""

    profile: str
    batch: int
    kernel: str
    launches: int
    milliseconds: float
    share: float
    """Part of the time of all kernels of the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedError:
    """An error that was caused on purpose, and its effect."""

    cause: str
    expected: str
    found: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSpeed:
    """Speed of an extraction by a number of worker processes that share the GPU."""

    modalities: str
    workers: int
    pairs_per_second: float
    busy_share: float
    """Part of the time in which at least one worker had a batch on the GPU."""
    cores: float
    """Cores in use, on average."""
    usual: bool = False
    """Whether extraction takes this number of workers here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpeed:
    """Speed of training a network, in clips per second."""

    network: str
    memory_format: str
    batch_size: int
    workers: int
    """Processes that read clips."""
    network_alone: float
    """With one batch that is on the device already."""
    loader_alone: float
    training: float
    share_of_waiting: float
    """Part of the training's time that is spent waiting for clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """A part of a stage that was left out, and the reason."""

    part: str
    reason: str


Row: TypeAlias = (
    Device
    | Fact
    | Comparison
    | FlowSpeed
    | KernelTime
    | InjectedError
    | ExtractionSpeed
    | TrainingSpeed
    | NotRun
)

KINDS: dict[str, type[Row]] = {
    "device": Device,
    "fact": Fact,
    "comparison": Comparison,
    "flow_speed": FlowSpeed,
    "kernel_time": KernelTime,
    "injected_error": InjectedError,
    "extraction_speed": ExtractionSpeed,
    "training_speed": TrainingSpeed,
    "not_run": NotRun,
}
"""Kind of a row in JSON -> its class."""
NAMES = {kind: name for name, kind in KINDS.items()}


def to_json(row: Row) -> dict[str, Any]:
    """The row as a JSON object; `kind` says which row it is."""
    found = {"kind": NAMES[type(row)]} | asdict(row)
    if isinstance(row, Comparison):
        found["passed"] = row.passed
    return found


def from_json(found: dict[str, Any]) -> Row:
    """The row of a JSON object that `to_json` made."""
    values = dict(found)
    kind = KINDS[values.pop("kind")]
    if kind is Comparison:
        del values["passed"]
    return kind(**values)
