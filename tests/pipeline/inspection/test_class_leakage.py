"""Features that predict class or codec family, or nothing, with groups kept apart."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pipeline.inspection.classifiers import linear_discriminant, naive_bayes
from pipeline.inspection.guess import predictions
from pipeline.inspection.leakage import measured
from pipeline.inspection.observations import Observations

CLASSES, GROUPS, EACH = 4, 10, 2
COUNT = CLASSES * GROUPS * EACH
LABELS = np.repeat(np.arange(CLASSES), GROUPS * EACH)
OWN_GROUPS = tuple(f"{label}-{k // EACH}" for k, label in enumerate(LABELS))
"""Groups of two videos; none is in two classes."""
FAMILY = np.arange(COUNT) // EACH % 2
"""Codec family of each video: both are in all classes."""
NOISE = np.random.default_rng(0).normal(size=(COUNT, 6))


def observations(**changes) -> Observations:
    """Eighty videos about which nothing is known from anything."""
    nothing = Observations(
        labels=LABELS,
        groups=OWN_GROUPS,
        families=tuple(f"codec {k}" for k in FAMILY),
        facts=np.zeros((COUNT, 2), np.int64),
        vectors=NOISE,
        flow=np.random.default_rng(1).normal(size=(COUNT, 5)),
        unlabelled=0,
        bad={},
    )
    return replace(nothing, **changes)


def rows_of(seen: Observations):
    return {(row.target, row.source): row for row in measured(seen)[0]}


def test_statistics_that_know_nothing_predict_nothing() -> None:
    leaks: Counter[tuple[str, str]] = Counter()
    for seed in range(12):
        drawn = np.random.default_rng(seed).normal(size=(2, COUNT, 6))
        facts = np.random.default_rng(seed).integers(3, size=(COUNT, 2))
        seen = observations(vectors=drawn[0], flow=drawn[1], facts=facts)
        for key, row in rows_of(seen).items():
            leaks[key] += row.guess.leaks
            if row.against_flow is not None:
                leaks["against flow", key[0]] += row.against_flow.significant
    assert len(leaks) == 7 and max(leaks.values()) <= 2


@pytest.mark.parametrize("source", ["codec facts", "motion vectors", "flow"])
def test_what_carries_the_class_predicts_it(source: str) -> None:
    carrying = np.eye(CLASSES)[LABELS] + NOISE[:, :4] / 100
    seen = {
        "codec facts": observations(facts=np.stack([FAMILY, LABELS], axis=1)),
        "motion vectors": observations(vectors=carrying),
        "flow": observations(flow=carrying),
    }[source]
    rows = rows_of(seen)
    for key, row in rows.items():
        assert row.guess.chance == (1 / 4 if key[0] == "class" else 1 / 2)
        assert row.guess.leaks == (key == ("class", source)), key
    assert rows["class", source].guess.accuracy == 1
    better = rows["class", "motion vectors"].against_flow
    assert better is not None and better.significant == (source == "motion vectors")


def test_vectors_that_know_what_flow_knows_are_no_leak() -> None:
    motion = np.eye(CLASSES)[LABELS] + NOISE[:, :4] / 3
    row = rows_of(observations(vectors=motion, flow=motion))["class", "motion vectors"]
    assert row.guess.leaks
    assert row.against_flow == (0, 0, CLASSES * GROUPS)
    assert "no better than flow" in row.conclusion


def test_an_encoder_in_the_vectors_is_found_across_classes() -> None:
    vectors = NOISE.copy()
    vectors[:, 2] += 6 * FAMILY
    rows = rows_of(observations(vectors=vectors))
    row = rows["codec family", "motion vectors"]
    assert row.guess.accuracy > 0.95 and row.guess.leaks
    assert "carry a trace of the encoder" in row.conclusion
    assert not rows["codec family", "flow"].guess.leaks
    assert not rows["class", "motion vectors"].guess.leaks


def test_groups_are_kept_apart() -> None:
    """Numbers of each group's own tell the class to whoever has seen the group."""
    own = np.repeat(np.random.default_rng(2).normal(size=(COUNT // EACH, 6)), EACH, 0)
    seen = observations(vectors=own, facts=np.repeat(np.arange(40), 2)[:, None])
    torn = [[str(k % EACH) for k in range(COUNT)]]  # the videos of a group are parted
    for features, classify in (
        (own[:, :1], naive_by_value),
        (seen.facts, naive_bayes),
    ):
        trap = predictions(features, LABELS, classify, apart=torn)
        assert np.mean(trap == LABELS) == 1
        honest = predictions(features, LABELS, classify, apart=[OWN_GROUPS])
        assert np.mean(honest == LABELS) < 0.4
    rows = rows_of(seen)
    assert not rows["class", "codec facts"].guess.leaks
    assert not rows["class", "motion vectors"].guess.leaks


def naive_by_value(numbers, targets, train, test):
    """The target of the nearest training video."""
    distance = np.abs(numbers[test] - numbers[train].T)
    return targets[train][distance.argmin(axis=1)]


def test_classes_are_kept_apart_where_the_codec_is_predicted() -> None:
    """Families along class lines: what tells the class does not tell the encoder."""
    rng = np.random.default_rng(3)
    labels, groups = np.repeat(np.arange(12), 10), [str(k // 2) for k in range(120)]
    family = labels % 2
    vectors = np.eye(12)[labels] + rng.normal(size=(120, 12)) / 20
    trap = predictions(vectors, family, linear_discriminant, apart=[groups])
    assert np.mean(trap == family) == 1
    seen = Observations(
        labels=labels,
        groups=tuple(groups),
        families=tuple("ab"[k] for k in family),
        facts=np.zeros((120, 1), np.int64),
        vectors=vectors,
        flow=None,
        unlabelled=0,
        bad={},
    )
    assert not rows_of(seen)["codec family", "motion vectors"].guess.leaks


def test_rows_that_cannot_be_measured_have_a_reason() -> None:
    def left_out(**changes) -> dict[tuple[str, str], str]:
        return measured(observations(**changes))[1]

    assert left_out() == {}
    assert left_out(flow=None) == {
        ("class", "flow"): "no flow in the store",
        ("codec family", "flow"): "no flow in the store",
    }
    family = left_out(families=("h264",) * COUNT)
    assert set(family.values()) == {"all sources are of one family: h264"}
    assert {target for target, _ in family} == {"codec family"}
    along = tuple("aaab"[k] for k in LABELS)
    assert set(left_out(families=along).values()) == {
        "needs two codec families that are in two groups and two classes each"
    }
    one = left_out(labels=np.zeros(COUNT, np.int64))
    assert one["class", "flow"] == "all videos are of one class"
    torn = left_out(groups=tuple(map(str, LABELS)))
    assert torn["class", "flow"] == "needs two classes that are in two groups each"
    unknown = left_out(vectors=np.full((COUNT, 6), np.nan))
    assert unknown["class", "flow"] == "no video with known motion vectors"


def test_videos_that_cannot_be_predicted_do_not_count() -> None:
    labels = LABELS.copy()
    labels[:2] = 4  # a class of one group
    vectors = NOISE.copy()
    vectors[-5:] = np.nan
    rows = rows_of(observations(labels=labels, vectors=vectors))
    facts, motion = rows["class", "codec facts"], rows["class", "motion vectors"]
    assert (facts.guess.videos, facts.unused) == (78, 2)
    assert (motion.guess.videos, motion.unused) == (73, 7)
    assert rows["class", "flow"].guess.videos == 73
