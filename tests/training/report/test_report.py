"""Given run folders -> tables, verdicts and pages that say what the scores say."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_runs import CLASSES, VIDEOS, hits, made_run
from scipy.stats import t as student_t

from training.errors import RunError
from training.papers.facts import NUM_CLASSES, all_facts, facts_about, facts_of
from training.papers.groups import DEMO, MOTION, PAIRS, group_hits, groups_of
from training.recipes import SYSTEMS
from training.report.files import report_of, write_report
from training.report.page import Page, markdown
from training.report.read import read_evaluated_run
from training.report.several import several_runs, several_text
from training.run_files.arrays import write_arrays
from training.run_files.reproduction import Reproduction
from training.scoring.scores import Scores


def test_facts_are_the_papers_and_about_systems_we_have():
    assert len(all_facts()) > 100
    values = {(f.table, f.row): f.value for f in facts_of("fts")}
    assert values["1", "FTSnet (ours, R3D-18)"] == 54.5
    assert {f.value for f in facts_about("ti_dc")} == {81.0, 80.3}
    for fact in all_facts():
        assert fact.system in {*SYSTEMS, "decode_mv", "make_flow"}, fact
        assert fact.metric == "fps" or 20 < fact.value < 100
    assert {f.system for f in facts_of("mars")} >= {"mars", "mars_flow"}
    assert [f.value for f in facts_about("htsc") if f.metric == "map"] == [79.7] * 2


def test_groups_of_the_demo_ask_narrower_questions():
    classes = (*MOTION, *PAIRS[0], *PAIRS[1])
    motion, pair = groups_of("demo", classes)
    scores = np.zeros((3, 12))
    labels = np.array([0, 8, 11])
    scores[0, [8, 0]] = 2, 1  # called rise_bright, but left among the motions
    scores[1, [0, 9, 8]] = 3, 2, 1  # rise_dark rather than rise_bright
    scores[2, [8, 11, 10]] = 3, 2, 1  # fall_cool rather than fall_warm
    assert group_hits(scores, labels, classes, motion).tolist() == [True]
    assert group_hits(scores, labels, classes, pair).tolist() == [False, True]
    assert groups_of("ucf101", classes) == () == groups_of("demo", ("left",))
    assert [group.chance for group in DEMO] == [0.125, 0.5]


def reproduction(tmp_path, *, dataset="hmdb51", seeds=5, classes=CLASSES):
    """R3D on flow is better than on RGB; FTSnet is best."""
    shares = {"r3d_rgb": 0.3, "r3d_flow": 0.5, "r3d_two_stream": 0.7, "fts": 0.95}
    runs = {}
    for name, share in shares.items():
        for seed in range(seeds):
            folder = tmp_path / f"{name}{seed}"
            made_run(
                folder,
                f"{name}_small",
                hits(share, seed),
                seed=seed,
                dataset=dataset,
                classes=classes,
            )
            runs[f"{name}_small@{seed}"] = str(folder)
    return Reproduction(
        paper="fts",
        size="small",
        recipe_of={name: f"{name}_small" for name in shares},
        runs=runs,
        not_run={"mers": "because", "mars": "not asked for"},
        total=20,
        done=20,
    )


def test_a_reproduction_has_known_verdicts_and_differences(tmp_path, monkeypatch):
    monkeypatch.setitem(NUM_CLASSES, "hmdb51", len(CLASSES))
    out = tmp_path / "report"
    out.mkdir()
    write_report(out, reproduction(tmp_path))
    table = json.loads((out / "table.json").read_text())
    verdicts = {
        (one["name"], one["claim"]): one["verdict"] for one in table["orderings"]
    }
    assert verdicts["O10", "FTSnet student > RGB alone"] == "holds"
    assert verdicts["O12", "FTSnet student > two-stream"] == "holds"
    assert verdicts["O8", "flow > RGB, motion classes"] == "holds"
    text = (out / "report.md").read_text()
    ours = table["systems"]["fts"]["accuracy"]["all"]["mean"]
    row = next(line for line in text.splitlines() if line.startswith("| FTSnet"))
    assert "54.5 (HMDB51)" in row
    assert f"| {100 * ours:.1f} [" in row
    assert f"| {100 * ours - 54.5:+.1f} |" in row
    assert "| mers | because |" in text
    assert "| mars | not asked for |" not in text  # the same as fts at this size


@pytest.mark.parametrize("size", ["small", "medium"])
def test_claims_about_a_system_that_is_the_same_at_this_size_are_decided(
    tmp_path, size
):
    """`resnext_rgb` and `mars` are `r3d_rgb` and `fts` where small, and not where medium."""
    shares = {"r3d_rgb": 0.3, "fts": 0.5, "ds": 0.95}
    folders = []
    for name, share in shares.items():
        for seed in range(5):
            folders.append(tmp_path / f"{name}{seed}")
            made_run(folders[-1], f"{name}_{size}", hits(share, seed), seed=seed)
    text = report_of(folders, tmp_path / "out").with_name("report.md").read_text()
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    verdicts = {one["claim"]: one["verdict"] for one in table["orderings"]}
    assert verdicts["FTSnet student > RGB alone"] == "holds"
    if size == "medium":
        assert verdicts["DS student > RGB alone"] == "not run"
        assert "| O10 | ds - resnext_rgb |" not in text
        return
    assert verdicts["DS student > RGB alone"] == "holds"
    assert verdicts["MAE+Gram > pooled MSE (MARS)"] == "holds"
    assert "holds (same runs as O10, FTSnet student > RGB alone)" in text
    assert set(table["systems"]) == set(shares)
    of_ds = table["systems"]["ds"]["accuracy"]["all"]["mean"]
    of_rgb = table["systems"]["r3d_rgb"]["accuracy"]["all"]["mean"]
    assert f"| O10 | ds - resnext_rgb | {100 * (of_ds - of_rgb):+.1f} |" in text


def three_systems(tmp_path, *, seeds=5):
    """FTSnet is better than RGB alone; the runs of both, and of a seed of DS."""
    folders = []
    for name, share in {"r3d_rgb": 0.3, "fts": 0.5}.items():
        for seed in range(seeds):
            folders.append(tmp_path / f"{name}{seed}")
            made_run(folders[-1], f"{name}_small", hits(share, seed), seed=seed)
    made_run(tmp_path / "ds9", "ds_small", hits(0.4, 9), seed=9)
    return [*folders, tmp_path / "ds9"]


def test_any_two_systems_are_compared_pair_by_pair(tmp_path):
    pairs = [
        "r3d_rgb,fts",
        "mars, resnext_rgb",
        "ds,fts",
        "mars,fts",
    ]
    path = report_of(three_systems(tmp_path), tmp_path / "out", compare=pairs)
    text = path.with_name("report.md").read_text()
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    better, worse, never, same = table["comparisons"]
    assert better["systems"] == ["r3d_rgb", "fts"]
    accuracy = {
        name: of["accuracy"]["all"]["mean"] for name, of in table["systems"].items()
    }
    expected = accuracy["r3d_rgb"] - accuracy["fts"]
    assert expected < 0 and better["difference"]["mean"] == pytest.approx(expected)
    assert better["seeds"] == 5 and better["seeds_won"] == 0
    assert worse["difference"]["low"] == -better["difference"]["high"]
    assert worse["seeds_won"] == 5
    claim = next(one for one in table["orderings"] if one["name"] == "O10")
    assert worse["difference"] == claim["difference"]
    assert worse["smallest_detectable"] == claim["smallest_detectable"]
    assert never["difference"] is same["difference"] is None
    rows = text.partition("## Comparisons")[2].partition("## ")[0]
    assert f"| r3d_rgb - fts | {100 * expected:+.1f} [" in rows
    assert "| 0 of 5 |" in rows and "| 5 of 5 |" in rows
    assert "| ds - fts | no seed and video of both |" in rows
    assert "| mars - fts | the same runs |" in rows


def test_names_of_systems_that_are_compared_may_have_commas(tmp_path):
    folders = three_systems(tmp_path, seeds=2)
    name = "fts_small+terms=soft,mse"
    folders.append(made_run(tmp_path / "changed", name, hits(0.7, 0)))
    pairs = [f"r3d_rgb, {name}", f"{name},r3d_rgb"]
    path = report_of(folders, tmp_path / "out", compare=pairs)
    one, other = json.loads(path.with_name("table.json").read_text())["comparisons"]
    assert one["systems"] == ["r3d_rgb", name] == other["systems"][::-1]
    assert one["difference"]["mean"] == -other["difference"]["mean"] < 0
    with pytest.raises(RunError, match="to compare, got r3d_rgb,fts_small,mse$"):
        report_of(folders, tmp_path / "none", compare=["r3d_rgb,fts_small,mse"])


def test_a_report_compares_nothing_unless_asked_and_names_what_it_has(tmp_path):
    folders = three_systems(tmp_path, seeds=1)
    text = report_of(folders, tmp_path / "out").with_name("report.md").read_text()
    assert "## Comparisons" not in text
    assert "comparisons" not in json.loads(
        (tmp_path / "out" / "table.json").read_text()
    )
    known = "ds, fts, mars, r3d_rgb, resnext_rgb"
    with pytest.raises(
        RunError, match=rf"\({known}\) to compare, got r3d_rbg: did you"
    ):
        report_of(folders, tmp_path / "none", compare=["fts,r3d_rbg"])
    assert not (tmp_path / "none").exists()


def test_differences_on_groups_stand_beside_the_one_that_decides(tmp_path):
    out = tmp_path / "report"
    out.mkdir()
    classes = (*MOTION, *PAIRS[0], *PAIRS[1])
    write_report(out, reproduction(tmp_path, dataset="demo", classes=classes))
    table = json.loads((out / "table.json").read_text())
    (o10,) = (
        o for o in table["orderings"] if (o["name"], o["against"]) == ("O10", "r3d_rgb")
    )
    assert set(o10["groups"]) == {"motion", "pair"}
    for name, interval in o10["groups"].items():
        student, alone = (
            table["systems"][system]["accuracy"][name]["mean"]
            for system in ("fts", "r3d_rgb")
        )
        assert interval["mean"] == pytest.approx(student - alone)
        assert interval["low"] < interval["mean"] < interval["high"]
    (o8,) = (o for o in table["orderings"] if o["name"] == "O8")
    assert o8["groups"] == {}  # is about one of them itself
    text = (out / "report.md").read_text()
    head = "| difference, points | detectable | p | on motion | on pair | seeds won |"
    assert head in text


def test_numbers_of_seeds_and_groups_can_be_analysed_again(tmp_path):
    """60 videos in 20 recordings: means, counts and the p of table.json, recomputed."""
    told = reproduction(tmp_path)
    for folder in map(Path, told.runs.values()):
        scores = Scores.load(folder / "scores_test.npz")
        groups = tuple(f"g{int(name[4:]) // 3:02d}" for name in scores.ids)
        replace(scores, groups=groups).save(folder / "scores_test.npz")
    (out := tmp_path / "report").mkdir()
    write_report(out, told)
    table = json.loads((out / "table.json").read_text())
    counts = {name: one["counts"]["1"] for name, one in table["systems"].items()}
    assert counts["fts"]["groups"] == [f"g{k:02d}" for k in range(20)]
    for name, share in (("fts", 0.95), ("r3d_rgb", 0.3)):
        for seed, one in counts[name]["seeds"].items():
            expected = np.reshape(hits(share, int(seed)), (20, 3)).sum(axis=1)
            assert one["videos"] == [3] * 20
            assert one["correct"] == expected.tolist()
    fts = table["systems"]["fts"]["accuracy"]["all"]
    assert fts["over"] == {"seeds": 5, "groups": 20}
    (o10,) = (
        o
        for o in table["orderings"]
        if o["claim"].startswith("FTSnet student >") and o["name"] == "O10"
    )
    each = [
        np.array([counts[name]["seeds"][str(seed)]["correct"] for seed in range(5)])
        for name in ("fts", "r3d_rgb")
    ]
    cells = (each[0] - each[1]) / 3
    mean, rows, columns = cells.mean(), cells.mean(axis=1), cells.mean(axis=0)
    rest = cells - rows[:, None] - columns + mean
    parts = 20 * rows.var(ddof=1), 5 * columns.var(ddof=1), (rest**2).sum() / (4 * 19)
    variance = max(parts[0] + parts[1] - parts[2], *parts[:2]) / 100 + 2 / 60**2
    assert o10["difference"]["mean"] == pytest.approx(mean)
    assert o10["difference"]["standard_error"] == pytest.approx(np.sqrt(variance))
    freedom = o10["difference"]["degrees_of_freedom"]
    p = 2 * student_t.sf(mean / np.sqrt(variance), freedom)
    assert o10["p"] == pytest.approx(p)
    assert (o10["verdict"], o10["verdict_before_correction"]) == ("holds", "holds")
    musts = [o for o in table["orderings"] if o["weight"] == "must" and o["p"]]
    assert o10["p_adjusted"] >= o10["p"] and len(musts) == 2
    text = (out / "report.md").read_text()
    assert "intervals over 5 seeds and 20 groups of test videos" in text
    assert "2 orderings of weight must were decided here at once" in text


def test_motion_classes_of_ucf101_are_those_of_body_motion(tmp_path):
    """Flow is better on TaiChi alone, where every third video is; O8 is about that."""
    classes = ("TaiChi", "Haircut", "Archery")
    taichi = np.arange(VIDEOS) % 3 == 0
    runs = {}
    for seed in range(5):
        for name, right in (("r3d_flow", taichi), ("r3d_rgb", ~taichi)):
            folder = made_run(
                tmp_path / f"{name}{seed}",
                f"{name}_small",
                right.tolist(),
                seed=seed,
                dataset="ucf101",
                classes=classes,
            )
            runs[f"{name}_small@{seed}"] = str(folder)
    names = ("r3d_flow", "r3d_rgb")
    told = Reproduction(
        paper="fts", size="small", recipe_of={n: f"{n}_small" for n in names}, runs=runs
    )
    (out := tmp_path / "report").mkdir()
    write_report(out, told)
    table = json.loads((out / "table.json").read_text())
    (o8,) = (o for o in table["orderings"] if o["name"] == "O8")
    assert (o8["verdict"], o8["difference"]["mean"]) == ("holds", 1.0)
    accuracies = table["systems"]["r3d_flow"]["accuracy"]
    assert {name: one["mean"] for name, one in accuracies.items()} == {
        "all": pytest.approx(1 / 3),
        "body motion": 1.0,
        "human-human": 0.0,
        "sports": 0.0,
    }
    text = (out / "report.md").read_text()
    assert "O8, about motion classes, is decided on `body motion`" in text
    assert "on sports" not in text  # no column of its own


def test_orderings_of_videos_with_several_labels_are_of_map(tmp_path):
    """Every first answer is right; the net of vectors ranks a video of "up" above the one
    of "left", whose average precision is 1/2 then."""
    relevant = np.eye(3, dtype=bool)
    runs = {}
    for seed in range(5):
        for name, wrong in (("flow2d", 0.1), ("mv", 0.8)):
            scores = np.array([[0.7, 0, 0], [0, 0.9, 0], [wrong, 0, 0.9]])
            relevant_too = relevant.copy()
            relevant_too[1, 2] = True  # of two classes
            scores[1, 2] = 0.5
            folder = made_run(
                tmp_path / f"{name}{seed}",
                f"{name}_small",
                [True] * 3,
                seed=seed,
                dataset="thumos14",
            )
            told = Scores(
                ids=("a", "b", "c"),
                labels=np.arange(3),
                logits=scores,
                softmax=scores,
                relevant=relevant_too,
                classes=CLASSES,
                split="1",
                part="test",
            )
            told.save(folder / "scores_test.npz")
            runs[f"{name}_small@{seed}"] = str(folder)
    names = ("flow2d", "mv")
    told = Reproduction(
        paper="dtmv",
        size="small",
        recipe_of={n: f"{n}_small" for n in names},
        runs=runs,
    )
    (out := tmp_path / "report").mkdir()
    write_report(out, told)
    table = json.loads((out / "table.json").read_text())
    (o1,) = (o for o in table["orderings"] if o["name"] == "O1")
    assert o1["difference"]["mean"] == pytest.approx(1 / 6)  # (1/2 + 0 + 0) / 3
    ours = {n: table["systems"][n]["accuracy"]["all"]["mean"] for n in names}
    assert ours["flow2d"] - ours["mv"] == pytest.approx(1 / 6)


def test_thumos14_of_the_papers_has_the_101_classes_of_ucf101(tmp_path):
    """All are ranked right: 100 % mAP, against the 55.3 that DTMV prints."""
    classes = tuple(f"c{k:03d}" for k in range(101))
    folder = made_run(
        tmp_path / "flow2d",
        "flow2d_small",
        [True] * 101,
        dataset="thumos14",
        classes=classes,
    )
    scores = np.eye(101)
    relevant = np.eye(101, dtype=bool)
    relevant[0, 1] = scores[0, 1] = True  # of two classes
    Scores(
        ids=tuple(classes),
        labels=np.arange(101),
        logits=scores,
        softmax=scores,
        relevant=relevant,
        classes=classes,
        split="1",
        part="test",
    ).save(folder / "scores_test.npz")
    told = Reproduction(
        paper="dtmv",
        recipe_of={"flow2d": "flow2d_small"},
        runs={"flow2d_small@0": str(folder)},
    )
    (out := tmp_path / "report").mkdir()
    write_report(out, told)
    rows = [line.split(" | ") for line in (out / "report.md").read_text().splitlines()]
    (row,) = (row for row in rows if row[1:2] == ["flow2d_small"] and "55.3" in row[2])
    assert row[-2] == f"{100 - 55.3:+.1f}"


def on_splits(tmp_path, shares: dict[str, dict[str, float]]) -> dict:
    """A reproduction of DTMV on HMDB51: system -> split -> share of hits."""
    runs = {}
    for name, of_split in shares.items():
        for split, share in of_split.items():
            for seed in range(5):
                folder = made_run(
                    tmp_path / f"{name}-{split}-{seed}",
                    f"{name}_small",
                    hits(share, 10 * int(split) + seed),
                    seed=seed,
                    dataset="ucf101",
                    split=split,
                )
                runs[f"{name}_small@{seed}@{split}"] = str(folder)
    return Reproduction(
        paper="dtmv",
        size="small",
        split="1,2,3",
        recipe_of={name: f"{name}_small" for name in shares},
        runs=runs,
    )


def test_some_classes_of_a_data_set_are_not_compared_with_all(tmp_path):
    shares = {"flow2d": {"1": 0.5}, "frame_mv": {"1": 0.7}}
    told = replace(on_splits(tmp_path, shares), split="1")
    (out := tmp_path / "report").mkdir()
    write_report(out, told)
    rows = [line.split(" | ") for line in (out / "report.md").read_text().splitlines()]
    differences = {row[-2] for row in rows if row[1:2] == ["flow2d_small"]}
    assert differences == {""}
    beside = [row for row in rows if row[0] == "| frame_mv"]
    assert len(beside) == 1  # DTMV prints it for THUMOS14 alone


def test_several_splits_give_their_mean_and_stay_readable(tmp_path, monkeypatch):
    monkeypatch.setitem(NUM_CLASSES, "ucf101", len(CLASSES))
    shares = {"1": 0.5, "2": 0.7, "3": 0.9}
    told = on_splits(
        tmp_path,
        {"flow2d": shares, "mv": dict.fromkeys("123", 0.3), "frame_dtmv": shares}
        | {"st": {"1": 0.5, "3": 0.5}},
    )
    out = tmp_path / "report"
    out.mkdir()
    write_report(out, told)
    table = json.loads((out / "table.json").read_text())
    assert [split["name"] for split in table["splits"]] == ["1", "2", "3"]
    ours = table["systems"]["flow2d"]
    each = [ours["splits"][s]["accuracy"]["all"]["mean"] for s in ("1", "2", "3")]
    expected = [
        np.mean([hits(shares[s], 10 * int(s) + seed) for seed in range(5)])
        for s in "123"
    ]
    assert each == pytest.approx(expected)
    assert ours["accuracy"]["all"]["mean"] == pytest.approx(np.mean(expected))
    first = next(one for one in table["orderings"] if one["name"] == "O1")
    assert first["verdict"] == "holds" and first["seeds"] == 5
    assert {one["verdict"] for one in first["splits"].values()} == {"holds"}
    text = (out / "report.md").read_text()
    assert "official split 1, 60 test videos; official split 2, 60 test" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    flow = next(r for r in rows if r[1] == "flow2d_small" and "81.2" in r[2])
    assert "81.2 (UCF101, split 1)" in flow[2]  # set against our split 1 alone
    assert flow[3].startswith(f"{100 * np.mean(expected):.1f} [")
    assert flow[4] == f"{100 * expected[0] - 81.2:+.1f}"
    whole = next(r for r in rows if r[1] == "frame_dtmv_small")
    assert whole[2] == "87.5 (UCF101, mean of 3 splits)"
    assert whole[4] == f"{100 * np.mean(expected) - 87.5:+.1f}"
    assert next(r for r in rows if r[1] == "st_small")[3].endswith("(2 of 3 splits)")
    assert "flow2d (5 seeds on 3 splits together)" in text


def test_a_papers_number_never_stands_in_our_column(tmp_path):
    told = reproduction(tmp_path, dataset="demo", seeds=1)
    gone = [key for key in told.runs if key.startswith("fts_")]
    for key in gone:
        del told.runs[key]
    del told.recipe_of["fts"]
    out = tmp_path / "report"
    out.mkdir()
    write_report(out, told)
    text = (out / "report.md").read_text()
    cells = next(
        line for line in text.splitlines() if line.startswith("| FTSnet")
    ).split(" | ")
    assert cells[2:4] == ["54.5 (HMDB51)", "not run"]
    assert "too few seeds (1 of 5)" in text
    rgb = next(line for line in text.splitlines() if line.startswith("| R3D-18 RGB"))
    assert re.search(r"\|  \| 1 \|$", rgb)  # no difference: another data set
    assert "0.833 from motion alone" in text


class Tags(HTMLParser):
    """Whether all that is opened is closed, and what is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href") and v]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_is_one_whole_file_for_light_and_dark(tmp_path):
    folders = [
        made_run(tmp_path / str(seed), "dtmv_small", hits(0.5, seed), seed=seed)
        for seed in range(2)
    ]
    out = tmp_path / "report"
    out.mkdir()
    filters = np.random.default_rng(0).normal(size=(4, 3, 3))
    frames = np.zeros((2, 8, 12, 3), np.uint8)
    arrays = {"filters_dtmv": filters.astype(np.float32), "example_frame": frames}
    write_arrays(out / "figures.npz", arrays)
    page = report_of(folders, out).read_text()
    tags = Tags()
    tags.feed(page.replace("<!doctype html>", ""))
    tags.close()
    assert not tags.open
    assert tags.loads and all(load.startswith("data:image/png") for load in tags.loads)
    assert "prefers-color-scheme: dark" in page and "<script" not in page
    assert "Confusion of dtmv (2 seeds together)" in page
    names = {path.name for path in (out / "figures").iterdir()}
    assert names == {
        "confusion_dtmv.svg",
        "confusions.svg",
        "filters.svg",
        "flow.svg",
    }
    assert "figures/filters.svg" in (out / "report.md").read_text()


