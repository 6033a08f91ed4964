"""Every command line of README, the documents and the help texts runs as it is written.

The recipes are those that a user gets, at the size that a user gets; the data set is
small, six clips of three splits, and a training ends after a few epochs. Lines that need a
cluster, minutes or other people's files are named in `NOT_RUN` with the reason; tests/test_readme.py looks at their options.
"""

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from moving import write_video

from training.experiments import motion
from training.runs import lifecycle

ROOT = Path(__file__).parents[1]
WORDS = ("pipeline", "training")

NOT_RUN = {
    "pipeline submit": "needs a Ray cluster with its job server",
    "pipeline jobs": "needs a Ray cluster with its job server",
    "pipeline logs": "needs a Ray cluster with its job server",
    "pipeline stop": "needs a Ray cluster with its job server",
    "pipeline bench": "measures for a minute; tests/pipeline/bench",
    "pipeline demo --size full": "draws 648 clips",
    "pipeline extract --dataset demo --videos VIDEOS": "takes these 648 clips",
    "pipeline extract --dataset ucf101 --videos CLIPS": "takes 729 clips of UCF101",
    "pipeline extract --dataset list --videos CLIPS": "takes 70 clips of Weizmann",
    "training teach --recipe r3d_rgb_small --seed N": "takes 729 clips of UCF101",
    "training teach --recipe mv_small --seed N": "as the one before",
    "training distill --recipe lab.py": "tests/training/commands/test_own_code.py",
    "training distill --code lab.py": "tests/training/commands/test_own_code.py",
    "training teach --recipe mv_small --set model.net=lab.py": "as the one before",
    "training evaluate RUN --code lab.py": "as the one before",
    "training recipes dtmv_small --toml > mine.toml": "as the one before",
    "training distill --recipe mine.toml": "as the one before",
    "training distill --recipe grid_small": "takes trained teachers; "
    "tests/training/recipes/test_grid_recipes.py and commands/test_several_teachers.py",
    "training teach --recipe r3d_rgb --init": "downloads; tests/training/commands/test_init.py",
    "training distill --recipe mars --init": "takes released weights; as the one before",
    "training teach --modality mv --init RUN": "as the one before",
    "training bench": "measures for a minute; tests/training/commands/test_training_cli.py",
    "training ray-train": "starts Ray; tests/training/test_ray_train.py",
    "training teach --modality mv --store": "takes several stores of the same videos; "
    "tests/training/experiments/test_training_on_variants.py",
    "training distill --student mv --store STORE --variant": "as the one before",
    "pipeline extract --dataset ucf101 --modalities mv": "takes 729 clips of UCF101",
    "training export RUN --format folder,onnx": "tests/training/export/test_programs.py",
    "training export RUN --to MODEL --format onnx": "as the one before",
    "training sweep": "trains several networks; tests/training/test_sweep.py",
    "training teach --modality flow --log tensorboard": "needs TensorBoard, which is an "
    "extra; tests/training/runs/test_metrics_files.py",
    "training predict MODEL camera:0": "needs a camera",
    "training predict MODEL rtsp:": "needs a server; "
    "tests/training/recognition/test_predict_live.py",
    "training predict MODEL udp:": "as the one before",
    "training predict data/runs/RUN rtsp:": "as the one before",
    "pipeline extract --dataset hmdb51 --out s3:": "needs a server; "
    "tests/pipeline/driver/test_addressed.py",
    "pipeline info s3:": "needs a server; tests/pipeline/store/test_remote_store.py",
    "pipeline info https:": "as the one before",
    "pipeline stores s3:": "needs a server; "
    "tests/pipeline/management/test_address_stores.py",
    "pipeline copy STORE s3:": "as the one before",
    "training distill --store s3:": "as the one before",
    "training distill --store https:": "as the one before",
    "training report RUNS/": "needs twenty runs; tests/training/report/test_report.py",
    "training reproduce": "trains a hundred networks; tests/training/reproduce/test_reproduce.py",
}
"""Beginning of a line -> why it is not run here."""


class Line(NamedTuple):
    """A command line, and where it is written."""

    text: str
    where: str


