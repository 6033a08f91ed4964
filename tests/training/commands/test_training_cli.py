import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError

import click
import pytest
import torch
from click.testing import CliRunner
from moving_store import videos, write_store

from training import catalogue
from training.bench import run as bench
from training.commands.cli import main
from training.commands.console import RESUMED
from training.models.backbones import build_backbone
from training.recipes import get_recipe, listing, recipe_names
from training.runs.machine import select_machine


@pytest.fixture
def data(store, tmp_path, monkeypatch) -> Path:
    """A data folder with one store, as users have it."""
    shutil.copytree(store.folder, tmp_path / "stores" / "moving")
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_the_whole_path_as_typed(data):
    """No --store: there is one. A teacher is trained first, then found again."""
    first = call("distill", "--recipe", "tiny", "--baseline")
    assert first.exit_code == 0, first.output
    assert "no complete flow teacher" in first.stderr
    assert "mv from labels and a flow teacher; official split 1" in first.stdout
    assert len(list((data / "runs").iterdir())) == 3

    again = call("distill", "--recipe", "tiny", "--student", "rgb", "--json")
    assert again.exit_code == 0, again.output
    told = json.loads(again.stdout)
    assert told["what"] == "rgb from labels and a flow teacher"
    assert "complete, nothing to do" in again.stderr
    assert len(list((data / "runs").iterdir())) == 4

    judged = call("evaluate", told["run"], "--part", "held-out")
    assert judged.exit_code == 0, judged.output
    assert "held out part; official split 1" in judged.stdout


