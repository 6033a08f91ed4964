"""What files are that are no videos: said in the reason for which they are left out."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoded import encode, rgb_frames

from pipeline.extract.errors import DecodeError, NotAVideo
from pipeline.extract.kinds import kind_of
from pipeline.extract.opening import probe
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction

NOISE = np.random.default_rng(0).integers(0, 256, (6, 32, 48, 3), np.uint8)


def picture(suffix: str) -> bytes:
    return cv2.imencode(suffix, NOISE[0])[1].tobytes()


def zipped(*written: int) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr(zipfile.ZipInfo("v.mp4", written), b"x" * 99)
    return buffer.getvalue()


def tarred() -> bytes:
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo("v.mp4"))
    return buffer.getvalue()


PAGE = (
    "<!DOCTYPE html>\n<html><head><title>404</title></head><body>ümlaut</body></html>"
)
FILES = {
    "an HTML page: a failed download?": (
        PAGE.encode(),
        b"\xef\xbb\xbf\n  " + PAGE.encode(),
        b"<html>\n" + b"<p>more</p>\n" * 9000,
        ("<html> " + "ü" * 40_000).encode(),
    ),
    "XML text: a failed download?": (
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    ),
    "JSON text: a failed download?": (
        b'{"error": "quota exceeded"}\n',
        json.dumps([{"id": number} for number in range(20_000)]).encode(),
        b"[" * 60_000,
    ),
    "text": (b"no video at all\n" * 99, b"{no json}", b"[general]\nname = 1\n"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
    ),
    "a git-annex pointer": (b"/annex/objects/MD5E-s3--abc.mp4\n",),
    "a playlist": (b"#EXTM3U\n#EXTINF:9,\nv.ts\n", b"ffconcat version 1.0\nfile v\n"),
    "a JPEG picture": (picture(".jpg"),),
    "a PNG picture": (picture(".png"),),
    "a BMP picture": (picture(".bmp"),),
    "a TIFF picture": (picture(".tiff"),),
    "a WebP picture": (picture(".webp"),),
    "a ZIP archive: unpack it first": (
        zipped(2026, 1, 1, 0, 0, 0),
        zipped(2027, 11, 25, 11, 24, 2),  # which FFmpeg opens as a VVC stream
    ),
    "a gzip archive: unpack it first": (gzip.compress(b"x" * 99),),
    "a tar archive: unpack it first": (tarred(),),
    "a PDF document": (b"%PDF-1.7\n" + b"\xe2\xe3\xcf\xd3" * 99,),
    "nothing but zeros": (bytes(4096),),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_reason_says_what_a_file_is(tmp_path: Path, kind):
    for number, octets in enumerate(FILES[kind]):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(octets)
        with pytest.raises(NotAVideo) as caught:
            probe(path)
        assert str(caught.value).startswith(f"expected a video, got {kind}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", (40, 300))
def test_an_mp4_without_its_index_says_so(tmp_path: Path, cut):
    path = encode(tmp_path / "v.mp4", rgb_frames(NOISE))
    octets = path.read_bytes()
    path.write_bytes(octets[: octets.index(b"mdat") + cut])
    with pytest.raises(
        NotAVideo, match="got a file cut short: .* bytes before the end"
    ):
        probe(path)
    path.write_bytes(octets[: octets.index(b"moov") - 4])
    with pytest.raises(NotAVideo, match=r"without its index \(moov\)"):
        probe(path)


def test_a_file_cut_before_its_first_frame_says_so(tmp_path: Path):
    path = encode(tmp_path / "v.mp4", rgb_frames(NOISE), movflags="faststart")
    octets = path.read_bytes()
    path.write_bytes(octets[: octets.index(b"mdat") + 8])
    settings = ExtractSettings(modalities=("rgb",))
    with (
        pytest.raises(DecodeError, match="got none: .*; the file is cut short by"),
        open_extraction(path, settings),
    ):
        pass


def test_bytes_of_no_known_kind_keep_the_decoders_reason(tmp_path: Path):
    path = tmp_path / "v.mp4"
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    assert kind_of(path) == ""
    with pytest.raises(NotAVideo, match=r"a file of no known kind \(Invalid data"):
        probe(path)


def test_a_file_cut_within_its_index_says_so(tmp_path: Path):
    """FFmpeg opens it, with no stream or one whose codec it does not know."""
    path = encode(tmp_path / "v.mp4", rgb_frames(NOISE), movflags="faststart")
    octets = path.read_bytes()
    for cut in (octets.index(b"mvhd") + 8, octets.index(b"minf")):
        path.write_bytes(octets[:cut])
        with pytest.raises(NotAVideo, match="; the file is cut short by [1-9]"):
            probe(path)


@pytest.mark.parametrize(
    ("suffix", "size", "container"),
    [(".mkv", 43, "a Matroska or WebM file"), (".ts", 300, "an MPEG transport stream")],
)
def test_a_container_with_nothing_to_read_is_named(
    tmp_path: Path, suffix, size, container
):
    path = encode(tmp_path / f"v{suffix}", rgb_frames(NOISE))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(NotAVideo, match=rf"got {container} that is damaged .*\(End of"):
        probe(path)
