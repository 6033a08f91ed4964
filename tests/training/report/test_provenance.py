"""The provenance of a report: from what the runs recorded, and nothing else."""

import json

from made_runs import hits, made_run

from training.report.files import report_of, write_report
from training.report.provenance import flow_text, frames_text
from training.run_files.reproduction import Reproduction

SETTINGS = {
    "common": {"short_side": 120, "frames_per_second": None},
    "rgb": {"codec": {"name": "jpeg_rgb", "quality": 95}},
    "flow": {"profile": "fast", "codec": {"name": "jpeg_flow", "bound_px": 20.0}},
    "mv": {
        "source": "canonical",
        "crf": 40,
        "keyint": 12,
        "preset": "veryfast",
        "codec": {"name": "quarter_pel"},
    },
}
MACHINE = {
    "store": "/data/ucf101",
    "device": "cpu",
    "threads": 1,
    "processor": "AMD EPYC 9R14",
    "cores": 2.0,
    "versions": {
        "motion-shards": "0.3.0",
        "python": "3.12.1",
        "torch": "2.9",
        "av": "18",
    },
    "commit": "0123abcd",
    "command": "training teach flow",
}


def change(folder, name, **values):
    """Other values in a JSON file of a run; "a__b" is b in a."""
    path = folder / name
    told = json.loads(path.read_text())
    for key, value in values.items():
        *outer, last = key.split("__")
        inside = told
        for one in outer:
            inside = inside[one]
        inside[last] = value
    path.write_text(json.dumps(told))


def recorded(folder, recipe, seed, *, seconds, train=557, machine=MACHINE):
    made_run(folder, recipe, hits(0.5, seed), seed=seed, dataset="ucf101")
    store = {"fingerprint": "f00d", "settings": SETTINGS}
    change(
        folder,
        "recipe.json",
        machine=machine,
        **{f"run__store__{key}": value for key, value in store.items()},
    )
    training = {
        "epochs": 30,
        "seconds": seconds,
        "seconds_per_epoch": seconds / 30,
        "share_of_waiting": 0.1,
        "parameters": 1_250_000,
    }
    change(
        folder,
        "results.json",
        training=training,
        videos__train=train,
        videos__held_out=64,
    )
    return folder


def rows(out):
    """First cell -> the others, of every table row of report.md."""
    lines = (out / "report.md").read_text().splitlines()
    cells = [line[2:-2].split(" | ") for line in lines if line.startswith("|")]
    return {first: rest for first, *rest in cells}


def test_store_versions_machine_and_trainings_are_those_of_the_runs(tmp_path):
    runs = [
        recorded(tmp_path / "a", "mv_small", 0, seconds=40.0),
        recorded(tmp_path / "b", "mv_small", 1, seconds=60.0, train=550),
        recorded(tmp_path / "c", "mv_small", 2, seconds=41.0),
        recorded(tmp_path / "d", "ti_small", 0, seconds=100.0),
    ]
    report_of(runs, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert found["store"] == ["ucf101"] and found["store fingerprint"] == ["f00d"]
    assert found["frames"] == ["short side 120 px, every frame; jpeg_rgb quality 95"]
    assert found["flow (TV-L1)"] == ["profile fast; jpeg_flow bound_px 20.0"]
    assert found["motion vectors"] == [
        "canonical: crf 40, keyint 12, preset veryfast; quarter_pel"
    ]
    assert found["motion-shards"] == ["0.3.0"] and found["PyAV"] == ["18"]
    assert found["NumPy"] == ["not recorded"]
    assert found["processor"] == ["AMD EPYC 9R14"] and found["cores"] == ["2 usable"]
    assert found["commit of the source"] == ["0123abcd"]
    assert found["command"] == ["`training teach flow`"]
    assert found["all training"] == ["241 s in 4 runs"]
    assert found["mv_small"] == [
        "3",
        "550 to 557",
        "64",
        "60",
        "30",
        "1.25",
        "41 (40 to 60)",
    ]
    assert found["ti_small"][-1] == "100"
    told = json.loads((tmp_path / "out" / "table.json").read_text())["provenance"]
    assert told["stores"] == [
        {"dataset": "ucf101", "fingerprint": "f00d", "classes": 3, "settings": SETTINGS}
    ]
    (second,) = (run for run in told["runs"] if run["run"] == "b")
    assert second["videos"] == {"train": 550, "held_out": 64, "test": 60}
    assert second["training"]["seconds"] == 60.0 and second["seed"] == 1
    assert second["machine"]["processor"] == "AMD EPYC 9R14"
    assert "store" not in second["machine"]  # a folder of one machine


def test_runs_of_several_machines_name_all_of_them(tmp_path):
    other = MACHINE | {"device": "NVIDIA H200", "commit": None}
    runs = [
        recorded(tmp_path / "a", "mv_small", 0, seconds=40.0),
        recorded(tmp_path / "b", "mv_small", 1, seconds=40.0, machine=other),
    ]
    report_of(runs, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert found["device"] == ["CPU, 1 thread; NVIDIA H200"]
    assert found["commit of the source"] == ["0123abcd; not recorded"]


def test_runs_of_earlier_versions_lack_values_and_are_reported(tmp_path):
    """As 0.2.0 wrote them: torch's version in a field of its own, nothing else."""
    run = made_run(tmp_path / "a", "mv_small", hits(0.5, 0))
    machine = {"store": "/data/mine", "device": "cpu", "threads": 2, "torch": "2.8"}
    change(run, "recipe.json", machine=machine)
    (out := tmp_path / "out").mkdir()
    command = "training reproduce dtmv --store mine"
    state = Reproduction(
        paper="dtmv", runs={"mv_small@0": str(run)}, command=command, split="1"
    )
    write_report(out, state)
    found = rows(out)
    assert found["PyTorch"] == ["2.8"]
    absent = (
        "store fingerprint",
        "Python",
        "commit of the source",
        "processor",
        "cores",
    )
    assert {found[name][0] for name in absent} == {"not recorded"}
    assert found["frames"] == found["flow (TV-L1)"] == ["not recorded"]
    assert found["command"] == [f"`{command}`"]
    assert found["mv_small"] == ["1", "1", "0", "60", "", "", ""]


def test_imported_frames_claim_no_extraction():
    codec = {"name": "jpeg_flow", "bound_px": 20.0}
    settings = {
        "common": {"imported_frames": "tsn", "frames_per_second": 25.0},
        "flow": {"codec": codec},
    }
    frames = frames_text(settings)
    assert frames == "imported as they were (tsn), 25.0 frames per second"
    assert flow_text(settings) == "imported, made elsewhere; jpeg_flow bound_px 20.0"
