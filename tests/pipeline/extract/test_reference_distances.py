"""Vectors of streams with B frames: per interval, for motion that we drew ourselves."""

from pathlib import Path

import av
import numpy as np
import pytest
from encoded import encode, rgb_frames, texture_at

from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction

MOVES = (3, -2)
"""px per frame: right, down."""
STEADY = "b-adapt=0:scenecut=0:threads=1:keyint=24:crf=10:aq-mode=0"


def steady(
    frames: int, *, fade: float = 0.0, smooth: bool = False
) -> list[av.VideoFrame]:
    """The texture in even motion; `fade`: share of the light that is lost per frame."""
    moving = texture_at(
        [(MOVES[0] * t, MOVES[1] * t) for t in range(frames)], smooth=smooth
    )
    light = 1 - fade * np.arange(frames).reshape(-1, 1, 1, 1)
    return rgb_frames((moving * light).astype(np.uint8))


def vectors_of(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Picture types, `mv_valid`, and the vectors away from the border, (T-1, cells, 2)."""
    settings = ExtractSettings(modalities=("mv",), short_side=96, mv_source="original")
    types, valid, vectors = b"", [], []
    with open_extraction(path, settings) as extraction:
        for block in extraction:
            types += bytes(block.picture_types)
            valid.append(block.arrays["mv_valid"])
            vectors.append(block.arrays["mv"])
    inside = np.concatenate(vectors)[:, 2:-2, 2:-2]
    return types.decode(), np.concatenate(valid), inside.reshape(len(types) - 1, -1, 2)


def errors(valid: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """px, of each vector of the known intervals; cells without a vector are left out."""
    known = vectors[valid]
    return np.abs(known - np.array(MOVES)).max(axis=2)[known.any(axis=2)]


H264 = (
    "bframes=1",
    "bframes=2:b-pyramid=none",
    "bframes=2:b-pyramid=normal",
    "bframes=3:b-pyramid=none",
    "bframes=3:b-pyramid=strict",
    "bframes=3:b-pyramid=normal",
    "bframes=3:b-pyramid=normal:open-gop=1",
    "bframes=3:b-pyramid=normal:slices=3",
    "bframes=3:b-pyramid=normal:direct=temporal",
    "bframes=2:weightp=2:weightb=1",
)


@pytest.mark.parametrize("options", H264)
@pytest.mark.parametrize("suffix", ("mp4", "h264"))
def test_h264_of_one_reference_per_list_is_known(tmp_path: Path, options, suffix):
    path = encode(
        tmp_path / f"v.{suffix}",
        steady(50),
        options={"x264-params": f"ref=1:{STEADY}:{options}"},
    )
    types, valid, vectors = vectors_of(path)
    assert types.count("B") >= 20
    assert valid.tolist() == [kind != "I" for kind in types[1:]]
    error = errors(valid, vectors)
    assert np.median(error) == 0
    assert (error > 0.3).mean() < 0.02
    assert len(error) > 0.9 * vectors[valid].any(axis=2).size


def test_h264_is_known_where_weights_repeat_a_reference(tmp_path: Path):
    """A fade: x264 lists one frame twice, with weights and without."""
    path = encode(
        tmp_path / "v.mp4",
        steady(40, fade=0.02),
        options={"x264-params": f"ref=1:weightp=2:bframes=2:{STEADY}"},
    )
    types, valid, vectors = vectors_of(path)
    assert valid.tolist() == [kind != "I" for kind in types[1:]]
    assert np.median(errors(valid, vectors)) < 0.3


@pytest.mark.parametrize("refs", (2, 3, 5))
def test_h264_of_several_references_is_known_where_one_is_left(tmp_path: Path, refs):
    """After a key frame there is one frame to refer to, whatever the stream allows."""
    path = encode(
        tmp_path / "v.mp4",
        steady(50),
        options={"x264-params": f"ref={refs}:bframes=2:b-pyramid=none:{STEADY}"},
    )
    types, valid, vectors = vectors_of(path)
    keys = [number for number, kind in enumerate(types) if kind == "I"]
    first = [types.index("P", key) for key in keys]
    assert len(first) == 3
    for key, frame in zip(keys, first, strict=True):
        assert valid[key:frame].all()
    later = [k for k, t in enumerate(types[1:]) if t == "P" and k + 1 not in first]
    assert not valid[later].any()
    assert (errors(valid, vectors) > 0.3).mean() < 0.02


def test_an_interval_has_the_vectors_that_span_it_over_the_fewest_frames(
    tmp_path: Path,
):
    """Motion that is not even: 2, 4, 6 px, and over and over."""
    right = np.cumsum([0] + [2, 4, 6] * 7)
    path = encode(
        tmp_path / "v.mp4",
        rgb_frames(texture_at([(int(x), 0) for x in right])),
        options={"x264-params": f"ref=1:bframes=2:b-pyramid=none:{STEADY}:me=umh"},
    )
    types, valid, vectors = vectors_of(path)
    assert types == "I" + "BBP" * 7
    assert valid.all()
    # Positions 0, 2, 6, 12. The first B frame: 2 / 1 from the past, else 10 / 2 from the
    # future. The second: 6 / 2, else the first one's 10 / 2, not its own 6 / 1. The P
    # frame: the second one's 6 / 1, not its own 12 / 3.
    expected = ((2.0, 5.0), (3.0, 5.0), (6.0,))
    for number, values in enumerate(expected):
        across = vectors[number::3, :, 0].ravel()
        across = across[across != 0]
        shares = [(across == value).mean() for value in values]
        assert sum(shares) > 0.9, shares
        assert min(shares) > 0.1, shares


@pytest.mark.parametrize("codec", ("mpeg1video", "mpeg2video", "mpeg4"))
@pytest.mark.parametrize("b_frames", (1, 2, 3))
def test_mpeg_vectors_are_per_interval(tmp_path: Path, codec, b_frames):
    path = encode(
        tmp_path / "v.mkv",
        steady(40, smooth=True),
        codec=codec,
        options={"g": "12", "bf": str(b_frames), "q": "2", "b_strategy": "0"},
    )
    types, valid, vectors = vectors_of(path)
    kinds = "P" if codec == "mpeg4" else "PB"  # FFmpeg exports zeros for B in MPEG-4
    expected = [kind in kinds for kind in types[1:-1]] + [False]
    assert valid.tolist() == expected
    assert valid.any()
    assert np.median(errors(valid, vectors)) == 0


def lost(path: Path, out: Path, number: int) -> Path:
    """An H.264 file of start codes without its access unit `number`."""
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    out.write_bytes(b"".join(p for n, p in enumerate(packets) if n != number))
    return out


@pytest.mark.parametrize("number", (1, 4, 7))
def test_after_a_lost_reference_nothing_is_known_until_the_next_key_frame(
    tmp_path: Path, number
):
    path = encode(
        tmp_path / "v.h264",
        steady(48),
        options={"x264-params": f"ref=1:bframes=2:b-pyramid=none:{STEADY}"},
    )
    types, valid, vectors = vectors_of(lost(path, tmp_path / "lost.h264", number))
    key = types.index("I", 1)
    assert not valid[number + 2 : key].any()
    assert valid[key:].all()
    assert np.median(errors(valid, vectors)) == 0


def test_b_frames_after_a_broken_link_are_unknown(tmp_path: Path):
    path = encode(
        tmp_path / "v.mpg",
        steady(40),
        codec="mpeg2video",
        options={"g": "12", "bf": "2", "q": "2", "b_strategy": "0"},
    )
    types, before, _ = vectors_of(path)
    octets = bytearray(path.read_bytes())
    second = octets.index(b"\0\0\1\xb8", octets.index(b"\0\0\1\xb8") + 1)
    octets[second + 7] |= 0x20
    path.write_bytes(octets)
    again, after, _ = vectors_of(path)
    key = types.index("I", 1)
    assert again == types
    leading = [key - 3, key - 2]  # intervals that end with the B frames before it
    assert before[leading].all()
    assert not after[leading].any()
    assert after[key:].tolist() == before[key:].tolist()
