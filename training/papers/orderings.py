"""Orderings that the papers claim. `verdicts` has whether our runs show them."""

from typing import NamedTuple

MARGIN = 0.02
"""A system that a paper calls at least as good may be this much worse.

Twice the larger of the differences that the papers print in such rows: 1.0 points (DTMV
table I, from conv3 80.3, from fc7 79.3) and 0.1 (DS table 2, attention 95.7, average 95.6).
"""


class Ordering(NamedTuple):
    """One claim: `better` is right more often than each of `than`, or not much less often."""

    name: str
    """O1 to O18."""
    text: str
    strength: str
    """must, should or weak: how much the papers and physics speak for it."""
    better: str
    than: tuple[str, ...]
    papers: tuple[str, ...]
    group: str = "all"
    """Videos: `all`, or those of a group of classes by its role: see `name_of_role`."""
    margin: float = 0.0
    """For claims of >=, which are of non-inferiority: the deficit that counts as none."""


def _o(
    name: str,
    text: str,
    strength: str,
    better: str,
    than: str,
    papers: str,
    *,
    group: str = "all",
    margin: float = 0.0,
) -> Ordering:
    return Ordering(
        name,
        text,
        strength,
        better,
        tuple(than.split()),
        tuple(papers.split()),
        group=group,
        margin=margin,
    )


ORDERINGS = (
    _o("O1", "flow teacher > MV from scratch", "must", "flow2d", "mv", "dtmv"),
    _o("O2", "TI > MV from scratch", "must", "ti", "mv", "dtmv"),
    _o("O2", "ST > MV from scratch", "must", "st", "mv", "dtmv"),
    _o("O3", "ST+TI > TI and ST", "should", "emv", "ti st", "dtmv"),
    _o("O4", "DTMV > ST+TI", "should", "dtmv", "emv", "dtmv"),
    _o("O5", "TI > ST", "weak", "ti", "st", "dtmv"),
    _o(
        "O6",
        "connected from conv3 >= from fc7",
        "weak",
        "dtmv",
        "dtmv_fc7",
        "dtmv",
        margin=MARGIN,
    ),
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
    _o(
        "O15",
        "attention fusion >= average",
        "weak",
        "ds_attention",
        "ds_flow",
        "ds",
        margin=MARGIN,
    ),
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


def concerning(paper: str) -> tuple[Ordering, ...]:
    """The orderings that a paper claims; those of `all`."""
    return tuple(o for o in ORDERINGS if paper == "all" or paper in o.papers)
