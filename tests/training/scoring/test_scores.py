import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training.errors import RunError
from training.run_files.arrays import write_arrays
from training.run_files.results import ClassAccuracy
from training.runs.assessment import assessment
from training.scoring.scores import (
    Scores,
    cross_entropy,
    for_fitting,
    softmax,
    together,
)

ROOT = Path(__file__).parents[3]


def scores(
    values, labels, *, ids=None, relevant=None, aggregate="logits", **options
) -> Scores:
    values = np.asarray(values, np.float64)
    odds = np.exp(values)
    return Scores(
        ids=tuple(ids or [f"v{i}" for i in range(len(values))]),
        labels=np.asarray(labels),
        logits=values,
        softmax=odds / odds.sum(axis=1, keepdims=True),
        relevant=relevant,
        aggregate=aggregate,
        **options,
    )


THREE = scores(
    np.arange(9.0).reshape(3, 3) % 4, [0, 1, 2],
    ids=["a", "b", "ü"], classes=("x", "y", "z"), split="1", part="held_out",
    groups=("g1", "g1", "g2"),
)  # fmt: skip


def test_cross_entropy_by_hand():
    values = np.array([[math.log(3), 0.0], [0.0, 0.0]])
    expected = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    labels = np.array([0, 1])
    assert cross_entropy(values, labels, logits=True) == pytest.approx(expected)
    chances = np.array([[3 / 4, 1 / 4], [1 / 2, 1 / 2]])
    assert cross_entropy(chances, labels, logits=False) == pytest.approx(expected)
    both = np.array([[True, True], [False, True]])
    expected = -((math.log(3 / 4) + math.log(1 / 4)) / 2 + math.log(1 / 2)) / 2
    assert cross_entropy(values, both, logits=True) == pytest.approx(expected)
    expected = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    for aggregate in ("logits", "softmax"):
        loss = scores(values, labels, aggregate=aggregate).loss
        assert loss == pytest.approx(expected)


def test_small_probabilities_count_as_what_they_are():
    """A confident mistake costs -log p; what has no probability at all 12 log 10."""
    labels = np.array([0])
    rare = cross_entropy(np.array([[1e-6, 1 - 1e-6]]), labels, logits=False)
    assert rare == pytest.approx(6 * math.log(10))
    never = cross_entropy(np.array([[0.0, 1.0]]), labels, logits=False)
    assert never == pytest.approx(12 * math.log(10))


def test_assessment_by_hand():
    one = scores([[2.0, 1, 0], [2, 1, 0], [0, 2, 1], [2, 0, 1]], [0, 0, 1, 1])
    told = assessment(one, ("x", "y", "z"))
    assert told.top1.mean == 0.75
    assert told.mean_class == 0.75
    assert told.per_class == {
        "x": ClassAccuracy(accuracy=1.0, videos=2),
        "y": ClassAccuracy(accuracy=0.5, videos=2),
    }
    assert told.confusion == ((2, 0, 0), (1, 1, 0), (0, 0, 0))
    assert told.top5 is None and told.map is None


def test_top_5_needs_more_than_five_classes():
    told = assessment(scores(np.arange(7.0)[None], [5]), tuple("abcdefg"))
    assert told.top1.mean == 0 and told.top5.mean == 1


def test_several_labels_are_assessed_by_precision():
    """Class 0 ranks v1 (background), v0: 1/2. Class 1 ranks v2, v0, v1: (1 + 1) / 2."""
    relevant = np.array([[True, True], [False, False], [False, True]])
    one = scores([[1.0, 2], [3, 1], [0, 3]], [0, -1, 1], relevant=relevant)
    told = assessment(one, ("x", "y"))
    assert told.map.mean == pytest.approx((1 / 2 + 1) / 2)
    assert told.videos == 2 and told.background == 1
    assert told.top1.mean == 1
    assert told.per_class == {
        "x": ClassAccuracy(accuracy=1.0, videos=1, average_precision=0.5),
        "y": ClassAccuracy(accuracy=1.0, videos=2, average_precision=1.0),
    }
    assert told.confusion is None


def test_scores_are_kept_without_pickles(tmp_path):
    path = tmp_path / "s.npz"
    relevant = np.eye(3, dtype=bool)
    for kept in (THREE, scores(THREE.logits, [0, 1, 2], relevant=relevant)):
        kept.save(path)
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name].dtype != object for name in file)
        again = Scores.load(path)
        for name in ("ids", "classes", "groups", "split", "part", "aggregate"):
            assert getattr(again, name) == getattr(kept, name)
        for name in ("labels", "logits", "softmax", "relevant"):
            np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
    assert [file.name for file in tmp_path.iterdir()] == ["s.npz"]


def test_background_is_kept_and_no_accuracy_counts_it(tmp_path):
    """A label of -1: such videos only lower the precision of what they are taken for."""
    relevant = np.array([[True, False], [False, False], [False, True]])
    one = scores([[1.0, 0], [3, 0], [0, 1]], [0, -1, 1], relevant=relevant)
    one.save(tmp_path / "scores.npz")
    read = Scores.load(tmp_path / "scores.npz")
    assert read.labels.tolist() == [0, -1, 1]
    assert read.labelled.ids == ("v0", "v2")
    assert read.hits().tolist() == [True, True]
    np.testing.assert_array_equal(read.relevant, relevant)


