"""The blocks of docs/tutorial.md run in order, as they are written, on smaller clips."""

import glob
import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from moving import write_video

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text("utf-8")


def statements() -> Iterator[str]:
    """Command lines and other pieces of shell, without the drawing of the demo."""
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for piece in re.findall(r".*<<'END'\n[\s\S]*?^END$|.+", block, re.MULTILINE):
            if not piece.startswith("pipeline demo"):
                yield piece


def draw(folder: Path) -> None:
    """Six clips of each class that the tutorial takes, 48x64."""
    for label, name in enumerate(("left", "right", "cw", "ccw")):
        (folder / name).mkdir(parents=True)
        for group in (0, 1, 2, 10, 11, 12):
            blocks = np.random.default_rng([label, group]).integers(0, 255, (12, 16, 3))
            frame = blocks.astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
            step = (-2, 2, 1, -1)[label]
            moved = [np.roll(frame, step * t, axis=1) for t in range(8)]
            write_video(folder / name / f"{name}_g{group:02d}.mp4", np.stack(moved))


@pytest.mark.slow
def test_the_tutorial_can_be_typed_as_it_stands(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDEO_DATA", raising=False)
    draw(tmp_path / "drawn")
    printed = ""
    for piece in statements():
        words = shlex.split(piece)
        if words[0] not in ("pipeline", "training"):
            subprocess.run(["sh", "-euc", piece], check=True)
            continue
        words = [word for each in words for word in sorted(glob.glob(each)) or [each]]
        words = ["tiny" if word == "demo" else word for word in words]
        main = importlib.import_module(f"{words[0]}.commands.cli").main
        done = CliRunner().invoke(main, words[1:])
        assert done.exit_code == 0, f"{piece}\n{done.output}"
        printed += done.output
    for said in (
        *(
            "12 videos of 4 classes",
            "to extract: 12 videos",
            "12 of 12 videos stored in store",
        ),
        *("no damaged files", "picture left.png", "runs/student: results", "scratch"),
        *("on another store: more-store", "report/report.html", "split 1 (from lists)"),
    ):
        assert said in printed, said
    for made in ("left.mp4", "runs/student/model.pt", "report/report.md"):
        assert Path(made).is_file()


def test_the_tutorial_shows_what_comes() -> None:
    assert len(re.findall(r"^```text$", TEXT, re.MULTILINE)) >= 6
    assert len(list(statements())) >= 12