def lines_of(text: str, where: str) -> Iterator[Line]:
    """Indented lines that start with one of our commands, without what explains them."""
    found = re.findall(
        r"^[ \t]+(?:torchrun .*--no-python )?((?:pipeline|training) .*)$",
        text,
        re.MULTILINE,
    )
    for line in found:
        yield Line(re.split(r"\s{2,}|\s+#", line)[0].rstrip(), where)


def as_printed(text: str) -> str:
    """A help text with its literal paragraphs indented, whatever Python did to it.

    Compilers from 3.13 on take the indentation of docstrings away, as click does later.
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        indent(each, "    ") if each.startswith("\b") else each for each in paragraphs
    )


def help_texts(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    shown = f"{as_printed(command.help or '')}\n\n{as_printed(command.epilog or '')}"
    yield f"{name} --help", shown
    if isinstance(command, click.Group):
        for word, inner in command.commands.items():
            yield from help_texts(inner, f"{name} {word}")


def texts() -> Iterator[tuple[str, str]]:
    """Where something is written, and what."""
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]:
        yield str(path.relative_to(ROOT)), path.read_text("utf-8")
    for word in WORDS:
        yield from help_texts(
            importlib.import_module(f"{word}.commands.cli").main, word
        )
        for path in sorted((ROOT / word).rglob("*.py")):
            said = ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=False)
            yield str(path.relative_to(ROOT)), said or ""


def every_line() -> list[Line]:
    """Each line once, in the order of reading."""
    found: dict[str, Line] = {}
    for where, text in texts():
        for line in lines_of(text, where):
            found.setdefault(line.text, line)
    return list(found.values())


def reason(line: str) -> str | None:
    """Why a line is not run."""
    return next((why for start, why in NOT_RUN.items() if line.startswith(start)), None)


LINES = [line for line in every_line() if reason(line.text) is None]


EPOCHS = 5
"""Of a training, at most, after those that learn from features alone."""


class Home(NamedTuple):
    """A folder as users have it, and what the words in capitals stand for."""

    folder: Path
    runs: tuple[Path, ...]
    others: tuple[Path, ...]

    @property
    def store(self) -> Path:
        return self.folder / "data" / "stores" / "hmdb51"

    @property
    def frames(self) -> Path:
        """The frames and flow of that store, as other programs have them."""
        out = self.folder / "exported"
        if not out.exists():
            store = str(self.store)
            call(["pipeline", "export", store, "--to", "frames", "--out", str(out)])
        return out / "frames"

    def words(self, line: str, out: Path) -> list[str]:
        """The words of a line, with something that is there for those in capitals."""
        data = self.folder / "data"
        runs, others = iter(self.runs), iter(self.others)
        given: list[str] = []
        for word in shlex.split(line):
            word = word.strip("[]")
            option = given[-1] if given else ""
            match word, option:
                case "...", _:
                    continue
                case "DIR", "--videos" | "--splits":
                    name = given[given.index("--dataset") + 1]
                    word = str(data / option.removeprefix("--") / name)
                case "STORE", "--out":
                    word = str(out / "store")
                case "STORE", _:
                    word = str(self.store)
                case "MODEL" | "data/runs/RUN", _:
                    word = str(self.runs[1])
                case "RUN", _:
                    word = str(next(runs))
                case "A" | "B", "--store":
                    word = str(next(others))
                case "FOLDER", "--out":
                    word = str(out / "folder")
                case "LISTS", "--splits":
                    word = str(data / "splits" / "hmdb51")
                case "NEW", _:
                    word = str(out / "new")
                case "FRAMES", _:
                    word = str(self.frames)
                case "TABLE", _:
                    word = str(self.frames.parent / "videos.jsonl")
                case "OTHER", _:
                    word = str(self.others[1])
                case "FILE", "--videos":
                    word = str(out / "list.txt")
                    Path(word).write_text("wave/Film_0_wave_f_nm_np1_fr_med_0\n")
                case "FILE", _:
                    word = str(min(data.glob("videos/hmdb51/*/*.avi")))
                case "VIDEO" | "ID", _:
                    word = "wave/Film_0_wave_f_nm_np1_fr_med_0"
                case _:
                    assert not word.isupper() or len(word) < 2, f"{line}: {word}?"
            given.append(word)
        return given[1:]


def call(words: list[str]) -> None:
    """Run a command in this process."""
    main = importlib.import_module(f"{words[0]}.commands.cli").main
    done = CliRunner().invoke(main, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}"


def draw(path: Path, number: int, right: bool) -> None:
    """14 frames of a texture that moves to one side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).uniform(0, 255, (48, 64, 3))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 2)
    low, high = smooth.min(), smooth.max()
    texture = ((smooth - low) * (255 / (high - low))).astype(np.uint8)
    step = 2 if right else -2
    moved = [np.roll(texture, step * t, axis=1) for t in range(14)]
    write_video(path, np.stack(moved))