def test_files_that_are_no_scores_are_refused(tmp_path):
    with pytest.raises(RunError, match="nowhere.npz: expected scores, but there is no"):
        Scores.load(tmp_path / "nowhere.npz")
    path = tmp_path / "s.npz"
    THREE.save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match="s.npz: expected scores: the file is"):
            Scores.load(path)
    write_arrays(path, {"ids": np.array(["a"]), "labels": np.array([0])})
    with pytest.raises(RunError, match="s.npz: expected scores, got no logits"):
        Scores.load(path)
    np.savez(path, ids=np.array(["a"], object))
    with pytest.raises(RunError, match="expected scores: the file is .* something"):
        Scores.load(path)


def test_shapes_must_belong_together():
    with pytest.raises(ValueError, match="expected scores of 2 videos and 3 classes"):
        scores(np.zeros((2, 3)), [0])
    with pytest.raises(ValueError, match="expected scores of 2 classes, got 3"):
        scores(np.zeros((1, 3)), [0], classes=("a", "b"))
    with pytest.raises(ValueError, match="expected groups of 1 videos, got 2"):
        scores(np.zeros((1, 3)), [0], groups=("a", "b"))


def test_together_are_the_videos_that_all_know():
    other = scores(
        [[5.0, 6, 7], [8, 9, 9], [1, 1, 1]], [2, 0, 1],
        ids=["ü", "a", "c"], classes=("x", "y", "z"), split="1", part="held_out",
    )  # fmt: skip
    first, second = together(THREE, other)
    assert first.ids == second.ids == ("a", "ü")
    assert second.labels.tolist() == [0, 2]
    np.testing.assert_array_equal(second.logits, [[8, 9, 9], [5, 6, 7]])
    np.testing.assert_array_equal(first.logits, THREE.logits[[0, 2]])
    assert first.groups == ("g1", "g2")


def test_together_are_in_the_order_of_the_first():
    """Which need not be that of their names."""
    first = scores(np.eye(3), [0, 1, 2], ids=["c", "a", "b"])
    second = scores(2 * np.eye(3)[::-1], [1, 2, 0], ids=["a", "b", "c"])
    one, two = together(first, second)
    assert one.ids == two.ids == ("c", "a", "b")
    assert two.labels.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(two.logits, 2 * np.eye(3)[::-1][[2, 0, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("x", "y", "q")}, r"the same classes, got 3 \(x, y, z\) and 3"),
        ({"split": "2"}, "the same split, got 1 and 2"),
        ({"part": "test"}, "the same part, got held_out and test"),
        ({"ids": ["p", "q", "r"]}, "the same videos, got none in common"),
        ({"labels": [0, 2, 2]}, "the same labels, but those of b differ"),
        (
            {"relevant": np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], bool)},
            "the same labels, but those of some differ",
        ),
    ],
)
def test_scores_that_do_not_belong_together_are_refused(change, message):
    facts = {
        "ids": THREE.ids, "classes": THREE.classes, "split": "1", "part": "held_out",
        "labels": THREE.labels,
    }  # fmt: skip
    with pytest.raises(RunError, match=message):
        together(THREE, scores(THREE.logits, **(facts | change)))


def test_weights_are_never_fitted_on_the_test_part():
    assert for_fitting(THREE) is THREE
    with pytest.raises(
        RunError, match="held-out videos to fit weights on, got those of"
    ):
        for_fitting(scores(THREE.logits, THREE.labels, split="1", part="test"))


def test_reading_scores_needs_no_torch():
    code = "import sys, training.scoring.scores; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert "numpy" in loaded.split() and "torch" not in loaded.split()


def test_softmax_of_large_logits_by_hand():
    """Odds of 3 to 1 in the first row, of 1 to 1 in the second."""
    logits = np.array([[1000.0, 1000.0 + np.log(3)], [-1000.0, -1000.0]])
    found = softmax(logits)
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-12)


def test_a_video_without_a_group_is_one_of_its_own():
    assert THREE.units == ("g1", "g1", "g2")
    assert scores(np.zeros((2, 3)), [0, 1]).units == ("v0", "v1")
    some = scores(np.zeros((2, 3)), [0, 1], groups=("", "g"))
    assert some.units == ("v0", "g") and some.rows([1]).units == ("g",)


def test_an_assessment_counts_clips_of_one_recording_once():
    """Two recordings of 20 clips, one always right: no surer than two videos."""
    names = ("a", "b")
    values = np.zeros((40, 2))
    values[:, 0] = 1
    labels = np.arange(40) // 20
    groups = tuple("gh"[k] for k in labels)
    found = assessment(scores(values, labels, classes=names, groups=groups), names)
    assert (found.groups, found.top1.mean) == (2, 0.5)
    assert found.top1.high - found.top1.low > 0.9
    alone = assessment(scores(values, labels, classes=names), names)
    assert alone.groups == 40
    assert alone.top1.high - alone.top1.low < 0.4
