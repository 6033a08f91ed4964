"""Learning curves, confusion matrices, printed differences, rows of the same runs."""

import json
import re

import numpy as np
import pytest
from made_runs import CLASSES, hits, made_run

from training.report.files import report_of, write_report
from training.report.panels import Curve, Matrix, Plot, confusions_svg, curves_svg
from training.report.printed import printed_differences
from training.run_files.reproduction import Reproduction


def log(folder, *epochs):
    """Lines of metrics.jsonl: steps and then each epoch's values."""
    lines = []
    for number, values in enumerate(epochs):
        lines.append({"kind": "steps", "epoch": number, "step": 10, "loss": 99.0})
        ends = {"kind": "epoch", "epoch": number, "step": 20, "seconds": 1, "waited": 0}
        lines.append(ends | values)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)


def test_curves_are_the_epochs_of_every_seed(tmp_path):
    runs = [
        made_run(tmp_path / str(seed), "mv_small", hits(0.5, seed), seed=seed)
        for seed in range(2)
    ]
    log(
        runs[0],
        {"loss": 3.0, "labels": 2.0, "held_out_loss": 2.5, "held_out_top1": 0.25},
        {"loss": 2.0, "labels": 1.0, "held_out_loss": float("nan")},
    )
    log(runs[1], {"loss": 1.5, "held_out_loss": 2.25, "held_out_top1": 0.5})
    report_of(runs, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "table.json").read_text())["curves"]
    assert told == {
        "0": {
            "training_loss": {
                "1": 2.0,
                "2": 1.0,
            },  # without the terms of a distillation
            "held_out_loss": {"1": 2.5},
            "held_out_top1": {"1": 0.25},
        },
        "1": {
            "training_loss": {"1": 1.5},
            "held_out_loss": {"1": 2.25},
            "held_out_top1": {"1": 0.5},
        },
    }
    picture = (tmp_path / "out" / "figures" / "curves.svg").read_text()
    assert "mv_small: loss" in picture and "mv_small: held-out top-1, %" in picture
    assert picture.count("<path d=") == 4 + 2 + 4  # losses, accuracies, two axes each


def test_runs_that_logged_nothing_have_no_curves(tmp_path):
    run = made_run(tmp_path / "a", "mv_small", hits(0.5, 0))
    report_of([run], tmp_path / "out")
    assert not (tmp_path / "out" / "figures" / "curves.svg").exists()
    assert "Learning curves" not in (tmp_path / "out" / "report.md").read_text()


def test_a_line_goes_from_the_first_epoch_to_the_last():
    """Epochs 1 to 3 lie on 40 to 224, values 1 to 3 on 130 to 24: low is down."""
    plot = Plot("a", [Curve([(1, 1.0), (2, 2.0), (3, 3.0)], 0)])
    (path,) = re.findall(r'd="M([\d. L]+)" fill="none"', curves_svg([plot], ("one",)))
    assert path == "40 130.0L132 77.0L224 24.0"


def test_long_curves_keep_their_last_value():
    plot = Plot("a", [Curve([(x, float(x)) for x in range(1, 1001)], 0)])
    (path,) = re.findall(r'd="M([\d. L]+)" fill="none"', curves_svg([plot], ("one",)))
    assert path.count("L") <= 60 and path.endswith("L224 24.0")


def cells(picture):
    """Opacity -> cells (row, column) that are drawn with it."""
    found = {}
    for path, opacity in re.findall(
        r'd="([M\dhv z-]+)" fill-opacity="([\d.]+)"', picture
    ):
        at = re.findall(r"M(\d+) (\d+)h1v1h-1z", path)
        found[opacity] = {(int(row), int(column)) for column, row in at}
    return found


def test_shades_of_a_matrix_are_shares_of_its_rows():
    counts = np.array([[10, 0, 0], [1, 99, 0], [0, 2, 2]])
    picture = confusions_svg([Matrix("dtmv", counts)], ("a", "b", "c"), fewest=0.02)
    shades = cells(picture)
    assert shades["1"] == {(0, 0), (1, 1)}
    assert shades["0.5"] == {(2, 1), (2, 2)}
    assert "<title>c called b 50%, c 50%</title>" in picture
    assert "<title>b called b 99%</title>" in picture  # 1 of 100 is not drawn


