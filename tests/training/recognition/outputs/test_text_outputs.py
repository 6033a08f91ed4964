"""Answers as text: for people, as JSON lines, as CSV; exact texts, written by hand."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from made_predictions import CLASSES, SUMMARY, prediction, scores, with_segments

from training.recognition.answers import Prediction, Window
from training.recognition.outputs.csv_rows import csv_header, csv_rows
from training.recognition.outputs.json_lines import json_line, window_line
from training.recognition.outputs.numbers import clock, milliseconds
from training.recognition.outputs.table import text
from training.recognition.outputs.writing import Outputs

ODD_NAME = 'a\nb\x1b[2J,"\udcff.mp4'
"""Line end, escape of a terminal, comma, quote, and a byte that is not UTF-8."""


def test_text_names_the_video_its_classes_and_its_segments() -> None:
    assert text(with_segments(), top=2) == (
        "clips/a.mp4  (0.5 s, 12 frames, h264)\n"
        "   50.0 %  jump & <b>run</b>\n"
        "   25.0 %  walk\n"
        "  segments:\n"
        "      0:00.0 - 0:00.2   75.0 %  walk\n"
        "      0:00.2 - 0:00.5   50.0 %  jump & <b>run</b>\n"
    )


def test_text_names_the_reasons_to_doubt_an_answer() -> None:
    doubtful = replace(SUMMARY, known_share=0.625, damaged=3, dropped=2000)
    first = text(prediction(video=doubtful)).splitlines()[0]
    assert first == (
        "clips/a.mp4  (0.5 s, 12 frames, h264, motion vectors known in 62 %,"
        " damaged packets or frames: 3, windows dropped: 2,000)"
    )
    canonical = replace(SUMMARY, known_share=11 / 12)
    assert "known" not in text(prediction(video=canonical))


def test_json_is_one_line_with_all_its_keys() -> None:
    line = json_line(replace(with_segments(), trained="01ab"), top=2)
    assert line == (
        '{"source": "clips/a.mp4", "model": "dtmv_small", "trained": "01ab",'
        ' "label": "jump & <b>run</b>", "score": 0.5, "top": [{"label": "jump & <b>run</b>", "score": 0.5},'
        ' {"label": "walk", "score": 0.25}],'
        ' "video": {"frames": 12, "seconds": 0.48, "fps": 25.0, "height": 64, "width": 96,'
        ' "codec": "h264", "mv_source": null, "known_share": null, "damaged": 0,'
        ' "dropped": 0},'
        ' "segments": [{"start": 0.0, "end": 0.2, "label": "walk", "score": 0.75},'
        ' {"start": 0.2, "end": 0.48, "label": "jump & <b>run</b>", "score": 0.5}],'
        ' "windows": [{"start": 0.0, "end": 0.2, "top": [{"label": "walk", "score": 0.75},'
        ' {"label": "jump & <b>run</b>", "score": 0.25}]},'
        ' {"start": 0.2, "end": 0.4, "top": [{"label": "sit, down", "score": 0.625},'
        ' {"label": "jump & <b>run</b>", "score": 0.25}]}]}\n'
    )
    assert json.loads(json_line(prediction())).keys() == json.loads(line).keys()


def test_json_is_strict_and_ascii_whatever_the_names_and_scores() -> None:
    odd = prediction(
        ODD_NAME, classes=("é\n", "b", "c"), whole=scores(math.nan, math.inf, 0.5)
    )
    line = json_line(odd, top=3)
    assert line.isascii()
    assert line.count("\n") == 1

    def refuse(name: str) -> None:
        raise AssertionError(f"not JSON: {name}")

    found = json.loads(line, parse_constant=refuse)
    found["source"].encode()  # no half of a surrogate pair, which other parsers refuse
    assert found["source"] == 'a\\nb\\x1b[2J,"\\xff.mp4'
    assert sorted(one["label"] for one in found["top"]) == ["b", "c", "é\n"]
    assert [one["score"] for one in found["top"]].count(None) == 2
    plain = json.loads(json_line(prediction("a\nb.mp4")))
    assert plain["source"] == "a\nb.mp4"


def test_a_window_by_itself_is_a_line_too() -> None:
    window = Window(start=3600.0, end=3601.5, scores=scores(0.5, 0.25, 0.25))
    line = window_line(window, source="camera:0", model="m", classes=CLASSES, top=1)
    assert line == (
        '{"source": "camera:0", "model": "m", "start": 3600.0, "end": 3601.5,'
        ' "top": [{"label": "walk", "score": 0.5}]}\n'
    )


def test_csv_has_a_row_for_each_video_segment_and_window() -> None:
    assert csv_header(top=2) + csv_rows(with_segments(), top=2) == (
        "source,part,start,end,label,score,label_2,score_2,"
        "model,frames,fps,height,width,codec,known_share,damaged,dropped\n"
        "clips/a.mp4,video,0.000,0.480,jump & <b>run</b>,0.500000,walk,0.250000,"
        "dtmv_small,12,25,64,96,h264,,0,0\n"
        "clips/a.mp4,segment,0.000,0.200,walk,0.750000,,,,,,,,,,,\n"
        "clips/a.mp4,segment,0.200,0.480,jump & <b>run</b>,0.500000,,,,,,,,,,,\n"
        "clips/a.mp4,window,0.000,0.200,walk,0.750000,jump & <b>run</b>,0.250000,"
        ",,,,,,,,\n"
        'clips/a.mp4,window,0.200,0.400,"sit, down",0.625000,jump & <b>run</b>,0.250000,'
        ",,,,,,,,\n"
    )


def test_csv_rows_are_lines_of_one_width_whatever_the_names() -> None:
    odd = replace(with_segments(ODD_NAME), classes=('w"alk', "r\nun", "s\x00it"))
    written = csv_header(top=4) + csv_rows(odd, top=4)
    rows = list(csv.reader(io.StringIO(written)))
    assert len(written.splitlines()) == len(rows) == 6
    assert {len(row) for row in rows} == {21}
    assert rows[1][0] == 'a\\nb\\x1b[2J,"\\xff.mp4'
    assert rows[1][4] == "r\\nun"
    assert rows[1][8:12] == ["s\\x00it", "0.250000", "", ""]  # there are three classes


def test_times_as_text() -> None:
    assert [clock(seconds) for seconds in (0, 59.96, 61.25, 7260.0, 360_000.0)] == [
        "0:00.0",
        "1:00.0",
        "1:01.3",
        "2:01:00.0",
        "100:00:00.0",
    ]
    assert [milliseconds(seconds) for seconds in (0.0004, 0.0005, -3.0)] == [0, 1, 0]


class Slow(io.StringIO):
    """A stream whose reader sees what was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = ""

    def flush(self) -> None:
        self.seen = self.getvalue()


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_each_answer_is_flushed_before_the_next_is_asked_for(form: str) -> None:
    stream = Slow()

    def stopped() -> Iterator[Prediction]:
        for name in ("a.mp4", "b.mp4"):
            before = stream.seen
            yield prediction(name)
            assert stream.seen != before
            assert name in stream.seen
        raise KeyboardInterrupt

    outputs = Outputs(form=form)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        outputs.write(stopped(), stream=stream)
    assert stream.getvalue() == stream.seen
    lines = stream.seen.splitlines()
    assert stream.seen.endswith("\n")
    if form == "json":
        assert [json.loads(line)["source"] for line in lines] == ["a.mp4", "b.mp4"]
    if form == "csv":
        assert [line.split(",")[0] for line in lines] == ["source", "a.mp4", "b.mp4"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars_and_no_markup_of_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    named = replace(with_segments("[red]x\x1b[2J.mp4"), classes=("[bold]", "b", "c"))
    assert Outputs(top=3).write([named], stream=stream) == 1
    shown = stream.getvalue()
    assert "\x1b[1m[red]x\\x1b[2J.mp4\x1b[0m\x1b[2m  (0.5 s" in shown
    assert "[bold]" in shown
    bars = [line.count("━") for line in shown.splitlines() if "━" in line]
    assert bars == [10, 5, 5]
    assert "\x1b[1;32m50.0 %" in shown


def test_no_output_shows_a_password() -> None:
    answer = prediction("rtsp://me:secret@10.0.0.1/yard")
    texts = (text(answer), json_line(answer), csv_rows(answer))
    assert not any("secret" in each for each in texts)
    assert all("rtsp://me:***@10.0.0.1/yard" in each for each in texts)