def test_teach_leaves_the_run_where_it_is_told(data):
    out = data / "mine"
    done = call("teach", "--modality", "mv", "--recipe", "tiny", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert (out / "results.json").exists()
    other = call("teach", "--modality", "rgb", "--recipe", "tiny", "--out", str(out))
    assert other.exit_code == 1
    assert other.stderr.count("\n") == 2  # what it is about to do, and why not
    assert "Error: " in other.stderr and "expected a run of this recipe" in other.stderr


def test_several_stores_are_named_and_asked_for(data):
    write_store(data / "stores" / "other", videos())
    refused = call("distill", "--recipe", "tiny")
    assert refused.exit_code == 1
    assert "moving" in refused.stderr and "other" in refused.stderr
    assert "--store" in refused.stderr


def test_our_errors_are_one_line_and_exit_1(data):
    for arguments, message in (
        (
            ("distill", "--recipe", "dtmw"),
            "no recipe 'dtmw': did you mean dtmv?",
        ),
        (("distill", "--recipe", "tiny", "--split", "7"), "a split among 1, got 7"),
        (("evaluate", str(data)), "expected a run, but it has no recipe.json"),
        (("teach", "--store", str(data)), ""),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1, arguments
        assert message in refused.stderr
        assert "Traceback" not in refused.output
    if not torch.cuda.is_available():
        refused = call("teach", "--device", "cuda")
        assert refused.exit_code == 1
        assert "expected a GPU for --device cuda" in refused.stderr


def test_without_a_gpu_the_small_size_is_taken_and_said(data):
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    refused = call("teach")
    assert "no GPU here: --size small" in refused.stderr
    assert "recipe flow2d_small" in refused.stderr
    assert refused.exit_code == 1
    assert "expected videos of at least 10 intervals between frames" in refused.stderr


def test_recipes_are_listed_a_line_each():
    listed = call("recipes")
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert len(set(names)) == len(names)
    assert {"fts", "mars", "ds", "dtmv", "emv", "ti", "st", "htsc", "demo"} <= set(
        names
    )
    assert max(map(len, lines)) < 110


def test_a_recipe_is_shown_whole():
    shown = call("recipes", "dtmv")
    assert shown.exit_code == 0, shown.output
    for part in (
        "clarifai sees mv: 90.72 M parameters",
        "DeeplyConnectedL2 at conv3, conv4, conv5, fc6, fc7",
        "teacher   flow2d",
        "at test   mv (10 entries of 224x224)",
        "80.7 top-1, UCF101 split 1, 10 crops",
        "not measured here",
    ):
        assert part in shown.stdout
    assert "dtmv_small" in call("recipes", "frame_dtmv_small").stdout
    assert call("recipes", "dtmw").exit_code == 1


def test_bench_counts_clips(data):
    told = call(
        "bench", "--recipe", "tiny", "--seconds", "0.2", "--workers", "0", "--json"
    )
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert figures["bare"] > 0 and figures["loop"] > 0
    (row,) = figures["rows"]
    assert 0 < row["share_of_waiting"] < 1
    assert row["training"] < row["loader_alone"]
    assert row["share_of_bare"] == pytest.approx(
        row["training"] / figures["bare"], abs=1e-3
    )
    for name, found in (
        ("bare", figures),
        ("loop", figures),
        ("training", row),
        ("loader_alone", row),
    ):
        low, high = found[f"{name}_range"]
        assert low < found[name] < high
    table = call("bench", "--recipe", "tiny", "--seconds", "0.1", "--workers", "0")
    assert (
        "of bare" in table.stdout and "bare loop, one batch in memory" in table.stdout
    )
    assert re.search(r"loop over the same: [\d.]+ \([\d.]+ to [\d.]+\)", table.stdout)


def test_bench_measures_the_network_that_is_set(data, monkeypatch):
    """Nothing is timed: the network and the batches that would be are looked at."""
    built = []

    def build(config, classes):
        built.append((config.net, config.sees, classes))
        return build_backbone(config, classes)

    monkeypatch.setattr(bench, "build_backbone", build)
    found = bench.run(
        None,
        modality="mv",
        recipe="tiny",
        changes=("model.net=r3d_narrow", "batch_size=2"),
        workers=(),
        seconds=0.01,
        device="cpu",
        inputs="device",
    )
    assert built == [("r3d_narrow", "mv", 2)]
    assert found.inputs == "device" and 0 < found.clip_bytes < 2 * 4 * 4 * 20 * 24
    assert found.batch_size == 2
    assert found.recipe == "tiny+batch_size=2+model.net=r3d_narrow"
    wrong = call("bench", "--recipe", "tiny", "--set", "model.nett=s3d")
    assert wrong.exit_code == 1 and "model.net" in wrong.output


def test_help_needs_no_torch():
    code = (
        "import sys\nfrom training.commands.cli import main\n"
        "try: main(['distill', '--help'])\nexcept SystemExit: pass\n"
        "print(*(name for name in ('torch', 'numpy', 'h5py') if name in sys.modules))"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.splitlines()[-1] == ""


def test_the_list_of_recipes_needs_no_torch():
    code = (
        "import sys\nfrom training.commands.cli import main\n"
        "main(['recipes'], standalone_mode=False)\n"
        "try: main(['distill', '--recipe', 'dtvm'])\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    lines = said.stdout.splitlines()
    assert lines[0].startswith("r3d_rgb ") and lines[-1] == "False"
    assert "no recipe 'dtvm': did you mean dtmv?" in said.stderr


def test_the_list_is_that_of_the_recipes():
    """Else: python tools/catalogue.py"""
    assert json.loads(catalogue.PATH.read_text("utf-8")) == listing()
    assert catalogue.recipe_names() == recipe_names()
    for name in catalogue.recipe_names():
        assert get_recipe(name).name == name


@pytest.mark.parametrize("words", [(), *((name,) for name in sorted(main.commands))])
def test_help_has_a_short_name(words):
    short, long = call(*words, "-h"), call(*words, "--help")
    assert short.exit_code == long.exit_code == 0
    assert short.stdout == long.stdout and short.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("distil", "distill"),
        ("distill --student mw", "mv"),
        ("distill --teacher flwo", "flow"),
        ("teach --size medum", "medium"),
        ("teach --recipe dtmv_smal", "dtmv_small"),
        ("recipes htsk", "hts"),
        ("fuse --recipe hts_clm", "hts_cln"),
        ("bench --recipe demoo", "demo"),
        ("teach --recipe tiny --split holdout-0.3-seed1", "holdout-0.3-seed0"),
        ("reproduce dtmw --split holdout-0.3-seed0", "dtmv"),
    ],
)
def test_what_was_meant_is_asked(tmp_path, monkeypatch, words, meant):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    splits = {"holdout-0.3-seed0": "seeded", "other": "lists"}
    write_store(tmp_path / "stores" / "a", videos(), splits=splits)
    refused = call(*words.split())
    assert refused.exit_code in (1, 2)
    assert re.search(
        rf"[Dd]id you mean '?{re.escape(meant)}'?( or \S+)?\?", refused.stderr
    )


def test_half_precision_on_a_cpu_is_refused():
    with pytest.raises(RuntimeError, match="float32 or bfloat16 on a CPU, got float16"):
        select_machine(device="cpu", precision="float16")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "words, resumes",
    [
        (("teach",), True),
        (("features",), True),
        (("predict", "--results=a.jsonl"), True),
        (("predict",), False),
        (("recipes",), False),
        (("report",), False),
    ],
)
def test_a_signal_outside_the_loop_ends_with_a_line_and_130(
    number, words, resumes, monkeypatch
):
    """Of commands that go on where they were, the line says so."""

    @click.command()
    def waits():
        signal.raise_signal(number)
        time.sleep(10)

    monkeypatch.setitem(main.commands, words[0], waits)
    monkeypatch.setattr(sys, "argv", ["training", *words])
    ended = call(words[0])
    assert ended.exit_code == 130
    line = "Interrupted: stopped; run the same command to resume"
    again = f"Resume with: training {' '.join(words)}"
    expected = [line, again] if resumes else ["Interrupted"]
    assert ended.stderr.splitlines() == expected


def test_commands_that_go_on_where_they_were_are_there():
    assert RESUMED < set(main.list_commands(None))


@pytest.mark.slow
def test_a_signal_saves_exits_130_and_says_how_to_go_on(data):
    """Small recipes have 70 epochs of one step here: time enough to be stopped."""
    shutil.rmtree(data / "stores" / "moving")
    write_store(data / "stores" / "longer", videos(frames=14))
    command = [sys.executable, "-c", "from training.commands.cli import main; main()"]
    options = ["teach", "--modality", "mv", "--out", str(data / "run")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [*command, *options], env=environment, stderr=subprocess.PIPE, text=True
    )
    metrics = data / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not metrics.exists() or not metrics.stat().st_size:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "everything is saved; run the same command to resume" in said
    assert f"Resume with: training {' '.join(options)}" in said
    assert (data / "run" / "checkpoint.pt").exists()
    assert not (data / "run" / "results.json").exists()


def test_splits_and_seeds_in_one_command(data):
    """Their mean is told; one run finds its like on the other split."""
    shutil.rmtree(data / "stores" / "moving")
    write_store(data / "stores" / "two", videos(), splits={"1": "lists", "2": "lists"})
    arguments = ("teach", "--recipe", "mv_tiny", "--split", "all", "--seeds", "2")
    told = call(*arguments, "--json")
    assert told.exit_code == 0, told.output
    mean = json.loads(told.stdout)
    assert set(mean["splits"]) == {"1", "2"}
    assert set(mean["splits"]["1"]["seeds"]) == {"0", "1"}
    run = data / "runs" / "two-mv_tiny-split2-seed1"
    judged = call("evaluate", str(run), "--split", "1,2")
    assert judged.exit_code == 0, judged.output
    assert "mean of 2 splits (1, 2)" in judged.stdout
    shutil.rmtree(data / "runs" / "two-mv_tiny-split1-seed1")
    alone = call("evaluate", str(run), "--split", "all")
    assert alone.exit_code == 1
    assert "there is none on 1: train with --split 1" in alone.stderr
    refused = call(*arguments, "--out", str(data / "out"))
    assert "expected one split and one seed with --out, got 2 and 2" in refused.stderr


def test_what_is_held_out_is_asked_for_and_said(data):
    """Without the option the recipe's share: two of eight videos."""
    learned = {}
    for option in ((), ("--held-out", "0"), ("--held-out", "0.5")):
        told = call("teach", "--recipe", "mv_tiny", *option, "--json")
        assert told.exit_code == 0, told.output
        results = json.loads(told.stdout)
        learned[option[1:]] = results["videos"]["train"]
        assert ("held_out" in results) == (option[1:] != ("0",))
        shown = call("teach", "--recipe", "mv_tiny", *option).stdout
        assert f"{results['videos']['held_out']} held out (" in shown
    assert learned == {(): 6, ("0",): 8, ("0.5",): 4}
    assert (
        "--held-out 0" in call("teach", "--recipe", "mv_tiny", "--held-out", "0").output
    )
    none = call("teach", "--recipe", "flow2d_tiny", "--held-out", "0", "--json")
    runs = [json.loads(one.stdout)["run"] for one in (none, told)]
    refused = call("fuse", *runs, "--how", "search")
    assert refused.exit_code == 1
    assert "train the streams with --held-out 0.2" in refused.stderr


def test_a_refusal_leaves_no_folder(data, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (data / "runs").mkdir(exist_ok=True)
    out = str(tmp_path / "not" / "there")
    paper = ("reproduce", "dtmv", "--size", "tiny", "--rows", "mv")
    for words in ((*paper, "--device", "cuda"), ("report", str(data / "runs"))):
        refused = call(*words, "--out", out)
        assert refused.exit_code == 1 and "Error: " in refused.stderr, refused.output
        assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    "command, net, words",
    [
        ("teach", "model", ("--recipe", "r3d_rgb_tiny")),
        ("distill", "student", ("--recipe", "st_tiny", "--no-baseline")),
    ],
)
def test_weights_that_cannot_be_downloaded_leave_no_folder(
    command, net, words, data, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def cut_off(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", cut_off)
    out = str(tmp_path / "student")
    weights = f"--set={net}.weights=torchvision:KINETICS400_V1"
    refused = call(command, *words, f"--set={net}.net=mc3_18", weights, "--out", out)
    assert refused.exit_code == 1, refused.output
    assert "could not be downloaded" in refused.stderr, refused.stderr
    assert not Path(out).exists()


@pytest.mark.parametrize("pair", ["grid", "grid,", "grid,grid", "grid,,dtmv"])
def test_two_different_systems_are_compared(pair, tmp_path):
    refused = call("report", str(tmp_path), "--out", "out", "--compare", pair)
    assert refused.exit_code == 2
    assert f"a comma between, as grid,dtmv, got {pair}" in " ".join(
        refused.stderr.split()
    )


def test_a_fusion_by_held_out_videos_has_some(data):
    """Its parts hold some out, even of a small data set and by a recipe that keeps its
    last weights."""
    told = call("collaborate", "--recipe", "hts_cln_tiny", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["videos"]["held_out"] == 2


@pytest.mark.parametrize("command", ["fuse", "collaborate"])
def test_runs_have_held_out_what_they_have(command, tmp_path):
    refused = call(command, str(tmp_path), str(tmp_path), "--held-out", "0.2")
    assert refused.exit_code == 2
    assert "expected no --held-out with RUNS" in refused.stderr


def test_a_fused_teacher_and_a_system_for_another_command(data):
    told = call("distill", "--recipe", "dtmv_tiny", "--teacher", "rgb,flow", "--json")
    assert told.exit_code == 0, told.output
    results = json.loads(told.stdout)
    assert results["what"] == "mv from labels and a flow and rgb teacher"
    assert len(results["teachers"]) == 2
    for arguments, message in (
        (("distill", "--recipe", "hts_tiny"), "but hts_tiny is for `training fuse`"),
        (("fuse", "--recipe", "dtmv_tiny"), "dtmv_tiny is for `training distill`"),
        (("distill", "--recipe", "mv_tiny"), "mv_tiny has no teacher"),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1 and message in refused.stderr, refused.output
    assert call("distill", "--teacher", "flow,flow").exit_code == 2
