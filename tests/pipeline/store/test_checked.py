"""Every failing write of a shard ends in our own error; HDF5 never hears of it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.store import checked
from pipeline.store.checked import CheckedFile
from pipeline.store.quarter_pel import QuarterPel
from pipeline.store.shard import ShardWriter


def write_shard(path: Path) -> bytes:
    """Vectors of three videos, two and a half chunks of them."""
    rng = np.random.default_rng(0)
    with ShardWriter(path, modality="mv", codec=QuarterPel()) as shard:
        for number in range(3):
            with shard.video(f"v{number}", height=256, width=340) as entry:
                shape = (20, 32, 43, 2)
                vectors = (rng.integers(-9, 9, shape) / 4).astype(np.float32)
                entry.append(vectors, np.ones(20, bool))
                entry.append_frames(np.arange(21) / 25, np.full(21, ord("P")))
    return path.read_bytes()


def fail_at(calls: int, code: int, real):
    count = 0

    def failing(*given):
        nonlocal count
        count += 1
        if count >= calls:
            raise OSError(code, os.strerror(code))
        return real(*given)

    return failing


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_write_that_fails_at_any_moment_is_one_error_and_leaves_nothing(
    code, tmp_path, monkeypatch
):
    path = tmp_path / "shard.h5"
    whole, calls = write_shard(path), 0
    while calls < 1000:
        calls += 1
        with monkeypatch.context() as patch:
            patch.setattr(checked.os, "pwrite", fail_at(calls, code, os.pwrite))
            try:
                assert write_shard(path) == whole
                break  # it did not come to so many
            except OSError as error:
                assert (error.errno, error.filename) == (code, str(path))
        assert list(tmp_path.iterdir()) == []
    assert calls > 10


@pytest.mark.parametrize("call", ["pread", "ftruncate"])
def test_other_calls_that_fail_are_told_too(call, tmp_path, monkeypatch):
    path = tmp_path / "shard.h5"
    failing = fail_at(1, errno.EIO, getattr(os, call))
    monkeypatch.setattr(checked.os, call, failing)
    with CheckedFile(path) as disk:
        disk.write(b"0123456789")
        disk.seek(2)
        if call == "pread":
            assert disk.read(4) == bytes(4)
        else:
            assert disk.truncate() == 2
        with pytest.raises(OSError, match=rf"Input/output error: '{path}'"):
            disk.check()


def test_an_interrupt_inside_hdf5_is_raised_outside_of_it(tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(checked.os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "shard.h5")
    assert list(tmp_path.iterdir()) == []


def test_short_writes_go_on(tmp_path, monkeypatch):
    whole = write_shard(tmp_path / "whole.h5")
    real = os.pwrite

    def short(handle, data, position):
        return real(handle, bytes(data[: max(len(data) // 3, 1)]), position)

    monkeypatch.setattr(checked.os, "pwrite", short)
    assert write_shard(tmp_path / "short.h5") == whole


def test_what_was_written_after_a_failure_is_read_back(tmp_path, monkeypatch):
    with CheckedFile(tmp_path / "x") as disk:
        disk.write(b"aaaaaaaa")
        failing = fail_at(1, errno.EIO, os.pwrite)
        monkeypatch.setattr(checked.os, "pwrite", failing)
        disk.seek(2)
        disk.write(b"bbb")
        disk.seek(4)
        disk.write(b"cc")
        disk.seek(1)
        assert disk.read(6) == b"abbcca"
        disk.seek(0, os.SEEK_END)
        assert disk.tell() == 8


def test_a_file_through_us_is_an_ordinary_hdf5_file(tmp_path):
    path = tmp_path / "shard.h5"
    write_shard(path)
    with h5py.File(path, "r") as file:
        assert file["offsets"].shape == (3 * 20 + 1,)
        assert path.stat().st_size < 1.01 * file["data"].id.get_storage_size() + 20_000


LIMITED = """
import resource, sys
from pathlib import Path
from test_checked import write_shard
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_shard(Path(sys.argv[1]))
except OSError as error:
    print("TOLD", error.errno, error.filename)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 5_000, 50_000])
def test_a_limit_of_file_sizes_is_told(limit, tmp_path):
    path = tmp_path / "shard.h5"
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[3])]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"TOLD {errno.EFBIG} {path}\n" and done.stderr == ""
    assert not path.exists()
