"""Given hits -> verdicts on what the papers claim of each other's rows."""

from collections.abc import Mapping

import numpy as np
import pytest
from made_runs import VIDEOS, hits

from training.papers.orderings import MARGIN, ORDERINGS, Ordering, concerning
from training.papers.verdicts import (
    NOT_RUN,
    SEEDS,
    Verdict,
    corrected,
    evaluate_ordering,
    holm,
)
from training.recipes import SYSTEMS
from training.scoring.metrics import mean_average_precision
from training.scoring.outcomes import Outcome, influence_of, paired


def answers(hits: Mapping[str, bool], run: str = "") -> Outcome:
    """Every video is a group of its own; a run of its own where it has no name."""
    names = tuple(hits)
    run = run or f"run of {id(hits)}"
    return Outcome(run, names, names, np.array(list(hits.values()), bool))


def of_seeds(shares: list[float], run: str = "") -> dict[int, Outcome]:
    return {
        seed: answers(
            {str(k): hit for k, hit in enumerate(hits(share, seed))},
            f"{run}{share}/{seed}",
        )
        for seed, share in enumerate(shares)
    }


def on_one(shares: list[float], run: str = "") -> dict[str, dict[int, Outcome]]:
    return {"1": of_seeds(shares, run)}


def named(name: str, text: str = "") -> Ordering:
    return next(o for o in ORDERINGS if o.name == name and text in o.text)


def test_orderings_are_about_systems_we_have():
    for ordering in ORDERINGS:
        assert {ordering.better, *ordering.than} <= SYSTEMS.keys()
    numbers = {int(ordering.name[1:]) for ordering in ORDERINGS}
    assert numbers == set(range(1, 18))  # 18 is speed
    assert {o.name for o in concerning("htsc")} == {"O16", "O17"}
    assert concerning("all") == ORDERINGS


@pytest.mark.parametrize(
    ("better", "seeds", "verdict"),
    [
        (0.9, 5, "holds"),
        (0.5, 5, "not reproduced"),
        (0.9, 4, "too few seeds"),
    ],
)
def test_the_rule(better, seeds, verdict):
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    found = evaluate_ordering(
        ordering,
        {"flow2d": on_one([better] * seeds, "a"), "mv": on_one([0.5] * seeds)},
    )
    assert found.verdict == verdict
    assert (found.seeds, found.videos) == (seeds, VIDEOS)
    if verdict == "holds":
        assert found.wins == 5 and found.difference.low > 0
    if seeds < 5:
        assert found.text == "too few seeds (4 of 5); so far: holds"
    else:
        assert found.text == verdict


def test_between_holds_and_not_reproduced_is_consistent():
    worse = of_seeds([0.5] * 5)
    missed = int(np.flatnonzero(~worse[0].values)[0])
    values = worse[0].values.copy()
    values[missed] = True  # one video of one seed: above 0, but not surely
    better = worse | {0: worse[0]._replace(run="other", values=values)}
    found = evaluate_ordering(
        named("O1"), {"flow2d": {"1": better}, "mv": {"1": worse}}
    )
    assert found.verdict == "consistent" and found.wins == 1


def test_the_nearest_opponent_decides():
    ordering = next(o for o in ORDERINGS if o.name == "O3")
    sides = {"ti": on_one([0.2] * 5), "st": on_one([0.7] * 5)}
    found = evaluate_ordering(ordering, {"emv": on_one([0.5] * 5)} | sides)
    assert (found.against, found.verdict) == ("st", "not reproduced")
    assert evaluate_ordering(ordering, {"emv": on_one([0.5] * 5)}).verdict == NOT_RUN


def test_only_the_same_videos_and_seeds_are_compared():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    teacher, student = of_seeds([1.0] * 5), of_seeds([0.0] * 3)
    teacher[0] = teacher[0].of([k for k in teacher[0].videos if k != "7"])
    found = evaluate_ordering(
        ordering, {"flow2d": {"1": teacher}, "mv": {"1": student}}
    )
    assert (found.seeds, found.videos) == (3, VIDEOS - 1)


def of_splits(*shares: float) -> dict[str, dict[int, Outcome]]:
    """Five seeds, and every split has videos of its own."""
    return {
        str(number): {
            seed: answers(
                {
                    f"{number}:{k}": hit
                    for k, hit in enumerate(hits(share, 10 * number + seed))
                },
                f"{share}/{number}/{seed}",
            )
            for seed in range(5)
        }
        for number, share in enumerate(shares, 1)
    }


def test_an_ordering_is_judged_by_the_mean_of_the_splits():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    flow, mv = of_splits(0.45, 0.8, 0.8), of_splits(0.5, 0.5, 0.5)
    found = evaluate_ordering(ordering, {"flow2d": flow, "mv": mv})
    alone = [
        evaluate_ordering(
            ordering, {"flow2d": {split: flow[split]}, "mv": {split: mv[split]}}
        )
        for split in ("1", "2", "3")
    ]
    assert [one.verdict for one in alone] == ["not reproduced", "holds", "holds"]
    assert (found.verdict, found.wins) == ("holds", 5)
    assert (found.seeds, found.splits, found.videos) == (5, 3, 3 * VIDEOS)
    means = [one.difference.mean for one in alone]
    assert found.difference.mean == pytest.approx(np.mean(means))
    widths = [one.difference.high - one.difference.low for one in (found, *alone)]
    assert widths[0] < np.mean(widths[1:])  # three times the videos


