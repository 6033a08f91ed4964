"""The benchmarks of decoding run, compare the same frames, and print what they found."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bench import decode, vectors
from pipeline.bench.clips import in_turn, ratio, summary


def test_rounds_are_in_turn_and_the_first_is_left_out():
    order: list[str] = []

    def contestant(name: str, seconds: float):
        def work() -> float:
            order.append(name)
            return seconds

        return work

    seconds = in_turn({"a": contestant("a", 1), "b": contestant("b", 3)}, rounds=2)
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert seconds == {"a": [1, 1], "b": [3, 3]}
    assert ratio(seconds["a"], seconds["b"]) == 3
    assert summary(seconds, frames=6)["b"] == {"fps": 2, "low": 2, "high": 2}


@pytest.mark.slow
def test_decoding_is_compared_with_opencv():
    result = decode.run(rounds=1, clips=1)
    assert set(result["sets"]) == {"MPEG-4 320x240, drawn", "H.264 320x240, re-encoded"}
    for row in result["sets"].values():
        assert row["frames"] == 120
        assert row["least_db"] > decode.LEAST_DB
        assert row["times_cv2"] > 0
    assert "x cv2" in decode.table(result)


def test_frames_that_differ_are_not_timed(tmp_path: Path, monkeypatch):
    def other(_path: Path):
        yield np.zeros((256, 340, 3), np.uint8)

    def ours(_path: Path):
        yield np.full((256, 340, 3), 200, np.uint8)

    monkeypatch.setattr(decode, "_ours", ours)
    monkeypatch.setattr(decode, "_theirs", other)
    with pytest.raises(AssertionError, match="expected frames that agree to 30"):
        decode._require_same([tmp_path])


@pytest.mark.slow
def test_vectors_are_timed_without_a_peer():
    result = vectors.run(rounds=1, clips=1)
    row = result["sets"]["H.264 320x240, re-encoded"]
    assert row["frames"] == 120
    assert set(row["speeds"]) == {"ours vectors", "ours both"}
    assert "times_peer" not in row
    assert "H.264" in vectors.table(result)


@pytest.mark.slow
def test_a_python_without_the_peer_is_named(tmp_path: Path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no module named mvextractor >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(
        OSError, match="expected motion-vector-extractor to run, got: no"
    ):
        vectors.run(rounds=1, clips=1, peer_python=broken)
