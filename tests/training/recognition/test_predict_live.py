"""`training predict` on live sources: lines, summary, signals, errors."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from live_servers import HOST, Clip, HttpServer, RtspServer, free_port
from moving import write_video
from moving_blobs import moving

from training.commands.cli import main as training
from training.recognition import Recognizer
from training.recognition.outputs.live_lines import LiveLines, window_text


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames as MPEG-TS."""
    path = tmp_path_factory.mktemp("recorded") / "a.ts"
    return write_video(path, moving(3, 60, (0, 3)), bf=0, g=25)


@pytest.fixture(scope="module")
def model(model_of: Callable) -> Path:
    return model_of("grid_tiny").folder


@pytest.fixture(scope="module")
def page(recorded: Path) -> Iterator[str]:
    """An address that serves the recording once."""
    port = free_port()
    pages = {"/a.ts": recorded.read_bytes()}
    with HttpServer(Clip(moving(1, 2, (0, 1))), port, pages=pages):
        yield f"http://me:s3cret@{HOST}:{port}/a.ts"


def predict(*arguments: str | Path) -> Result:
    return CliRunner().invoke(training, ["predict", *map(str, arguments)])


def test_windows_are_lines_of_json_and_the_summary_is_the_last(
    model: Path, page: str, recorded: Path
) -> None:
    done = predict(model, page, "--json", "--windows", "--hop", 5, "--top", 1)
    assert done.exit_code == 0, done.output
    *lines, last = map(json.loads, done.stdout.splitlines())
    expected = Recognizer(model).windows(recorded, hop=5).windows
    assert [line["start"] for line in lines] == pytest.approx(
        [w.start for w in expected]
    )
    assert lines[0]["top"][0]["score"] == pytest.approx(
        expected[0].scores.max(), abs=1e-6
    )
    assert last["summary"]["windows"] == len(expected)
    assert last["summary"]["frames"] == 60
    assert last["summary"]["end"] == "the stream ended"
    assert "s3cret" not in done.output
    assert lines[0]["source"].startswith("http://me:***@")


@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_segments_are_those_of_the_file(
    form: str | None, model: Path, page: str, recorded: Path, status: list[str]
) -> None:
    done = predict(model, page, "--hop", 5, *([form] if form else []))
    assert done.exit_code == 0, done.output
    windows = Recognizer(model).windows(recorded, hop=5).windows
    classes = Recognizer(model).classes
    told = [window_text(each, classes) for each in windows]
    assert [text for text in status if text] == told
    assert status[-1] == ""  # the summary is printed
    assert f"{HOST}" in done.stderr and ": connected, h264, 25 frames" in done.stderr
    expected = Recognizer(model).windows(recorded, hop=5).segments
    lines = done.stdout.splitlines()
    if form == "--json":
        found = [json.loads(line) for line in lines][:-1]
        assert [(s["label"], s["end"]) for s in found] == [
            (s.label, pytest.approx(s.end)) for s in expected
        ]
    elif form == "--csv":
        assert lines[0].startswith("source,part,start,end,label,score")
        assert [line.split(",")[1] for line in lines[1:]] == ["segment"] * len(expected)
    else:
        assert len(lines) == len(expected)
        assert expected[0].label in lines[0]
    assert "windows in" in done.stderr and "60 frames (" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_the_last_segment_and_the_summary(
    number: signal.Signals, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    line = LiveLines.line

    def interrupted(self, part):
        seen.append(part)
        if len(seen) == 2:
            signal.raise_signal(number)
        return line(self, part)

    monkeypatch.setattr(LiveLines, "line", interrupted)
    port = free_port()
    with RtspServer(Clip(moving(3, 60, (0, 3))), port, speed=8):
        done = predict(
            model, f"rtsp://{HOST}:{port}/x", "--json", "--windows", "--hop", 2, "--all"
        )
    assert done.exit_code == 130, done.output
    *lines, last = map(json.loads, done.stdout.splitlines())
    assert len(lines) == 2
    assert last["summary"]["end"] == "stopped"
    assert "stopped" in done.stderr
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_stream_ends_after_its_seconds(model: Path) -> None:
    port = free_port()
    with RtspServer(Clip(moving(3, 60, (0, 3))), port):
        done = predict(model, f"rtsp://{HOST}:{port}/x", "--seconds", 1.8, "--hop", 4)
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) >= 1
    assert "stopped" in done.stderr


def test_a_source_that_has_gone_is_an_error_behind_the_summary(model: Path) -> None:
    port = free_port()
    with RtspServer(Clip(moving(3, 60, (0, 3))), port, speed=8, count=40):
        done = predict(
            model,
            f"rtsp://{HOST}:{port}/x",
            *("--gone-after", 0, "--read-timeout", 0.5, "--json"),
        )
    assert done.exit_code == 1
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    assert (summary["frames"], summary["end"]) == (40, "nothing came for 0.5 s")
    *_, last = done.stderr.splitlines()
    assert last.startswith(
        f"Error: rtsp://{HOST}:{port}/x: gone: nothing came for 0.5 s"
    )


def test_what_makes_no_sense_is_refused(model: Path, recorded: Path) -> None:
    for arguments, expected in (
        (["-", "--srt", "a.srt"], "--srt: expected a file to read again, got a live"),
        (["-", "--results", "a"], "--results: expected files, got a live source"),
        (["-", str(recorded)], "expected a single source where one is live"),
        (["rtsp://me:x@h/a", "b"], "got 2: rtsp://me:***@h/a and others"),
        ([str(recorded), "--seconds", "5"], "--seconds: expected a live source"),
        ([str(recorded), "--latest"], "--latest: expected a live source"),
        ([str(recorded), "--all"], "--all: expected a live source"),
        (
            [str(recorded), "--gone-after", "300"],
            "--gone-after: expected a live source",
        ),
        ([str(recorded), "--hop", "4"], "--hop: expected --windows with it"),
        (["-", "--jobs", "2"], "--jobs: expected files, got a live source"),
        (["rtmp://host/x"], "expected camera:N, rtsp://"),
        (["camera:99"], "camera:99: /dev/video99: No such file or directory"),
        ([f"http://{HOST}:{free_port()}/x"], "/x: Connection refused"),
    ):
        done = predict(model, *arguments)
        assert done.exit_code in (1, 2), done.output
        *before, last = done.stderr.splitlines()
        assert expected in last, done.output
        assert not any("windows in" in line for line in before), done.output
