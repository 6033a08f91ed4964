from dataclasses import replace

from training.report.text import evaluation_text, results_text
from training.run_files.results import (
    Baseline,
    Evaluation,
    Interval,
    OtherRun,
    ShortAccuracy,
)
from training.run_files.run_config import SplitFacts, SplitName


def results(run, **changes):
    return replace(run.results(), **changes)


def test_a_page_says_split_accuracy_interval_and_classes(teacher):
    told = results_text(teacher.results(), title="here")
    assert "flow from labels; official split 1" in told
    assert "6 to train on, 2 held out (25%, of every class), 4 to test" in told
    top1 = 100 * teacher.results().test.top1.mean
    assert f"test      top-1 {top1:5.1f} % (" in told
    assert "of 4 videos in 2 groups\n" in told
    assert "95 % intervals over groups of videos; how much another seed would" in told
    assert "    left " in told and "    right" in told


def test_a_single_epoch_is_one(teacher):
    found = teacher.results()
    one = replace(found, training=replace(found.training, epochs=1))
    assert "  training: 1 epoch of " in results_text(one, title="here")


def test_a_seeded_split_is_never_called_official(teacher):
    split = SplitFacts(name="holdout-0.3-seed0", kind="seeded", videos="")
    told = results_text(results(teacher, split=split), title="here")
    assert "split holdout-0.3-seed0, drawn at random by group, not official" in told
    assert "official split" not in told


def test_who_was_left_out_is_named(teacher):
    videos = replace(
        teacher.results().videos,
        left_out={f"v{i}": "no mv" for i in range(22)},
        held_out_by_video=("left",),
        untaught=("right",),
        untested=("left",),
        torn=tuple(f"g{i}" for i in range(7)),
    )
    told = results_text(results(teacher, videos=videos), title="here")
    assert "left out: 22 videos" in told
    assert "    v0: no mv" in told and "and 2 more, see results.json" in told
    assert (
        "  classes in the test part only: right\n  classes in the training part only: left\n"
        in told
    )
    torn = "groups with videos in training and test: 7 (g0, g1, g2, g3, g4, ...)"
    assert torn in told
    assert "held out by video, not by group (one group only): left" in told


def test_student_stands_beside_teacher_and_baseline(teacher):
    test = teacher.results().test
    short = ShortAccuracy(
        videos=test.videos, top1=test.top1, mean_class=test.mean_class
    )
    other = OtherRun(run="r", what="flow from labels", test=short)
    scratch = Baseline(
        run="r",
        what="mv from labels",
        test=short,
        difference=Interval(0.1, -0.05, 0.2),
        videos_compared=4,
    )
    told = results_text(results(teacher, teacher=other, scratch=scratch), title="here")
    assert "teacher   top-1" in told and "scratch   top-1" in told
    assert "with teacher - without: +10.0 (-5.0 to +20.0) points, 4 videos" in told


def test_an_evaluation_is_a_short_page(teacher):
    told = evaluation_text(
        Evaluation(
            part="held_out",
            split=SplitName(name="1", kind="lists"),
            result=teacher.results().held_out,
            videos=teacher.results().videos,
        ),
        title="run",
    )
    assert told.startswith("run: held out part; split 1, from lists")
