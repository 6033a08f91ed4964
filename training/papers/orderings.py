"""Orderings that the papers claim, and whether our runs show them.

The rule: at least 5 seeds; the same videos, and seed by seed, of both sides; the mean
difference with a 95 % bootstrap interval over (seed x video), or over (split x seed x
video), splits counting alike. It `holds` if the interval is above 0, is `consistent` if
only the mean is, and is `not reproduced` otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..run_files.results import Interval
from ..scoring.metrics import SEEDS, over_splits, verdict

NOT_RUN = "not run"


class Ordering(NamedTuple):
    """One claim: `better` is right more often than each of `than`."""

    name: str
    """O1 to O18."""
    text: str
    strength: str
    """must, should or weak: how much the papers and physics speak for it."""
    better: str
    than: tuple[str, ...]
    papers: tuple[str, ...]
    group: str = "all"
    """Videos: `all`, or a group of classes."""


def _o(
    name: str,
    text: str,
    strength: str,
    better: str,
    than: str,
    papers: str,
    **more: str,
) -> Ordering:
    sides = tuple(than.split())
    return Ordering(name, text, strength, better, sides, tuple(papers.split()), **more)


ORDERINGS = (
    _o("O1", "flow teacher > MV from scratch", "must", "flow2d", "mv", "dtmv"),
    _o("O2", "TI > MV from scratch", "must", "ti", "mv", "dtmv"),
    _o("O2", "ST > MV from scratch", "must", "st", "mv", "dtmv"),
    _o("O3", "ST+TI > TI and ST", "should", "emv", "ti st", "dtmv"),
    _o("O4", "DTMV > ST+TI", "should", "dtmv", "emv", "dtmv"),
    _o("O5", "TI > ST", "weak", "ti", "st", "dtmv"),
    _o("O6", "connected from conv3 >= from fc7", "weak", "dtmv", "dtmv_fc7", "dtmv"),
    _o("O7", "RGB+DTMV > each stream", "must", "frame_dtmv", "frame dtmv", "dtmv"),
    _o("O7", "RGB+DTMV > RGB+MV", "should", "frame_dtmv", "frame_mv", "dtmv"),
    _o(
        "O8",
        "flow > RGB, motion classes",
        "should",
        "r3d_flow",
        "r3d_rgb",
        "fts ds mars",
        group="motion",
    ),
    _o(
        "O9",
        "two-stream > RGB and flow, 3D",
        "must",
        "r3d_two_stream",
        "r3d_rgb r3d_flow",
        "fts ds mars",
    ),
    _o(
        "O9",
        "two-stream > RGB and flow, 2D",
        "must",
        "frame_flow",
        "frame flow2d",
        "dtmv",
    ),
    _o("O10", "FTSnet student > RGB alone", "must", "fts", "r3d_rgb", "fts"),
    _o("O10", "MARS student > RGB alone", "must", "mars", "resnext_rgb", "mars ds"),
    _o("O10", "DS student > RGB alone", "must", "ds", "resnext_rgb", "ds"),
    _o("O11", "FTSnet student > flow alone", "should", "fts", "r3d_flow", "fts"),
    _o("O11", "DS student > flow alone", "should", "ds", "resnext_flow", "ds"),
    _o("O12", "FTSnet student > two-stream", "weak", "fts", "r3d_two_stream", "fts"),
    _o("O13", "MAE+Gram > pooled MSE (MARS)", "should", "ds", "mars", "ds"),
    _o("O14", "DS + flow > DS", "must", "ds_flow", "ds", "ds"),
    _o("O15", "attention fusion >= average", "weak", "ds_attention", "ds_flow", "ds"),
    _o(
        "O16",
        "HTS > spatial and hidden temporal",
        "must",
        "hts",
        "vgg_frame hidden_temporal",
        "htsc",
    ),
    _o("O17", "+CLN > HTS", "should", "hts_cln", "hts", "htsc"),
    _o("O17", "+AWL > +CLN", "weak", "htsc", "hts_cln", "htsc"),
)
"""O18 is about speed: see `speed_orderings`."""


class Verdict(NamedTuple):
    """Result of our runs for one ordering."""

    ordering: Ordering
    verdict: str
    seeds: int = 0
    """On every split."""
    splits: int = 0
    videos: int = 0
    """Videos of all splits."""
    against: str = ""
    """The system that came nearest."""
    difference: Interval | None = None
    wins: int = 0
    """Seeds with a difference above 0, the mean over the splits."""

    @property
    def text(self) -> str:
        """The verdict, with what it lacks."""
        if self.difference is None or self.seeds >= SEEDS:
            return self.verdict
        so_far = verdict(self.difference, seeds=SEEDS)
        return f"{self.verdict} ({self.seeds} of {SEEDS}); so far: {so_far}"


SplitHits = Mapping[str, Mapping[int, Mapping[str, bool]]]
"""Hits of one system: split -> seed -> video -> whether it was recognised."""

Hits = Mapping[str, SplitHits]
"""System -> split -> seed -> video -> whether it was recognised."""


def evaluate_ordering(ordering: Ordering, hits: Hits, *, draws: int = 2000) -> Verdict:
    """Apply the rule. The least difference counts where there are several opponents.

    Args:
        hits: of the videos that the ordering is about.
    """
    if not all(hits.get(name) for name in (ordering.better, *ordering.than)):
        return Verdict(ordering, NOT_RUN)
    found = []
    for other in ordering.than:
        differences, seeds = paired(hits[ordering.better], hits[other])
        if not differences:
            return Verdict(ordering, NOT_RUN)
        interval = over_splits(differences, draws=draws)
        of_seed = np.mean([one.mean(axis=1) for one in differences], axis=0)
        found.append(
            Verdict(
                ordering,
                verdict(interval, seeds=len(seeds)),
                seeds=len(seeds),
                splits=len(differences),
                videos=sum(one.shape[1] for one in differences),
                against=other,
                difference=interval,
                wins=int((of_seed > 0).sum()),
            )
        )
    return min(found, key=lambda v: v.difference.low if v.difference else 0.0)


def paired(
    first: SplitHits, second: SplitHits
) -> tuple[list[np.ndarray], Sequence[int]]:
    """Differences in hits of two systems, video by video.

    Returns:
        For each split that both have, (S, V) of 1, 0 and -1; and the S seeds, which
        both have on all these splits. Splits without a common video are left out.
    """
    splits = [name for name in first if name in second]
    sides = [side[name] for name in splits for side in (first, second)]
    seeds = sorted(set.intersection(*(set(side) for side in sides))) if sides else []
    found = []
    for name in splits if seeds else ():
        runs = [side[name][seed] for side in (first, second) for seed in seeds]
        videos = sorted(set.intersection(*(set(run) for run in runs)))
        ours, theirs = (
            np.array([[side[name][seed][video] for video in videos] for seed in seeds])
            for side in (first, second)
        )
        if videos:
            found.append(ours.astype(float) - theirs.astype(float))
    return found, seeds


def concerning(paper: str) -> tuple[Ordering, ...]:
    """The orderings that a paper claims; those of `all`."""
    return tuple(o for o in ORDERINGS if paper == "all" or paper in o.papers)