def test_only_splits_and_seeds_of_both_sides_are_compared():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    flow, mv = of_splits(0.9, 0.9, 0.9), of_splits(0.5, 0.5)
    del mv["2"][4]
    found = evaluate_ordering(ordering, {"flow2d": flow, "mv": mv})
    assert (found.splits, found.seeds, found.verdict) == (2, 4, "too few seeds")
    assert (
        evaluate_ordering(ordering, {"flow2d": {"3": flow["3"]}, "mv": mv}).verdict
        == NOT_RUN
    )


def test_pairs_are_of_seeds_and_videos_that_both_have():
    """Split 2 has no video in common, split 3 is of one side alone; seed 9 too."""
    first = {
        "1": {0: {"a": True, "b": True}, 1: {"a": False, "b": True}},
        "2": {0: {"x": True}, 1: {"x": True}},
        "3": {0: {"a": True}},
    }
    second = {
        "1": {1: {"b": True, "a": True}, 0: {"a": False, "b": True, "c": True}, 9: {}},
        "2": {0: {"y": True}, 1: {"y": True}},
    }
    ours, theirs = (
        {
            split: {seed: answers(own) for seed, own in seeds.items()}
            for split, seeds in side.items()
        }
        for side in (first, second)
    )
    found = paired(ours, theirs)
    assert found.seeds == (0, 1) and found.videos == 2
    (difference,) = found.difference
    assert difference.groups == ("a", "b") and difference.mean == 0
    # (hits less those of the other side, less their mean) / (2 seeds x 2 videos)
    assert difference.values.tolist() == [[0.25, 0], [-0.25, 0]]
    assert paired(ours, {}).difference == ()


def test_claims_of_at_least_as_good_have_a_margin():
    """All others are of better."""
    margins = {o.name: o.margin for o in ORDERINGS}
    assert {name for name, margin in margins.items() if margin} == {"O6", "O15"}
    assert all((">=" in o.text) == (o.margin > 0) for o in ORDERINGS)
    assert margins["O6"] == MARGIN == 0.02


@pytest.mark.parametrize(
    ("fewer", "verdict"), [(5, "holds"), (20, "consistent"), (60, "not reproduced")]
)
def test_slightly_worse_is_at_least_as_good(fewer, verdict):
    """2,000 videos, of which some are lost and as many won: .25, 1 and 3 points worse."""
    base = np.arange(2000) % 2 == 0
    rng = np.random.default_rng(0)
    sides = {"dtmv": {}, "dtmv_fc7": {}}
    changed = rng.permutation(2000)
    lost, won = changed[base[changed]], changed[~base[changed]]
    for seed in range(5):
        worse = base.copy()
        count = {5: 5, 20: 300, 60: 300}[fewer]
        worse[lost[:count]] = False
        worse[won[: count - fewer]] = True
        names = tuple(map(str, range(2000)))
        sides["dtmv"][seed] = Outcome(f"a{seed}", names, names, worse)
        sides["dtmv_fc7"][seed] = Outcome(f"b{seed}", names, names, base)
    found = evaluate_ordering(named("O6"), {k: {"1": v} for k, v in sides.items()})
    assert found.difference.mean == pytest.approx(-fewer / 2000)
    assert found.verdict == verdict
    assert (found.p < 0.05) == (verdict == "holds")
    strict = named("O6")._replace(margin=0.0)
    again = evaluate_ordering(strict, {k: {"1": v} for k, v in sides.items()})
    assert (again.verdict, again.p) == ("not reproduced", 1)


