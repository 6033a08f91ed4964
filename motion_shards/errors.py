"""The base of the errors that both commands show as one line, without a traceback.

MotionShardsError
├── ClusterError           also a RuntimeError
├── MissingExtra           also an ImportError
├── Shadowed               also a RuntimeError
├── StoreError             pipeline.store.errors
├── DatasetError           pipeline.adapters.errors
├── FlowError              pipeline.flow.errors
├── VideoError             pipeline.extract.errors
├── PlanError and others   pipeline.errors
└── TrainingError          training.errors

A subclass is also the built-in error that a caller would expect, such as ValueError.
"""


class MotionShardsError(Exception):
    """Base of everything that `pipeline` and `training` raise on purpose."""


class ClusterError(MotionShardsError, RuntimeError):
    """A cluster does not answer, refuses, or does not know a job; one line."""


class MissingExtra(MotionShardsError, ImportError):
    """A library of an extra is needed and not installed; one line names the extra."""


class Shadowed(MotionShardsError, RuntimeError):
    """Another file has the name of one of our packages and comes first; one line."""
