"""Files that end before their container says."""

from pathlib import Path

import numpy as np
import pytest
from encoded import encode, rgb_frames

from pipeline.extract.extent import missing_bytes
from pipeline.extract.kinds import kind_of

NOISE = np.random.default_rng(0).integers(0, 256, (12, 32, 48, 3), np.uint8)
CONTAINERS = {
    "v.mp4": ("libx264", {"movflags": "faststart"}),
    "v.mov": ("mpeg4", {"movflags": "faststart"}),
    "fragmented.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "v.avi": ("mpeg4", {}),
    "v.mkv": ("libx264", {}),
    "v.webm": ("libvpx", {}),
    "v.wmv": ("wmv2", {}),
    "v.flv": ("flv", {}),
    "v.ogg": ("libvpx", {}),
    "v.ts": ("libx264", {}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_copy_cut_short_misses_bytes_and_a_whole_one_none(tmp_path: Path, name):
    codec, muxer = CONTAINERS[name]
    options = {"format": muxer} if muxer else {}
    path = encode(
        tmp_path / name, rgb_frames(NOISE), codec=codec, **options.get("format", {})
    )
    octets = path.read_bytes()
    assert missing_bytes(path) == 0
    for cut in (9, len(octets) // 3 + 9, len(octets) // 2 + 9):  # never whole packets
        path.write_bytes(octets[:-cut])
        missing = missing_bytes(path)
        if name == "v.ts":
            assert missing == -len(octets[:-cut]) % 188 > 0
        elif name in ("fragmented.mp4", "v.flv", "v.ogg"):  # each part says its length
            assert 0 < missing <= cut
        else:
            assert missing == cut


@pytest.mark.parametrize("suffix", ("mpg", "h264", "nut", "gif", "y4m"))
def test_containers_that_state_no_end_miss_nothing(tmp_path: Path, suffix):
    codec = {"mpg": "mpeg2video", "gif": "gif", "y4m": "rawvideo"}
    form = {"gif": "rgb8"}.get(suffix, "yuv420p")
    path = encode(
        tmp_path / f"v.{suffix}",
        [frame.reformat(format=form) for frame in rgb_frames(NOISE)],
        codec=codec.get(suffix, "libx264"),
        pix_fmt=form,
    )
    assert missing_bytes(path) == 0


def test_a_live_recording_states_no_end(tmp_path: Path):
    live = encode(tmp_path / "v.mkv", rgb_frames(NOISE), live="1")
    live.write_bytes(live.read_bytes()[:-99])
    assert missing_bytes(live) == 0


@pytest.mark.parametrize("size", (0, 1, 7, 12, 40))
def test_any_bytes_are_looked_at_without_harm(tmp_path: Path, size):
    heads = (
        b"\0\0\0\x01mdat" + b"\xff" * 8,
        b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 6 + b"\xfe",
        b"OggS" + b"\xff" * 40,
        b"RIFF\xff\xff\xff\xffAVI ",
        b"\x1a\x45\xdf\xa3\0",
        b"FLV",
    )
    for head in heads:
        (tmp_path / "v").write_bytes((head + bytes(40))[:size])
        assert 0 <= missing_bytes(tmp_path / "v") < 1 << 50
        kind_of(tmp_path / "v")


@pytest.mark.clips
def test_no_research_clip_is_taken_for_cut_short(clips_folder: Path):
    found = {}
    for folder in ("hmdb51", "ucf101", "utd_mhad", "weizmann"):
        paths = sorted((clips_folder / folder).glob("*/*.*"))
        assert paths
        found |= {path.name: n for path in paths if (n := missing_bytes(path))}
    assert not found
