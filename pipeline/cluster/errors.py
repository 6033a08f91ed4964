"""What can go wrong between here and a cluster. Imports nothing, so that it can be caught."""


class ClusterError(RuntimeError):
    """A cluster does not answer, refuses, or does not know a job; one line."""
