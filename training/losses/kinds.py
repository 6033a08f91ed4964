"""The terms of a distillation by name, for settings that are written as text."""

from .attention import AttentionTransfer
from .connected import DeeplyConnectedL2
from .gram import GramMatching
from .relational import DIST, RelationalKD
from .terms import FeatureMSE, MultiLevelMAE, SoftTargets, Term

TERMS: dict[str, type[Term]] = {
    kind.__name__: kind
    for kind in (
        SoftTargets,
        FeatureMSE,
        MultiLevelMAE,
        GramMatching,
        DeeplyConnectedL2,
        AttentionTransfer,
        RelationalKD,
        DIST,
    )
}
"""Name of a class of terms -> the class."""
