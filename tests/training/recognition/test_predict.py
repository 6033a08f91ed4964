"""`training predict` on files."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from click.testing import CliRunner

from motion_shards import pool
from pipeline.extract.errors import VideoError
from training.commands.cli import main
from training.errors import DataError, WriteError
from training.recognition import Recognizer, many
from training.recognition.outputs import annotated
from training.recognition.results_file import open_results
from training.recognition.sources import Sources, sources_of

ZEROS = "expected a video, got nothing but zeros: a copy that was not filled?"


def call(*arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


@pytest.fixture(scope="module")
def model(model_of) -> Path:
    return model_of("mv_tiny").folder


def test_the_answer_is_that_of_the_recognizer(model, videos):
    path = videos / "right" / "v_right_g02.mp4"
    done = call(model, path, "--json", "--device", "cpu")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    expected = Recognizer(model, device="cpu")(path)
    assert told["source"] == str(path) and told["label"] == expected.label
    assert told["score"] == pytest.approx(expected.top(1)[0].score)
    assert told["video"]["frames"] == 40 and told["windows"] == []
    timeline = call(model, path, "--json", "--windows", "--hop", "4", "--smooth", "0")
    told = json.loads(timeline.stdout)
    expected = Recognizer(model, device="cpu").windows(path, hop=4, smooth=0)
    assert len(told["windows"]) == len(expected.windows) > 5
    assert [s["end"] for s in told["segments"]] == [s.end for s in expected.segments]


def test_a_terminal_shows_how_far_a_video_is(model, videos, status):
    paths = [videos / "right" / f"v_right_g{number:02}.mp4" for number in (0, 2)]
    assert call(model, *paths).exit_code == 0
    first, last = (texts[-1] for texts in (status[: status.index("")], status[:-1]))
    assert first == "0 of 2 videos done  v_right_g00.mp4: seen up to 0:00.2"
    assert last == "" and status[-1] == ""
    assert status[-3] == "1 of 2 videos done  v_right_g02.mp4: seen up to 0:01.6"
    assert "1 of 2 videos done  " in status
    status.clear()
    assert call(model, paths[1], "--windows").exit_code == 0
    assert status[-3] == "v_right_g02.mp4: seen up to 0:01.6"


def test_a_folder_with_bad_files_is_recognised_to_its_end(model, videos, tmp_path):
    folder = tmp_path / "clips"
    shutil.copytree(videos, folder)
    bad = folder / "down" / "v_bad.mp4"
    bad.write_bytes(b"\0" * 1000)
    done = call(model, folder, "--json")
    assert done.exit_code == 3
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["source"]).name for line in lines] == [
        f"v_{name}_g{number:02}.mp4"
        for name, first in (("down", 1), ("right", 0))
        for number in range(first, 12, 2)
    ]
    assert done.stderr.splitlines() == [
        f"Error: {bad}: {ZEROS}",
        "1 of 13 videos could not be recognised",
    ]
    alone = call(model, bad)
    assert alone.exit_code == 1 and alone.stderr.startswith(f"Error: {bad}: expected")
    assert alone.stdout == "" and alone.stderr.count("\n") == 1


def test_a_video_that_cannot_be_read_again_does_not_stop_the_others(
    model, videos, tmp_path, monkeypatch
):
    """It changed after it was recognised: its picture is not drawn, nor its answer kept."""
    first, second = sorted((videos / "right").iterdir())[:2]
    drawn = annotated.annotate

    def annotate(prediction, path, **options):
        if prediction.source == str(first):
            raise VideoError(f"{first}: expected a video stream, got none")
        drawn(prediction, path, **options)

    monkeypatch.setattr(annotated, "annotate", annotate)
    out, results = tmp_path / "drawn", tmp_path / "answers.jsonl"
    done = call(model, first, second, "--annotate", out, "--results", results)
    assert done.exit_code == 3
    assert done.stderr.splitlines() == [
        f"Error: {first}: expected a video stream, got none",
        "1 of 2 videos could not be recognised",
    ]
    assert [path.name for path in out.iterdir()] == [f"{second.stem}.mp4"]
    (line,) = results.read_text("utf-8").splitlines()
    assert json.loads(line)["source"] == str(second)


def test_results_are_resumed_and_belong_to_one_model(model, model_of, videos, tmp_path):
    results = tmp_path / "answers.jsonl"
    first, second = sorted((videos / "right").iterdir())[:2]
    assert call(model, first, "--results", results).exit_code == 0
    whole = results.read_text("utf-8")
    results.write_text(whole + whole[:40], "utf-8")  # killed while it wrote
    done = call(model, first, second, "--results", results)
    assert done.exit_code == 0 and f"{results}: has 1 video already" in done.stderr
    assert str(first) not in done.stdout and str(second) in done.stdout
    lines = results.read_text("utf-8").splitlines()
    assert [json.loads(line)["source"] for line in lines] == [str(first), str(second)]
    assert call(model, first, second, "--results", results).stdout == ""
    listed = tmp_path / "list.txt"
    listed.write_text(f"{first}\n{tmp_path}/gone.mp4\n", "utf-8")
    done = call(model, listed, "--results", results)
    assert done.exit_code == 3 and "gone.mp4: No such file" in done.stderr
    other = call(model_of("grid_tiny").folder, videos / "down", "--results", results)
    assert other.exit_code == 1 and "expected answers of grid" in other.stderr
    assert results.read_text("utf-8").splitlines() == lines
    for words, told in (
        (("--windows",), "expected answers with windows, got those without windows"),
        (
            ("--mv-source", "original"),
            "expected answers from original motion vectors, got those from canonical ones",
        ),
    ):  # though nothing is left to do
        done = call(model, first, second, "--results", results, *words)
        assert done.exit_code == 1 and told in done.stderr and done.stdout == ""
    results.write_text(whole.replace('"trained": "', '"trained": "0'), "utf-8")
    done = call(model, first, "--results", results)
    assert done.exit_code == 1
    assert "answers of this mv_tiny of moves, got those of another" in done.stderr
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\nand mine", "utf-8")
    done = call(model, first, "--results", notes)
    assert done.exit_code == 1 and "got something else" in done.stderr
    assert notes.read_text("utf-8") == "mine\nand mine"


def test_results_have_one_writer_and_know_every_name(model, videos, tmp_path):
    odd = tmp_path / os.fsdecode(b"b\xff d\n.mp4")
    shutil.copy(videos / "right" / "v_right_g02.mp4", odd)
    results = tmp_path / "answers.jsonl"
    with open_results(results) as held:
        done = call(model, odd, "--results", results)
        assert done.exit_code == 1 and done.stdout == ""
        assert "expected a file that no other command writes to" in done.stderr
        assert not held.answers
    assert call(model, odd, "--results", results).exit_code == 0
    again = call(model, odd, "--results", results)
    assert again.exit_code == 0 and "has 1 video already" in again.stderr
    assert again.stdout == "" and results.read_bytes().count(b"\n") == 1
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, told in (
        (fifo, "expected a file for answers, got something else"),
        (tmp_path / "none" / "a.jsonl", "cannot be written: no such file"),
    ):
        done = call(model, odd, "--results", path)
        assert done.exit_code == 1 and told in done.stderr and done.stdout == ""


def test_an_answer_is_appended_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "answers.jsonl"
    real = os.write

    def full(descriptor, data):
        if len(data) < 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:20])

    with open_results(path) as results:
        results.append('{"source": "a", "model": "m"}\n')
        monkeypatch.setattr("training.recognition.results_file.os.write", full)
        with pytest.raises(WriteError, match="no space left"):
            results.append('{"source": "b", "model": "m", "more": 1234567}\n')
        monkeypatch.undo()
        assert path.read_text() == '{"source": "a", "model": "m"}\n'


def test_a_pool_that_dies_before_it_takes_a_file_loses_none(monkeypatch):
    """A process may die between two files: then the next one is refused."""
    pools = []

    class Pool:
        def __init__(self, *_, **__):
            self.taken = 0
            pools.append(self)

        def submit(self, work, path):
            self.taken += 1
            if len(pools) == 1 and self.taken == 4:  # when the first answer is out
                raise BrokenProcessPool
            future = Future()
            future.set_result(many.Failure(str(path), "seen"))
            return future

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(pool, "ProcessPoolExecutor", Pool)
    files = [Path(f"{number}.mp4") for number in range(9)]
    asked = many.Asked(model=Path("model"), options={})
    found = [each.source for each in many.predictions(files, asked, jobs=1 + 1)]
    assert sorted(found) == [str(path) for path in files]


@pytest.mark.slow
def test_processes_give_the_same_answers_and_survive_a_crash(
    model, videos, tmp_path, monkeypatch
):
    """One file takes its process along, as a decoder might."""
    files = sorted((videos / "right").iterdir())[:3]
    asked = many.Asked(model=model, options={"device": "cpu"})
    alone = list(many.predictions(files, asked))
    killer = tmp_path / "killer.mp4"
    shutil.copy(files[0], killer)
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "from training.recognition import many\n"
        "real = many._answer\n"
        "def answer(recognizer, path, asked):\n"
        "    if path.name == 'killer.mp4':\n"
        "        os._exit(9)\n"
        "    return real(recognizer, path, asked)\n"
        "many._answer = answer\n",
        "utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")
    found = list(many.predictions([files[0], killer, *files[1:]], asked, jobs=2))
    dead = [each for each in found if isinstance(each, many.Failure)]
    assert dead == [many.Failure(str(killer), f"{killer}: its process died")]
    answers = [each for each in found if each not in dead]
    assert [each.source for each in answers] == [str(path) for path in files]
    for one, other in zip(alone, answers, strict=True):
        assert one.scores.tolist() == other.scores.tolist()


@pytest.mark.slow
def test_ctrl_c_leaves_whole_results(model, videos, tmp_path):
    results = tmp_path / "answers.jsonl"
    listed = tmp_path / "list.txt"
    clip = videos / "right" / "v_right_g02.mp4"
    for number in range(300):
        (tmp_path / f"{number}.mp4").symlink_to(clip)
    listed.write_text("".join(f"{number}.mp4\n" for number in range(300)), "utf-8")
    command = [sys.executable, "-c", "from training.commands.cli import main; main()"]
    command += ["predict", str(model), str(listed), "--results", str(results)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        deadline = time.monotonic() + 60
        while not results.exists() or results.read_bytes().count(b"\n") < 3:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "Resume with: training predict" in said
    lines = results.read_bytes().split(b"\n")
    assert lines.pop() == b"" and 3 <= len(lines) < 300
    assert all(json.loads(line)["label"] in ("right", "down") for line in lines)


def test_sources(videos, tmp_path):
    files = sorted((videos / "down").iterdir())
    assert sources_of([str(videos / "down")]) == Sources(files=tuple(files))
    assert sources_of([f"{videos}/down/*.mp4"]) == Sources(files=tuple(files))
    assert len(sources_of([f"{videos}/**/*.mp4"]).files) == 12
    twice = [str(files[1]), str(files[0]), str(files[1])]
    assert sources_of(twice).files == (files[1], files[0])
    listed = videos / "some.txt"
    listed.write_text("# my clips\ndown/v_down_g01.mp4\r\n\n/abs/x y.mp4\n", "utf-8")
    expected = (videos / "down/v_down_g01.mp4", Path("/abs/x y.mp4"))
    assert sources_of([str(listed)]).files == expected
    listed.write_text("gone/a.mp4\nb.mp4\n", "utf-8")
    with pytest.raises(DataError, match=r"none of the videos of this list \(2\) is"):
        sources_of([str(listed)])
    listed.unlink()
    odd = tmp_path / "a[1].mp4"
    odd.touch()
    assert sources_of([str(odd)]).files == (odd,)
    for live in ("-", "camera:0", "rtsp://host/a", "udp://:99", "https://h/x.m3u8"):
        assert sources_of([live]) == Sources(live=(live,))
    for wrong, expected in (
        ([str(tmp_path / "none.mp4")], "found nothing"),
        (
            [f"{tmp_path}/*.avi"],
            r"/\*.avi: expected a pattern of files, found no file$",
        ),
        ([str(tmp_path / "empty")], "found nothing"),
        (["-", str(odd)], "a single source where one is live"),
    ):
        with pytest.raises(DataError, match=expected):
            sources_of(wrong)