def test_holm_by_hand():
    """Holm 1979: the least p times m, the next times m - 1, never falling, at most 1."""
    assert holm([0.03, 0.01, 0.04, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == [] and holm([0.2]) == [0.2]
    assert holm([0.01, 0.01, 0.01]) == pytest.approx([0.03] * 3)


def judged(name: str, p: float, *, strength: str = "must", runs: str = "") -> Verdict:
    ordering = named("O1")._replace(name=name, text=name, strength=strength)
    word = "holds" if p < 0.05 else "consistent"
    sides = frozenset({runs or name}), frozenset({frozenset({"other"})})
    return Verdict(ordering, word, uncorrected=word, seeds=5, p=p, runs=sides)


def test_musts_are_corrected_for_their_number():
    """.01 and .02 pass for two musts; .03 does not for three: twice .03 is above .05."""
    each = [judged("a", 0.01), judged("b", 0.03), judged("c", 0.04)]
    found = corrected([*each, judged("d", 0.03, strength="should")])
    assert [one.p_adjusted for one in found] == pytest.approx([0.03, 0.06, 0.06, None])
    words = [one.verdict for one in found]
    assert words == ["holds", "consistent", "consistent", "holds"]
    assert found[1].uncorrected == "holds"
    two = corrected([judged("a", 0.01), judged("b", 0.03)])
    assert [one.verdict for one in two] == ["holds", "holds"]


def test_orderings_that_are_not_decided_are_not_counted():
    few = judged("b", 0.03)._replace(verdict="too few seeds")
    gone = Verdict(named("O2"), NOT_RUN)
    found = corrected([judged("a", 0.04), few, gone])
    assert (found[0].p_adjusted, found[0].verdict) == (0.04, "holds")
    assert found[1].p_adjusted is None and found[2] == gone


def test_what_the_same_runs_decide_is_counted_once():
    same = [judged("a", 0.03, runs="x"), judged("b", 0.03, runs="x")]
    found = corrected([*same, judged("c", 0.01)])
    assert [one.p_adjusted for one in found] == pytest.approx([0.03, 0.03, 0.02])
    assert [one.verdict for one in found] == ["holds"] * 3
    assert found[0].same_as is None and found[1].same_as == same[0].ordering


def test_a_must_stays_one_after_the_same_runs_under_a_weaker_claim():
    weak = judged("a", 0.03, strength="weak", runs="x")
    found = corrected([weak, judged("b", 0.03, runs="x"), judged("c", 0.03)])
    assert [one.p_adjusted for one in found] == [None, 0.06, 0.06]
    assert [one.verdict for one in found] == ["holds", "consistent", "consistent"]


def test_two_names_of_one_run_are_one_comparison():
    """`mars` and `resnext_rgb` are FTSnet's student and R3D's RGB at small size."""
    student, alone = on_one([0.9] * 5, "s"), on_one([0.5] * 5, "r")
    outcomes = {"fts": student, "mars": student}
    outcomes |= {"r3d_rgb": alone, "resnext_rgb": alone}
    claims = [named("O10", "FTSnet"), named("O10", "MARS")]
    found = corrected([evaluate_ordering(one, outcomes) for one in claims])
    assert [one.verdict for one in found] == ["holds", "holds"]
    assert found[1].p_adjusted == found[0].p_adjusted == found[0].p
    assert "same runs as O10, FTSnet student > RGB alone" in found[1].text
    against = named("O13")  # DS against MARS: here both the same
    itself = evaluate_ordering(against, {"ds": student, "mars": student})
    assert itself.text == "not decided: ds and mars are the same runs"
    assert not itself.decided and itself.difference is None


def test_each_opponent_must_be_beaten():
    """The p of several opponents is the largest."""
    ours = on_one([0.7] * 5, "a")
    outcomes = {"frame_dtmv": ours, "dtmv": on_one([0.55] * 5, "b")}
    outcomes["frame"] = on_one([0.3] * 5, "c")
    claim = named("O7", "each stream")
    found = evaluate_ordering(claim, outcomes)
    alone = [
        evaluate_ordering(claim._replace(than=(other,)), outcomes).p
        for other in ("frame", "dtmv")
    ]
    assert found.p == max(alone) > min(alone)
    assert found.against == "dtmv"


def test_videos_of_one_recording_are_one_witness():
    """Sixty videos decide; ten recordings of six alike do not."""
    values = np.arange(60) < 12
    names = tuple(map(str, range(60)))
    zeros = {s: Outcome(f"z{s}", names, names, np.zeros(60, bool)) for s in range(5)}
    ones = {s: Outcome(f"o{s}", names, names, values) for s in range(5)}
    groups = tuple(f"g{k // 6}" for k in range(60))
    for of, verdict in ((names, "holds"), (groups, "consistent")):
        sides = [
            {seed: one._replace(groups=of) for seed, one in side.items()}
            for side in (ones, zeros)
        ]
        outcomes = {"flow2d": {"1": sides[0]}, "mv": {"1": sides[1]}}
        assert evaluate_ordering(named("O1"), outcomes).verdict == verdict


def test_orderings_of_several_labels_are_of_mean_average_precision():
    rng = np.random.default_rng(0)
    relevant = (np.arange(80) % 5)[:, None] == np.arange(4)
    names = tuple(map(str, range(80)))
    sides = {
        name: {
            seed: Outcome(
                f"{name}{seed}",
                names,
                names,
                quality * relevant + rng.normal(size=(80, 4)),
                relevant,
            )
            for seed in range(SEEDS)
        }
        for name, quality in (("flow2d", 3.0), ("mv", 1.0))
    }
    found = evaluate_ordering(named("O1"), {k: {"1": v} for k, v in sides.items()})
    each = {
        name: [mean_average_precision(one.values, relevant) for one in own.values()]
        for name, own in sides.items()
    }
    assert found.difference.mean == pytest.approx(
        np.mean(each["flow2d"]) - np.mean(each["mv"])
    )
    assert found.verdict == "holds" and found.wins == 5
    means = influence_of(sides["mv"])
    assert means.mean == pytest.approx(np.mean(each["mv"]))
