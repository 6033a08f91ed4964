"""Groups of classes, whose accuracies say more than one number over all.

Within a group the question may be narrower than the class: of the demo data set's `motion`
the best of the motion classes counts, of a pair the better of its two. Of a kind of
UCF101's actions, all classes compete.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

MOTION = ("left", "right", "cw", "ccw", "expand", "contract", "osc_h", "osc_v")
PAIRS = (("rise_bright", "rise_dark"), ("fall_warm", "fall_cool"))


class Group(NamedTuple):
    """Some classes, and who competes."""

    name: str
    sets: tuple[tuple[str, ...], ...]
    """A video counts if its class is in one of these; the classes of that set compete."""
    chance: float
    limits: str = ""
    """Best accuracy that can be reached, and the cue that reaches it."""
    narrower: bool = True
    """Whether only classes of the same set compete, a question of its own that tables have
    a column for; else all of the data set do."""


DEMO = (
    Group("motion", (MOTION,), 1 / 8, "1 from motion, 0.125 from one frame"),
    Group("pair", PAIRS, 1 / 2, "0.5 from motion, 1 from one frame"),
)
DEMO_LIMITS = (
    "What can be reached on the demo data set, by construction: 0.833 from motion alone"
    " (8/12 and half of 4/12), 0.417 from one frame (4/12 and an eighth of 8/12), 1 from"
    " both. `motion` is the accuracy on the eight motion classes with the answer"
    " restricted to them (chance 0.125); `pair` is whether the right one of two"
    " appearances of the same motion was named (chance 0.5)."
)


KINDS = {
    "human-object": (
        "ApplyEyeMakeup ApplyLipstick BlowDryHair BrushingTeeth CuttingInKitchen"
        " Hammering HulaHoop JugglingBalls JumpRope Knitting Mixing MoppingFloor"
        " Nunchucks PizzaTossing ShavingBeard SkateBoarding SoccerJuggling Typing"
        " WritingOnBoard YoYo"
    ),
    "body motion": (
        "BabyCrawling BlowingCandles BodyWeightSquats HandstandPushups"
        " HandstandWalking JumpingJack Lunges PullUps PushUps RockClimbingIndoor"
        " RopeClimbing Swing TaiChi TrampolineJumping WalkingWithDog WallPushups"
    ),
    "human-human": "BandMarching Haircut HeadMassage MilitaryParade SalsaSpin",
    "instruments": (
        "Drumming PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar"
        " PlayingPiano PlayingSitar PlayingTabla PlayingViolin"
    ),
    "sports": (
        "Archery BalanceBeam BaseballPitch Basketball BasketballDunk BenchPress Biking"
        " Billiards Bowling BoxingPunchingBag BoxingSpeedBag BreastStroke CleanAndJerk"
        " CliffDiving CricketBowling CricketShot Diving Fencing FieldHockeyPenalty"
        " FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing HammerThrow HighJump"
        " HorseRace HorseRiding IceDancing JavelinThrow Kayaking LongJump ParallelBars"
        " PoleVault PommelHorse Punch Rafting Rowing Shotput Skiing Skijet SkyDiving"
        " SoccerPenalty StillRings SumoWrestling Surfing TableTennisShot TennisSwing"
        " ThrowDiscus UnevenBars VolleyballSpiking"
    ),
}
"""Kind of UCF101's actions -> its classes: Human-Object Interaction, Body-Motion Only,
Human-Human Interaction, Playing Musical Instruments, Sports.

Source:
    Soomro, Zamir, Shah, "UCF101: A Dataset of 101 Human Actions Classes From Videos in The
    Wild", arXiv:1212.0402, section 2. DTMV's figure 6 has all but Body-Motion Only. O8
    takes that one as the motion classes: in the others objects or scenes help.
"""

KINDS_NOTE = (
    "UCF101's kinds of action are groups of classes among which all classes compete: the"
    " figure and `table.json` have each. O8, about motion classes, is decided on `body"
    " motion` (Body-Motion Only) where it has videos, else on all."
)

ROLES = {"motion": ("motion", "body motion")}
"""Subject of an ordering -> the groups that are that, of one data set or another."""


def groups_of(dataset: str, classes: tuple[str, ...]) -> tuple[Group, ...]:
    """Groups that we know for a data set, as far as its classes are there."""
    if dataset == "ucf101":
        return _kinds(classes)
    if dataset != "demo":
        return ()
    known = []
    for group in DEMO:
        sets = tuple(s for s in group.sets if set(s) <= set(classes))
        if sets:
            known.append(group._replace(sets=sets))
    return tuple(known)


def name_of_role(role: str, names: Iterable[str]) -> str:
    """Name of the group that an ordering is about, among those of a data set; the role
    itself where there is none.

    >>> name_of_role("motion", ("all", "body motion", "sports"))
    'body motion'
    """
    known = ROLES.get(role, ())
    return next((name for name in names if name in known), role)


def _kinds(classes: tuple[str, ...]) -> tuple[Group, ...]:
    """UCF101's kinds of action with their classes that are there."""
    return tuple(
        Group(name, (present,), 1 / len(classes), narrower=False)
        for name, members in KINDS.items()
        if (present := tuple(one for one in members.split() if one in classes))
    )


def group_hits(
    scores: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], group: Group
) -> np.ndarray:
    """Whether the right class is the best of those that compete.

    Args:
        scores: (V, K), higher is better.
        labels: (V,) integers.

    Returns:
        (N,) bool for the N videos of the group, in order.
    """
    place = {name: i for i, name in enumerate(classes)}
    found = np.full(len(labels), -1)
    for one in group.sets:
        members = np.array([place[name] for name in one])
        inside = np.isin(labels, members)
        columns = members if group.narrower else np.arange(len(classes))
        best = columns[scores[inside][:, columns].argmax(axis=1)]
        found[inside] = best == labels[inside]
    return found[found >= 0].astype(bool)


def videos_of(labels: np.ndarray, classes: tuple[str, ...], group: Group) -> np.ndarray:
    """(V,) bool: whether a video's class is in the group."""
    names = {name for one in group.sets for name in one}
    return np.isin(labels, [i for i, name in enumerate(classes) if name in names])
