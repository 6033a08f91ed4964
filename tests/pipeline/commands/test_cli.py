"""The `pipeline` command: exit codes, one line for bad input, and nothing changed on disk."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from small_videos import draw_videos

from motion_shards.interruption import as_ctrl_c
from pipeline.commands.cli import main
from pipeline.store import Store, only_store

SMALL = ["--short-side", "32", "--workers", "0", "--ray", "off"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 8)
    return folder


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("stores") / "store"
    result = run("extract", *source(folder), "--out", out, *SMALL)
    assert result.exit_code == 0, result.output
    return out


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def source(folder: Path) -> list[object]:
    return ["--dataset", "folder", "--videos", folder]


def last_line(result) -> str:
    assert "Traceback" not in result.output
    return result.output.strip().splitlines()[-1]


def test_extract_makes_a_store_of_all_three_modalities(store):
    assert Store(store).modalities == ("rgb", "flow", "mv")


def test_the_json_summary_is_json_and_nothing_else(folder, store):
    result = run("extract", *source(folder), "--out", store, *SMALL, "--json")
    summary = json.loads(result.stdout)
    assert summary["stored"] == 8 and summary["fresh_shards"] == 0
    assert summary["bytes"].keys() == {"rgb", "flow", "mv"}


def test_places_are_known_when_they_are_not_given(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/folder").symlink_to(folder)
    result = run("extract", "--dataset", "folder", "--modalities", "mv", *SMALL)
    assert result.exit_code == 0, result.output
    assert Store(tmp_path / "stores/folder").modalities == ("mv",)


def test_stores_of_ones_own_data_are_called_like_the_folder_or_as_wished(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    (tmp_path / "clips").symlink_to(folder)
    given = ["extract", "--dataset", "folder", "--videos", tmp_path / "clips"]
    assert run(*given, "--modalities", "rgb", *SMALL).exit_code == 0
    assert only_store() == tmp_path / "stores/clips"
    assert Store(only_store()).manifest.dataset == "clips"
    (tmp_path / "clips").rename(tmp_path / "moved")
    given[-1] = tmp_path / "moved"
    more = [*given, "--out", tmp_path / "stores/clips", "--modalities", "rgb", *SMALL]
    refused = run(*more)
    assert "'clips', got 'moved' (to continue it, add --name clips)" in (refused.stderr)
    assert run(*more, "--name", "clips").exit_code == 0
    named = run(*given, "--name", "mine", "--modalities", "rgb", *SMALL)
    assert named.exit_code == 0 and (tmp_path / "stores/mine").is_dir()
    known = run("extract", "--dataset", "ucf101", "--name", "mine")
    assert known.exit_code == 1 and "a data set of your own" in known.stderr


def test_classes_may_be_repeated(folder, tmp_path):
    given = ["plan", *source(folder), "--out", tmp_path / "store", *SMALL]
    both = run(*given, "--classes", "left", "--classes", "right")
    assert both.output == run(*given, "--classes", "right,left").output
    assert "8 videos of 2 classes" in both.output
    near = run(*given, "--classes", "lefft")
    assert near.exit_code == 1 and "did you mean left?" in near.stderr


def test_a_dry_run_estimates_and_changes_nothing(folder, tmp_path):
    out = tmp_path / "store"
    result = run("extract", *source(folder), "--out", out, *SMALL, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "to extract: 8 videos in 2 shards, about 48 frames" in result.output
    assert not out.exists()
    again = run("plan", *source(folder), "--out", out, *SMALL, "--json")
    planned = json.loads(again.stdout)
    assert (planned["videos"], planned["shards"], planned["frames"]) == (8, 2, 48)
    assert planned["workers"].startswith("this process") and planned["hours"] > 0
    assert not out.exists()


def test_plan_takes_the_options_of_extract():
    names = {
        command: {param.name for param in main.commands[command].params}
        for command in ("extract", "plan")
    }
    assert names["extract"] - names["plan"] == {"dry_run"}


def test_quarantined_videos_are_named_and_give_exit_code_3(folder, tmp_path):
    (tmp_path / "videos/left").mkdir(parents=True)
    good = (folder / "left/v000.mp4").read_bytes()
    (tmp_path / "videos/left/good.mp4").write_bytes(good)
    (tmp_path / "videos/left/torn.mp4").write_bytes(good[:200])
    result = run(
        *("extract", *source(tmp_path / "videos"), "--out", tmp_path / "s", *SMALL),
        *("--modalities", "rgb"),
    )
    assert result.exit_code == 3, result.output
    assert "left/torn.mp4: " in last_line(result)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--modalities", "rgb,depth"], 2, "expected some of rgb, flow, mv"),
        (["--classes", "sideways"], 1, "sideways"),
        (
            ["--short-side", "64"],
            1,
            "--short-side: the store was made with 32, this run asks for 64",
        ),
        (
            ["--flow-profile", "fast"],
            1,
            "--flow-profile: the store was made with default",
        ),
        (["--fps", "10", "--mv-source", "original"], 2, "--fps cannot go with"),
        (["--flow-device", "cuda", "--out", "fresh"], 1, "cuda"),
        (["--splits", "nowhere"], 1, "nowhere"),
        (["--limit", "3"], 1, "lost 5"),
        (["--mv-preset", "hasty", "--out", "fresh"], 2, "hasty"),
        (["--short-side", "33", "--out", "fresh"], 2, "even"),
    ],
)
def test_bad_requests_are_refused_with_a_line(
    arguments, code, said, folder, store, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = sorted(path.stat().st_mtime_ns for path in store.glob("*.h5"))
    result = run("extract", *source(folder), "--out", store, *SMALL, *arguments)
    assert result.exit_code == code, result.output
    assert said in last_line(result)
    assert sorted(path.stat().st_mtime_ns for path in store.glob("*.h5")) == before
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_not_there_or_hold_no_video_are_refused(tmp_path):
    missing = run("extract", *source(tmp_path / "no"), "--out", tmp_path / "s")
    assert missing.exit_code == 1 and str(tmp_path / "no") in last_line(missing)
    (tmp_path / "empty").mkdir()
    empty = run("extract", *source(tmp_path / "empty"), "--out", tmp_path / "s")
    assert empty.exit_code == 1 and "empty" in last_line(empty)
    assert not (tmp_path / "s").exists()


def test_an_output_that_is_something_else_is_refused(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = run("extract", *source(folder), "--out", tmp_path, *SMALL)
    assert result.exit_code == 1 and "got something else" in last_line(result)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_may_not_be_written_is_refused(folder, tmp_path):
    tmp_path.chmod(0o500)
    result = run("extract", *source(folder), "--out", tmp_path / "s", *SMALL)
    tmp_path.chmod(0o700)
    assert result.exit_code == 1 and "Permission denied" in last_line(result)


def test_an_output_inside_a_file_is_refused(folder, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("extract", *source(folder), "--out", tmp_path / "file/s", *SMALL)
    assert result.exit_code == 1 and "file" in last_line(result)


def test_another_layout_version_is_refused(folder, store, tmp_path):
    for path in store.glob("*.json*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    plan = json.loads((tmp_path / "_plan.json").read_text())
    del plan["checksum"]
    (tmp_path / "_plan.json").write_text(json.dumps(plan | {"layout_version": 9}))
    result = run("extract", *source(folder), "--out", tmp_path, *SMALL)
    assert result.exit_code == 1
    assert "expected layout 2, got 9" in last_line(result)


def test_verify_names_a_flipped_byte(folder, store, tmp_path):
    import shutil

    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    assert run("verify", copy).exit_code == 0
    victim = next(copy.glob("flow-*.h5"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 3] ^= 4
    victim.write_bytes(content)
    before = sorted(copy.rglob("*"))
    result = run("verify", copy)
    assert result.exit_code == 1 and victim.name in result.output
    assert (
        "run this command with --mark" in last_line(result)
        and sorted(copy.rglob("*")) == before
    )
    assert run("verify", copy, "--mark").exit_code == 1
    repaired = run("extract", *source(folder), "--out", copy, *SMALL)
    assert "1 shard built" in repaired.output
    assert run("verify", copy).exit_code == 0


def test_status_and_info_tell_what_is_there(store):
    assert "flow: 2/2 shards" in run("status", store).output
    assert json.loads(run("status", store, "--json").stdout)["finished"]
    told = run("info", store).output
    assert "videos: 8" in told and "\nearlier fingerprints: none" in told
    one = json.loads(run("info", store, "v003", "--json").stdout)
    assert one["id"] == "right/v003" and one["frames"] == 6
    assert "\nsegments: none\n" in run("info", store, "v003").output
    unknown = run("info", store, "v999")
    assert unknown.exit_code == 1 and "v999" in last_line(unknown)


def test_preview_draws_a_picture(store, tmp_path):
    result = run("preview", store, "--video", "v002", "--out", tmp_path / "x.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_says_how_to_go_on_and_goes_on(how, tmp_path):
    draw_videos(tmp_path / "videos", 40, frames=30)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [
        *(
            sys.executable,
            "-m",
            "pipeline.commands.cli",
            "extract",
            "--dataset",
            "folder",
        ),
        *("--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "store")),
        *("--workers", "2", "--ray", "off", "--modalities", "rgb,mv"),
        *("--short-side", "32"),
        *("--scratch", str(scratch)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        deadline = time.monotonic() + 90
        while not list((tmp_path / "store/_commits").glob("*.json")):
            if time.monotonic() > deadline:
                driver.kill()
            assert driver.poll() is None, "no commit came in 90 s"
            time.sleep(0.05)
        driver.send_signal(how)
        _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130, said
    kept = re.search(r"interrupted: (\d+) of 40 videos are finished and saved in", said)
    assert kept and "run the same command to resume" in said
    state = json.loads(run("status", tmp_path / "store", "--json").output)
    done = min(state["done"].values())  # of 8 shards
    assert 4 * done <= int(kept[1]) <= 6 * done
    assert not list(scratch.iterdir())
    last = [*command, "--workers", "0"]
    again = subprocess.run(last, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    told = f"{kept[1]} of 40 videos are already finished" in again.stderr
    assert told == (kept[1] != "0")
    assert len(Store(tmp_path / "store").videos()) == 40


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_may_be_stopped_while_it_still_plans(how, tmp_path, monkeypatch):
    from pipeline.driver import extraction

    draw_videos(tmp_path / "videos", 1)
    given = ["--dataset", "folder", "--videos", tmp_path / "videos"]
    given += ["--out", tmp_path / "store", "--ray", "off"]

    def planning(*given, **more):
        os.kill(os.getpid(), how)
        time.sleep(10)

    monkeypatch.setattr(extraction, "store_plan", planning)
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)]
    for command in ("extract", "plan"):
        stopped = run(command, *given)
        assert stopped.exit_code == 130
        assert "interrupted" in stopped.stderr.splitlines()[-1]
    assert not (tmp_path / "store").exists()
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_signal_that_is_ignored_stays_ignored():
    """As `nohup` does it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with as_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_during_a_finaliser_is_not_lost(number):
    class Interrupted:
        def __del__(self):
            signal.raise_signal(number)
            time.sleep(0)  # here Python raises, and drops it

    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), as_ctrl_c():
        Interrupted()
        time.sleep(10)
    assert sys.unraisablehook == hook


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from pipeline.commands.cli import main\n"
        "try: main(['extract', '--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    loaded = set(out.partition("LOADED")[2].split())
    assert "click" in loaded
    assert not {"numpy", "h5py", "ray", "torch", "av", "cv2", "rich"} & loaded