def test_confusion_is_summed_over_seeds_and_systems_of_the_same_runs_share_it(tmp_path):
    runs = {}
    for seed, right in enumerate((6, 12)):  # of 60: video k is of class k mod 3
        own = [k < right for k in range(60)]
        folder = made_run(tmp_path / f"fts{seed}", "fts_small", own, seed=seed)
        runs[f"fts_small@{seed}"] = str(folder)
    other = made_run(tmp_path / "rgb", "r3d_rgb_small", [True] * 60)
    runs["r3d_rgb_small@0"] = str(other)
    recipe_of = {"fts": "fts_small", "mars": "fts_small", "r3d_rgb": "r3d_rgb_small"}
    (out := tmp_path / "out").mkdir()
    write_report(out, Reproduction(paper="all", recipe_of=recipe_of, runs=runs))
    told = json.loads((out / "table.json").read_text())["confusion"]
    assert list(told) == ["fts, mars", "r3d_rgb"]
    left, right, up = CLASSES
    assert told["fts, mars"][left] == {left: 2 + 4, right: 18 + 16}
    assert told["fts, mars"][up] == {up: 2 + 4, left: 18 + 16}
    assert told["r3d_rgb"][right] == {right: 20}
    assert "fts, mars" in (out / "figures" / "confusions.svg").read_text()


def test_a_sheet_of_the_papers_sizes_stays_small():
    """101 classes of 37 videos, five seeds, and 60 systems."""
    draw = np.random.default_rng(0)
    names = tuple(f"class {k}" for k in range(101))
    matrices = []
    for system in range(60):
        counts = np.diag(np.full(101, 150)) + draw.poisson(0.35, (101, 101))
        matrices.append(Matrix(f"system {system}", counts))
    assert len(confusions_svg(matrices, names, fewest=0.02)) < 700_000


@pytest.mark.parametrize(
    ("better", "other", "expected"),
    [
        ("fts", "r3d_two_stream", [("hmdb51", 7.9)]),  # 54.5 - 46.6
        ("ds", "mars", [("ucf101", 0.6), ("hmdb51", 1.4)]),  # in two tables, once
        # OF-CNN of [1] and reimplemented, on HMDB51: 55.4 and 60 - 45.8
        (
            "flow2d",
            "mv",
            [("ucf101", 6.8), ("hmdb51", 9.6), ("hmdb51", 14.2), ("thumos14", 25.5)],
        ),
        # 80.7 - 79.3 of ten crops; 80.3 of one has no partner in table II
        ("dtmv", "emv", [("ucf101", 1.4), ("hmdb51", 1.8), ("thumos14", 2.0)]),
        ("mars", "resnext_rgb", []),
    ],
)
def test_the_papers_differences_by_hand(better, other, expected):
    found = printed_differences(better, other, "demo")
    assert [(fact.dataset, value) for value, fact in found] == expected


def rows_of(text, heading):
    """Cells of the table rows under a heading."""
    part = text.partition(f"## {heading}")[2].partition("\n## ")[0]
    return [line[2:-2].split(" | ") for line in part.splitlines() if line[:2] == "| "]


def reproduced(tmp_path, shares, recipe_of, **more):
    """A report of made runs: recipe -> share of hits by seed."""
    runs = {}
    for name, of_seeds in shares.items():
        for seed, share in of_seeds.items():
            folder = tmp_path / f"{name}{seed}"
            made_run(folder, name, hits(share, seed), seed=seed, dataset="hmdb51")
            runs[f"{name}@{seed}"] = str(folder)
    (out := tmp_path / "out").mkdir()
    write_report(out, Reproduction(runs=runs, recipe_of=recipe_of, **more))
    return (out / "report.md").read_text()


def test_our_difference_is_of_the_seeds_that_both_sides_have(tmp_path):
    recipe_of = {"fts": "fts_small", "r3d_two_stream": "r3d_two_stream_small"}
    shares = {"fts_small": {0: 0.9, 1: 0.5}, "r3d_two_stream_small": {1: 0.3}}
    text = reproduced(tmp_path, shares, recipe_of, paper="fts")
    (row,) = (
        row
        for row in rows_of(text, "The papers' own differences")
        if row[1] == "fts - r3d_two_stream"
    )
    expected = 100 * (np.mean(hits(0.5, 1)) - np.mean(hits(0.3, 1)))
    assert row == [
        "O12",
        "fts - r3d_two_stream",
        f"{expected:+.1f}",
        "HMDB51 +7.9 (fts table 1)",
    ]


def test_a_row_of_the_same_runs_says_so(tmp_path):
    recipe_of = {"fts": "fts_small", "mars": "fts_small", "mers": "mers_small"}
    recipe_of["resnext_rgb"] = "mers_small"
    shares = {"fts_small": {0: 0.9}, "mers_small": {0: 0.3}}
    text = reproduced(tmp_path, shares, recipe_of, paper="all")
    mean = 100 * np.mean(hits(0.9, 0))
    first, again = (
        row[3]
        for row in (line[2:-2].split(" | ") for line in text.splitlines())
        if row[1:2] == ["fts_small"]
    )
    assert first.startswith(f"{mean:.1f} [")
    assert again == f"{mean:.1f}: same runs as fts in fts table 1"
    beside = {row[0]: row[1] for row in rows_of(text, "Beside the papers' rows")}
    other = 100 * np.mean(hits(0.3, 0))
    assert beside["mers"].startswith(f"{other:.1f} [")
    assert beside["resnext_rgb"] == f"{other:.1f}: same runs as mers in this table"
