"""All commands that print names, over a data set whose names are hostile."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hostile import CLASSES, FORGED, assert_harmless
from moving import write_video
from rich.console import Console

from pipeline.commands.cli import main
from pipeline.commands.progress import BarReporter, LineReporter
from pipeline.store import Store


def drawn(seed: int) -> np.ndarray:
    """(4, 48, 64, 3): blocks that move to the right."""
    blocks = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    frame = blocks.repeat(4, axis=0).repeat(4, axis=1)
    return np.stack([np.roll(frame, 2 * t, axis=1) for t in range(4)])


SMALL = ["--short-side", "32", "--workers", "0", "--ray", "off"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / f"set\n{FORGED}"
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for take in range(2):
            path = folder / name / f"{take}{CLASSES[take]}.mp4"
            write_video(path, drawn(2 * number + take))
        (folder / name / f"bad{name}.mp4").write_bytes(b"no video" * 40)
        (folder / name / f"note{name}.txt").write_text("not a video")
    return folder


def run(*arguments: object):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert_harmless(result.output)
    assert "Traceback" not in result.output
    return result


def source(videos: Path) -> list[object]:
    return ["--dataset", "folder", "--videos", videos, "--holdout", "0.5"]


@pytest.fixture(scope="module")
def store(videos, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("stores") / f"st\x1b[31m\n{FORGED}"
    done = run("extract", *source(videos), "--out", out, *SMALL)
    assert done.exit_code == 3, done.output
    assert r"a\nforged" in done.output and r"b\x1b[2J" in done.output
    assert "日本" in done.output
    return out


def test_what_looks_at_a_store_prints_harmless_lines(store, videos, tmp_path):
    told = run("status", store).stdout
    assert told.count("quarantined") == 3
    run("status", store, "--json")
    run("info", store)
    video = Store(store).ids()[0]
    assert "class_names" in run("info", store, video).stdout
    run("verify", store)
    drawn = run("preview", store, "--video", video, "--out", tmp_path / "x\x1b\ny.png")
    assert len(drawn.stdout.splitlines()) == 3
    again = run("extract", *source(videos), "--out", store, *SMALL)
    assert again.exit_code == 3


def test_damage_is_named_on_one_line(store, tmp_path):
    copy = tmp_path / f"copy\n{FORGED}"
    shutil.copytree(store, copy)
    next(copy.glob("rgb-*.h5")).write_bytes(b"damage")
    damaged = run("verify", copy)
    assert damaged.exit_code == 1 and "1 damaged file" in damaged.stdout
    assert run("info", store, f"no\n{FORGED}").exit_code == 1


def test_what_looks_at_a_data_set_prints_harmless_lines(videos, tmp_path):
    run("audit", *source(videos))
    run("plan", *source(videos), "--out", tmp_path / "new", *SMALL)
    rows = [f'"{CLASSES[1]}/{take}{CLASSES[take]}.mp4"' for take in (1,)]
    table = tmp_path / f"l\x1b\n{FORGED}.csv"
    table.write_text(
        f"path,label,split:a\x1b[1m,group\n{rows[0]},x\x1b[2J\u202e,train,g\x1b\x07\n"
        "gone\u202e.mp4,y,test,h\n"
    )
    listed = ["--dataset", "list", "--videos", videos, "--splits", table]
    assert r"x\x1b[2J\u202e" in run("audit", *listed).output


@pytest.mark.slow
def test_unreadable_names_and_terminals_end_nothing(tmp_path):
    """Standard output in latin-1, and a locale of ASCII alone."""
    folder = tmp_path / "videos" / "日本"
    folder.mkdir(parents=True)
    for name in ("一", "二"):
        write_video(folder / f"{name}.mp4", drawn(ord(name)))
    for number, terminal in enumerate(TERMINALS):
        done = _process(tmp_path / "videos", tmp_path / f"store{number}", **terminal)
        assert "Traceback" not in done.stderr
        if number:  # the names cannot be opened here, and are told
            assert done.returncode == 1
            assert "日本/一.mp4" in done.stderr and "UTF-8" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert r"\u65e5\u672c" in done.stdout
            index = (tmp_path / "store0" / "index.jsonl").read_text("utf-8")
            assert json.loads(index.splitlines()[-1])["id"].startswith("日本/")


def _process(videos: Path, out: Path, **terminal: str):
    words = ["extract", "--dataset", "folder", "--videos", videos, "--out", out]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline.commands.cli",
            *words,
            "--modalities",
            "rgb",
            *SMALL,
        ],
        env=os.environ | terminal,
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    )


TERMINALS = (
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
)


def test_bars_and_lines_show_names_as_they_are():
    terminal, log = io.StringIO(), io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=200)
    with BarReporter(console) as bars:
        for reporter in (bars, LineReporter(log)):
            reporter.say(f"quarantined {CLASSES[2]}: x\n{FORGED}\x1b[2J")
    assert_harmless(log.getvalue())
    assert log.getvalue().count("\n") == 1
    for shown in (terminal.getvalue(), log.getvalue()):
        assert r"\u202e\u2066\x9b[red]日本: x\nforged" in shown
        assert "\x1b[2J" not in shown
