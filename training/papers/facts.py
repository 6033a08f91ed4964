"""Numbers that the papers print, with table and row, and our systems that they are about.

papers.json has every number that a paper gives for its own systems and for the baselines
we can train too. Numbers of others' methods are left out: no run here could be
compared with them.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

PAPERS = {
    "fts": "FTSnet: teacher-student architecture with optical flow as the teacher",
    "mars": "MARS, as the paper on the Dual-action Stream reports it",
    "ds": "Dual-action Stream: multi-level distillation and attention-based fusion",
    "dtmv": "Real-time action recognition with deeply-transferred motion vector CNNs",
    "htsc": "Hidden two-stream collaborative learning network",
}
"""Name on the command line -> what it is about."""

DATASET_TITLES = {"ucf101": "UCF101", "hmdb51": "HMDB51", "thumos14": "THUMOS14"}
"""Data set -> its name in tables."""

NUM_CLASSES = {"ucf101": 101, "hmdb51": 51, "thumos14": 101}
"""Data set -> number of classes that the papers' numbers are about. THUMOS14's 20 are
those of its detection task; its mAP is over the 101 of UCF101."""


class Fact(NamedTuple):
    """One printed number."""

    paper: str
    table: str
    row: str
    system: str
    """Our name of the system."""
    dataset: str
    split: str
    metric: str
    """top1 and map in percent, fps in frames per second."""
    value: float
    crops: str = ""
    pretrain: str = ""
    device: str = ""
    note: str = ""

    @property
    def citation(self) -> str:
        """Paper, table and row, in words."""
        table = self.table if self.table.startswith("text") else f"table {self.table}"
        return f"{self.paper} {table}"


@cache
def all_facts() -> tuple[Fact, ...]:
    """Every number, in the papers' order."""
    path = Path(__file__).with_name("papers.json")
    return tuple(Fact(**one) for one in json.loads(path.read_text(encoding="utf-8")))


def facts_of(paper: str) -> tuple[Fact, ...]:
    """The rows of a paper; of `all` of them."""
    if paper == "all":
        return all_facts()
    if paper == "mars":
        return tuple(f for f in all_facts() if f.system.startswith("mars"))
    return tuple(fact for fact in all_facts() if fact.paper == paper)


def facts_to_compare(paper: str, dataset: str) -> tuple[Fact, ...]:
    """Rows of a paper to compare with runs on a data set: those of the data set, else all.

    For `all` papers, such rows of each.
    """
    if paper == "all":
        found = {fact for one in PAPERS for fact in facts_to_compare(one, dataset)}
        return tuple(fact for fact in all_facts() if fact in found)
    facts = facts_of(paper)
    return tuple(fact for fact in facts if fact.dataset == dataset) or facts


def facts_about(system: str) -> tuple[Fact, ...]:
    """Rows of all papers about one of our systems."""
    return tuple(fact for fact in all_facts() if fact.system == system)
