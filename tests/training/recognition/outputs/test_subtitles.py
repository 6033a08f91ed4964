"""Subtitles: exact texts by hand, and as FFmpeg reads them."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest
from made_predictions import prediction, with_segments

from training.recognition.answers import Prediction, Segment
from training.recognition.outputs.subtitles import cues_of, srt, vtt

HOUR = 3600.0
LONG = (
    Segment(start=100 * HOUR + 1.0625, end=100 * HOUR + 2, label="walk", score=1.0),
    Segment(start=0.0, end=1.5, label="{\\an8}<i>a</i> --> & b\nc", score=0.333),
)
"""In disorder, beyond 99 hours, with what players take for tags and times."""


def read(path: Path) -> list[tuple[float, float, str]]:
    """Start, end and text of each cue, as FFmpeg's demuxer and decoder see them."""
    cues = []
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        for packet in container.demux(stream):
            if packet.pts is None or packet.duration is None:
                continue
            start = float(packet.pts * packet.time_base)
            length = float(packet.duration * packet.time_base)
            for found in stream.decode(packet):
                text = found.ass.decode().split(",", 8)[-1]
                cues.append((start, start + length, text))
    return cues


def test_srt_by_hand() -> None:
    assert srt(with_segments()) == (
        "1\n00:00:00,000 --> 00:00:00,200\nwalk 75.0 %\n\n"
        "2\n00:00:00,200 --> 00:00:00,480\njump & ‹b›run‹/b› 50.0 %\n\n"
    )


def test_vtt_by_hand() -> None:
    assert vtt(with_segments()) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:00.200\nwalk 75.0 %\n\n"
        "00:00:00.200 --> 00:00:00.480\njump &amp; &lt;b&gt;run&lt;/b&gt; 50.0 %\n\n"
    )


def test_long_times_disorder_and_odd_names() -> None:
    odd = prediction(segments=LONG)
    assert srt(odd) == (
        "1\n00:00:00,000 --> 00:00:01,500\n(\\an8)‹i›a‹/i› --› & b\\nc 33.3 %\n\n"
        "2\n100:00:01,063 --> 100:00:02,000\nwalk 100.0 %\n\n"
    )
    assert vtt(odd) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n"
        "{\\an8}&lt;i&gt;a&lt;/i&gt; --&gt; &amp; b\\nc 33.3 %\n\n"
        "100:00:01.063 --> 100:00:02.000\nwalk 100.0 %\n\n"
    )


@pytest.mark.parametrize(("form", "suffix"), [(srt, ".srt"), (vtt, ".vtt")])
def test_ffmpeg_reads_the_same_times_and_words(
    form: Callable[[Prediction], str], suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(form(prediction(segments=LONG)), "utf-8")
    first, second = read(path)
    assert first[:2] == (0.0, 1.5)
    assert second[:2] == pytest.approx((360_001.063, 360_002.0), abs=1e-9)
    assert second[2].endswith("walk 100.0 %")
    words = first[2].replace("\\{{}", "{").replace("\u2060", "")  # FFmpeg's, for ASS
    if suffix == ".vtt":
        assert words.endswith("{\\an8}<i>a</i> --> & b\\nc 33.3 %")
    else:
        assert words.endswith("(\\an8)‹i›a‹/i› --› & b\\nc 33.3 %")


def test_without_segments_one_cue_covers_the_video() -> None:
    assert srt(prediction()) == (
        "1\n00:00:00,000 --> 00:00:00,480\njump & ‹b›run‹/b› 50.0 %\n\n"
    )


def test_cues_last_and_do_not_overlap() -> None:
    ends = (0.0, 0.0002, 0.0004, 0.0016, 0.5)
    pieces = tuple(
        Segment(start=a, end=b, label="x", score=0.5) for a, b in pairwise(ends)
    )
    cues = [(cue.start, cue.end) for cue in cues_of(prediction(segments=pieces))]
    assert cues == [(0, 1), (1, 2), (2, 3), (3, 500)]


def test_a_class_without_a_name_leaves_no_empty_line() -> None:
    piece = Segment(start=0.0, end=1.0, label=" ", score=0.5)
    assert "\n(no name) 50.0 %\n" in srt(prediction(segments=(piece,)))