def test_runs_of_other_data_are_not_mixed(tmp_path):
    made_run(tmp_path / "a", "mv_small", hits(0.5, 0))
    made_run(tmp_path / "b", "ti_small", hits(0.5, 0), split="2")
    with pytest.raises(
        RunError, match="the same data set, classes and split .* split 2"
    ):
        report_of([tmp_path / "a", tmp_path / "b"], tmp_path)
    with pytest.raises(
        RunError, match=r"c: expected a complete run, .* no recipe.json"
    ):
        report_of([tmp_path / "c"], tmp_path)


@pytest.mark.parametrize("size", ["small", "medium", "tiny"])
def test_a_run_of_any_size_is_of_its_system(tmp_path, size):
    run = read_evaluated_run(made_run(tmp_path / "run", f"mv_{size}", [True] * 3))
    assert run.system == "mv"


def test_splits_and_seeds_have_their_mean(tmp_path):
    folders = []
    for split in ("1", "2"):
        for seed in range(2):
            folder = tmp_path / f"{split}{seed}"
            share = 0.5 + 0.2 * (split == "2")
            run_hits = hits(share, seed)
            made_run(folder, "mv_small", run_hits, seed=seed, split=split)
            folders.append(folder)
    told = several_runs(folders)
    each = [told.splits[name].top1.mean for name in ("1", "2")]
    assert told.top1.mean == pytest.approx(np.mean(each))
    assert told.top1.low < told.top1.mean < told.top1.high
    text = several_text(told)
    assert "mean of 2 splits (1, 2)" in text and "seed 1:" in text
    assert "95 % intervals over 2 seeds and 60 groups of videos" in text
    alone = several_text(several_runs(folders[:1]))
    assert "one seed: the spread between seeds is not in them" in alone
    made_run(tmp_path / "other", "ti_small", hits(0.5, 0))
    with pytest.raises(RunError, match="expected a run of mv_small on folder"):
        several_runs([folders[0], tmp_path / "other"])


