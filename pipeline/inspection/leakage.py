"""Predictions of class and codec from codec facts, vectors and flow.

Vectors know the motion, so they may predict the class honestly. The same statistics of
flow know the motion and hardly the encoder, so the difference counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.store import Json

from .classifiers import linear_discriminant, naive_bayes
from .guess import Difference, Guess, compared, guess, predictions
from .observations import Observations

CLASS, CODEC = "class", "codec family"
FACTS, VECTORS, FLOW = "codec facts", "motion vectors", "flow"
ROWS = (
    (CLASS, FACTS),
    (CLASS, VECTORS),
    (CLASS, FLOW),
    (CODEC, VECTORS),
    (CODEC, FLOW),
)
MODALITY = {VECTORS: "mv", FLOW: "flow"}
SUBJECTS = {
    FACTS: "facts of the coding of the sources",
    VECTORS: "statistics of the vectors",
    FLOW: "statistics of flow",
}
ADVICE = (
    "a student of original motion vectors can learn the encoder; canonical ones reduce "
    "its trace and do not remove it"
)
BEYOND_MOTION = {
    CLASS: "they carry more than motion, such as texture or the encoder",
    CODEC: "they carry a trace of the encoder",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prediction: `target` from `source`."""

    target: str
    """class or codec family."""
    source: str
    """codec facts, motion vectors or flow."""
    guess: Guess
    against_flow: Difference | None = None
    """Accuracy from motion vectors less that from flow, where a store has both."""
    unused: int = 0
    """Inspected videos that do not count: without known vectors, or of a class of one
    group, or of a codec family of one group or class."""

    @property
    def conclusion(self) -> str:
        """The finding of the row, in a sentence."""
        claim = f"{SUBJECTS[self.source]} predict the {self.target}"
        lead, against = self.guess.lead, self.against_flow
        if lead.difference <= 0:
            return f"no sign that {claim}"
        if not lead.significant:
            return (
                f"uncertain whether {claim}: they are ahead of chance by less than the "
                f"margin of error, {lead.margin:.1%}"
            )
        if self.source == FACTS:
            return f"{claim}: {ADVICE}"
        if self.source == FLOW:
            return claim
        if against is None:
            return f"{claim}; without flow in the store, motion alone may explain it"
        if against.significant:
            return f"{claim}, and better than flow: {BEYOND_MOTION[self.target]}"
        compared_with_flow = "not certainly" if against.difference > 0 else "no"
        return f"{claim}, but {compared_with_flow} better than flow: motion alone may explain it"

    def to_dict(self) -> dict[str, Json]:
        against = self.against_flow
        return {
            "target": self.target,
            "source": self.source,
            **self.guess.to_dict(),
            "against_flow": against
            and {**against._asdict(), "significant": against.significant},
            "unused": self.unused,
            "conclusion": self.conclusion,
        }


def measured(seen: Observations) -> tuple[list[Row], dict[tuple[str, str], str]]:
    """The rows that can be measured, and the reasons for those that cannot.

    Returns:
        Rows in the order of ROWS, and (target, source) -> reason.
    """
    rows: list[Row] = []
    left_out: dict[tuple[str, str], str] = {}
    families = np.unique(np.array(seen.families, str), return_inverse=True)[1]
    classes = seen.labels.astype(str)
    groups = np.array(seen.groups, str)
    for target, values, apart in (
        (CLASS, seen.labels, [groups]),
        (CODEC, families, [groups, classes]),
    ):
        made = _Predictions(seen, values, apart)
        for source in (name for kind, name in ROWS if kind == target):
            if (reason := made.reason(target, source)) is not None:
                left_out[target, source] = reason
                continue
            row = Row(
                target=target,
                source=source,
                guess=made.guess(source),
                unused=made.unused(source),
            )
            rows.append(row)
        if all((target, source) not in left_out for source in MODALITY):
            rows = [
                replace(row, against_flow=made.against_flow())
                if (row.target, row.source) == (target, VECTORS)
                else row
                for row in rows
            ]
    return rows, left_out


class _Predictions:
    """Predictions of one property of the videos of a store.

    Args:
        values: (videos,) the property.
        apart: labellings that keep training and test videos apart, groups first.
    """

    def __init__(
        self, seen: Observations, values: np.ndarray, apart: list[np.ndarray]
    ) -> None:
        self._values, self._apart = values, apart
        self._features: Mapping[str, np.ndarray | None] = {
            FACTS: seen.facts,
            VECTORS: seen.vectors,
            FLOW: seen.flow,
        }
        self._families = seen.families
        self._with_motion = np.ones(len(values), bool)
        for table in (seen.vectors, seen.flow):  # of one set of videos, to be compared
            if table is not None:
                filled = np.isfinite(table).all(axis=1) & (table.shape[1] > 0)
                self._with_motion &= filled
        self._found: dict[str, np.ndarray] = {}

    def reason(self, target: str, source: str) -> str | None:
        """The reason for which a row is left out; None if it is not."""
        if self._features[source] is None:
            return f"no {MODALITY[source]} in the store"
        if len(np.unique(self._values[self._used(source)])) >= 2:
            return None
        if not len(self._values):
            return "no video with a class"
        if source in MODALITY and not self._with_motion.any():
            return "no video with known motion vectors"
        if len(np.unique(self._values)) < 2:
            if target == CODEC:
                return f"all sources are of one family: {self._families[0]}"
            return "all videos are of one class"
        if target == CODEC:
            return (
                "needs two codec families that are in two groups and two classes each"
            )
        return "needs two classes that are in two groups each"

    def guess(self, source: str) -> Guess:
        used = self._used(source)
        labels = [labels[used].tolist() for labels in self._apart]
        features, values = self._features[source], self._values[used]
        assert features is not None
        self._found[source] = predictions(
            features[used],
            values,
            naive_bayes if source == FACTS else linear_discriminant,
            apart=labels,
        )
        return guess(self._found[source], values, clusters=labels)

    def unused(self, source: str) -> int:
        """Videos that were inspected and do not count."""
        return int(np.count_nonzero(~self._used(source)))

    def against_flow(self) -> Difference:
        """Accuracy from vectors less that from flow, once both are guessed."""
        used = self._used(VECTORS)
        return compared(
            self._found[VECTORS],
            self._found[FLOW],
            self._values[used],
            clusters=[labels[used].tolist() for labels in self._apart],
        )

    def _used(self, source: str) -> np.ndarray:
        """(videos,) bool: has the features, and its value is in two groups at least."""
        used = np.ones(len(self._values), bool)
        if source in MODALITY:
            used &= self._with_motion
        wanted = used.copy()
        for value in np.unique(self._values[used]):
            members = used & (self._values == value)
            if any(len(np.unique(labels[members])) < 2 for labels in self._apart):
                wanted &= ~members
        return wanted
