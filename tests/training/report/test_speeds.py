"""Measured speeds in the tables where the papers print theirs."""

import pytest
from made_runs import hits, made_run

from training.papers.facts import Fact, all_facts
from training.report.files import write_report
from training.report.speed import measured_speed
from training.run_files.reproduction import (
    NetworkSpeed,
    Reproduction,
    Speeds,
    StageSpeed,
    SystemSpeed,
)

STAGES = {"vectors and rgb": 4000.0, "network frame": 2000.0, "network dtmv": 1000.0}


def reading(**speeds):
    return {
        name.replace("_", " "): StageSpeed(
            frames_per_second=value,
            slowest=value - 10,
            fastest=value + 10,
            device="a CPU",
            how="by hand",
        )
        for name, value in speeds.items()
    }


SPEEDS = Speeds(
    device="a CPU",
    batch_size=16,
    rows=tuple(
        NetworkSpeed(
            system=name,
            per_second=1000.0,
            slowest=900.0,
            fastest=1100.0,
            architecture="clarifai_tiny on mv, 4 x 24x20 px",
            parameters=224_732,
            multiply_adds=2_000_000,
        )
        for name in ("mv", "dtmv")
    ),
    reading=reading(vectors=5700.0, vectors_and_rgb=4000.0, flow=64.0),
    systems=(
        SystemSpeed(
            system="frame_dtmv",
            stages=STAGES,
            total=571.4,
            slowest=500.0,
            fastest=600.0,
        ),
        SystemSpeed(
            system="frame_flow",
            stages={"rgb": 400.0, "flow": 50.0, "network frame": 400.0},
            total=40.0,
        ),
    ),
)


def fact(table, row, system, paper="dtmv"):
    return Fact(paper, table, row, system, "ucf101", "-", "fps", 1.0)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (fact("V", "MV and RGB extraction", "decode_mv"), "4,000 (3,990 to 4,010)"),
        (fact("VI", "Motion vectors (CPU)", "decode_mv"), "5,700 (5,690 to 5,710)"),
        (fact("VI", "Brox flow (GPU)", "make_flow"), "64.0 (54.0 to 74.0)"),
        # 2000 and 1000 frames a second, one after the other
        (fact("V", "CNN processing", "frame_dtmv"), "666.7"),
        (fact("V", "Total", "frame_dtmv"), "571.4 (500.0 to 600.0)"),
        (fact("VII", "Two-stream CNNs (GPU)", "frame_flow"), "40.0"),
        # 400 and 400; HTSC leaves out the time of flow
        (fact("5", "Two-stream", "frame_flow", paper="htsc"), "200.0"),
    ],
)
def test_a_printed_speed_has_ours_of_the_same_stages(printed, expected):
    assert measured_speed(printed, SPEEDS).text == expected


def test_what_was_not_measured_has_no_speed():
    assert measured_speed(fact("5", "HTS", "hts", paper="htsc"), SPEEDS) is None


def test_every_printed_speed_stands_in_its_table_with_ours(tmp_path):
    run = made_run(tmp_path / "run", "frame_dtmv_small", hits(0.5, 0), dataset="ucf101")
    state = Reproduction(
        paper="dtmv",
        split="1",
        recipe_of={"frame_dtmv": "frame_dtmv_small"},
        runs={"frame_dtmv_small@0": str(run)},
        speeds=SPEEDS,
    )
    (out := tmp_path / "out").mkdir()
    write_report(out, state)
    text = (out / "report.md").read_text()
    table = text.partition("**Table V: speed")[2].partition("**Table")[0]
    rows = [line[2:-2].split(" | ") for line in table.splitlines() if "UCF101" in line]
    assert {row[0]: row[-1] for row in rows} == {
        "MV and RGB extraction": "4,000 (3,990 to 4,010)",
        "CNN processing": "666.7",
        "Total": "571.4 (500.0 to 600.0)",
    }
    assert rows[1][2] == "UCF101 925.9 (K40 GPU)"
    printed = {
        f.table
        for f in all_facts()
        if (f.paper, f.metric, f.dataset) == ("dtmv", "fps", "ucf101")
    }
    assert printed >= {"V", "VI", "VII"}
    for name in printed:
        assert text.count(f"**Table {name}: speed") == 1
    network = (
        "| clarifai_tiny on mv, 4 x 24x20 px | mv, dtmv | 1,000 (900.0 to 1,100) |"
    )
    assert network in text


def test_systems_whose_stages_are_as_fast_share_a_row(tmp_path):
    runs = {}
    for name in ("ti", "emv"):
        folder = made_run(tmp_path / name, f"{name}_small", hits(0.5, 0))
        runs[f"{name}_small@0"] = str(folder)
    systems = tuple(
        SystemSpeed(
            system=name, stages={"vectors": 900.0, f"network {name}": 90.0}, total=81.8
        )
        for name in ("ti", "emv")
    )
    speeds = Speeds(device="a CPU", batch_size=16, rows=(), systems=systems)
    (out := tmp_path / "out").mkdir()
    write_report(out, Reproduction(paper="dtmv", runs=runs, speeds=speeds))
    row = "| ti, emv | 81.8 | vectors 900.0, network ti 90.0 |"
    assert row in (out / "report.md").read_text()