def test_markdown_keeps_its_columns():
    page = Page(title="t")
    page.table(("a", "b"), [("x|y", "+1.5"), ("z", "")])
    lines = markdown(page).splitlines()
    assert "| a | b |" in lines and "| --- | ---: |" in lines
    assert r"| x\|y | +1.5 |" in lines


def test_long_cells_are_no_numbers_on_one_line():
    page = Page(title="t")
    paper = "92.7 (UCF101); 66.7 (HMDB51); 79.7 (THUMOS14, mAP)"
    page.table(("paper", "ours"), [(paper, "70.8 [66.4, 75.1] (one split)")])
    assert "| --- | ---: |" in markdown(page).splitlines()


def test_no_run_of_a_report_takes_the_place_of_another(tmp_path):
    runs = []
    for name, what in (("a", "flow from labels"), ("b", "mv from labels")):
        run = made_run(tmp_path / name, "demo", hits(0.7, len(runs)))
        results = json.loads((run / "results.json").read_text("utf-8"))
        text = json.dumps(results | {"what": what})
        (run / "results.json").write_text(text, encoding="utf-8")
        runs.append(run)
    report_of(runs, tmp_path / "out")
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "| demo: flow from labels |" in page and "| demo: mv from labels |" in page
    twin = tmp_path / "twin"
    shutil.copytree(runs[0], twin)
    with pytest.raises(
        RunError, match=f"{twin} and {runs[0]} are both .*: name only one of them"
    ):
        report_of([*runs, twin], tmp_path / "out")