def test_quarantined_videos_are_tried_again_on_request(tmp_path):
    folder = tmp_path / "videos/a"
    folder.mkdir(parents=True)
    (folder / "x.mp4").write_bytes(b"no video")
    given = ["extract", "--dataset", "folder", "--videos", str(folder.parent)]
    given += ["--out", str(tmp_path / "store"), "--workers", "0", "--ray", "off"]
    runner = CliRunner()
    first = runner.invoke(main, [*given, "--json"])
    assert "a/x" in json.loads(first.stdout)["bad"], first.output
    again = runner.invoke(main, [*given, "--json"])
    assert json.loads(again.stdout)["fresh_shards"] == 0
    tried = runner.invoke(main, [*given, "--json", "--retry-quarantined"])
    assert json.loads(tried.stdout)["fresh_shards"] == 1


def all_commands(group: click.Group, *above: str) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*above, name))
        if isinstance(command, click.Group):
            found += all_commands(command, *above, name)
    return found


@pytest.mark.parametrize("command", [(), *all_commands(main)], ids=" ".join)
def test_h_is_help_everywhere(command):
    short, long = run(*command, "-h"), run(*command, "--help")
    assert short.exit_code == 0 and short.output.startswith("Usage:")
    assert short.output == long.output


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("extrakt",), "extract"),
        (("previw", "store"), "preview"),
        (("bench", "flwo"), "flow"),
        (("cluster", "chek"), "check"),
    ],
)
def test_a_command_that_is_not_there_has_neighbours(typed, meant):
    result = run(*typed)
    assert result.exit_code == 2
    assert re.search(rf"No such command.*[Dd]id you mean .*{meant}", result.stderr)


def test_plan_says_at_once_what_it_does(folder, tmp_path):
    """Before anything heavy is imported, and before it measures."""
    code = (
        "import sys; from pipeline.commands.cli import main\n"
        "class Told(Exception): pass\n"
        "def echo(text, **more): print(text, *sys.modules); raise Told\n"
        "import click; click.echo = echo\n"
        "try: main(['plan', '--dataset', 'folder', '--videos', sys.argv[1]])\n"
        "except Told: pass\n"
    )
    told = subprocess.check_output([sys.executable, "-c", code, folder], text=True)
    assert told.startswith("reading the list of videos ...")
    assert not {"numpy", "h5py", "ray", "av", "numba"} & set(told.split())
    result = run("plan", "--dataset", "folder", "--videos", folder, "--workers", 0)
    assert (
        "extracting a few frames to measure speed and size" in result.stderr
        and result.exit_code == 0
    )