def hmdb51(data: Path) -> None:
    """Two classes of three films each; every split tests another one."""
    for label, name in enumerate(("run", "wave")):
        clips = [f"Film_{film}_{name}_f_nm_np1_fr_med_0.avi" for film in range(3)]
        for film, clip in enumerate(clips):
            path = data / "videos" / "hmdb51" / name / clip
            draw(path.with_suffix(".mp4"), 10 * label + film, bool(label))
            path.with_suffix(".mp4").rename(path)
        for split in (1, 2, 3):
            lists = data / "splits" / "hmdb51" / f"{name}_test_split{split}.txt"
            lists.parent.mkdir(parents=True, exist_ok=True)
            parts = [2 if film == split - 1 else 1 for film in range(3)]
            rows = (f"{c} {p} \n" for c, p in zip(clips, parts, strict=True))
            lists.write_text("".join(rows))


def ucf101(data: Path) -> None:
    """Two classes of two groups each."""
    lists = data / "splits" / "ucf101"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 Run\n2 Wave\n")
    train, test = [], []
    for label, name in enumerate(("Run", "Wave")):
        for group in (1, 8):
            clip = f"{name}/v_{name}_g{group:02d}_c01"
            path = data / "videos" / "ucf101" / f"{clip}.mp4"
            draw(path, 100 + 10 * label + group, bool(label))
            path.rename(path.with_suffix(".avi"))
            (test if group == 1 else train).append(clip)
            number = "" if group == 1 else f" {label + 1}"
            (test if group == 1 else train)[-1] += f".avi{number}"
    for name, rows in (("train", train), ("test", test)):
        (lists / f"{name}list01.txt").write_text("\n".join(rows) + "\n")


def short(train: Callable) -> Callable:
    """The function with fewer epochs."""

    def trained(config: Any, *given: Any, **named: Any) -> Any:
        most = getattr(config, "feature_only", 0) + EPOCHS
        return train(replace(config, epochs=min(config.epochs, most)), *given, **named)

    return trained


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Two data sets, the store of one as README makes it, and two runs on it."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("cluster.yaml", "examples"):
        (folder / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEO_DATA", str(folder / "data"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        # a cluster that other tests have started is not joined: it may end at any moment
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.chdir(folder)
        for module in (lifecycle, motion):
            patch.setattr(module, "train", short(module.train))
        hmdb51(folder / "data")
        ucf101(folder / "data")
        for number, clip in enumerate(("clip", "match", "clips/left", "clips/right")):
            draw(folder / f"{clip}.mp4", number, bool(number % 2))
        call(["pipeline", "extract", "--dataset", "hmdb51"])
        others = (folder / "A", folder / "B")
        others[0].symlink_to(folder / "data" / "stores" / "hmdb51")
        ucf = ["pipeline", "extract", "--dataset", "ucf101", "--out", str(others[1])]
        call(ucf)
        runs = tuple(folder / "data" / "runs" / name for name in ("flow", "mv"))
        for run in runs:
            call(["training", "teach", "--modality", run.name, "--out", str(run)])
        yield Home(folder, runs, others)


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.text)
def test_a_line_runs_as_it_is_written(
    line: Line, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = home.words(line.text, tmp_path)
    if words[0] == "cluster":  # where Ray's token lies
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("token")
        monkeypatch.setenv("HOME", str(tmp_path))
    call([line.text.split()[0], *words])


def test_lines_are_found_in_every_kind_of_text() -> None:
    places = {line.where for line in every_line()}
    assert {"README.md", "docs/reproduction.md"} <= places
    assert any(place.endswith("--help") for place in places)
    assert any(place.endswith(".py") for place in places)
    assert len(LINES) > 20


def test_what_is_not_run_is_written_somewhere() -> None:
    known = [line.text for line in every_line()]
    for start in NOT_RUN:
        assert any(line.startswith(start) for line in known), start
