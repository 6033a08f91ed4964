"""GPUs that attempts fail on, one after the other: those that are not tried again."""

from collections import Counter

from .attempt import Failure, Outcome

GIVE_UP = 3
"""Failures of a GPU, with no shard built on it in between, after which it is not tried again."""


class GpuHealth:
    """Failures of each GPU since it last built a shard."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()

    def note(self, outcome: Outcome) -> None:
        """Count an outcome for its GPU, if it has one."""
        if not isinstance(outcome, Failure):
            self._failures.pop(outcome.gpu, None)
        elif outcome.kind in ("device", "gone"):
            self._failures[outcome.gpu] += 1

    def given_up(self) -> set[str]:
        """GPUs that are not tried again, as outcomes name them."""
        return {gpu for gpu, count in self._failures.items() if count >= GIVE_UP}
