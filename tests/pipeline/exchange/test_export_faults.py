"""Exports that are interrupted, damaged, asked for the wrong thing, or out of space."""

import errno
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from exported import FRAMES, IDS, exported, tree

from pipeline.commands.cli import main
from pipeline.exchange.errors import ExchangeError
from pipeline.exchange.record import own_folder
from pipeline.store import FolderHeld, Store, hold

FORMATS = ("frames", "webdataset", "mp4", "npz")


class Stop(BaseException):
    """Ctrl-C, at a moment of our choice."""


def stopped(done: int, total: int) -> None:
    if done == 2:
        raise Stop


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: str | Path) -> str:
    """The one line in which a command ends."""
    done = run("export", *words)
    assert done.exit_code == 1 and done.output.startswith("Error: "), done.output
    assert done.output.count("\n") == 1 and "Traceback" not in done.output
    return done.output


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("exchange.exporting.export", ("export", "--to", "npz")),
        ("management.relabelling.relabel", ("relabel", "--holdout", "0.5")),
        ("management.making.copy", ("copy",)),
    ],
)
def test_an_interrupted_command_says_how_to_resume(
    function, words, odd_store: Path, tmp_path: Path, monkeypatch
) -> None:
    def interrupted(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"pipeline.{function}", interrupted)
    command, *options = words
    out = ("--out", tmp_path / "out") if options else (tmp_path / "out",)
    done = run(command, odd_store, *options, *out)
    assert done.exit_code == 130
    assert done.output.endswith("interrupted; run the same command to resume\n")


@pytest.mark.parametrize("to", FORMATS)
def test_an_interrupted_export_resumes(
    to: str, odd_store: Path, tmp_path: Path
) -> None:
    given = {"shard_bytes": 60_000} if to == "webdataset" else {}
    whole, out = tmp_path / "whole", tmp_path / "out"
    exported(odd_store, whole, to, **given)
    with pytest.raises(Stop):
        exported(odd_store, out, to, on_progress=stopped, **given)
    begun = tree(out)
    assert (
        begun.items()
        <= (tree(whole) | {"shards.json": begun.get("shards.json")}).items()
    )
    assert len(begun) < len(tree(whole))
    left = out / "_tmp" / "half"  # as a process that was killed leaves it
    left.mkdir(parents=True)
    (left / "img_00001.jpg").write_bytes(b"half")
    (out / ".export.json.0123456789abcdef.part").write_bytes(b"half")
    done = exported(odd_store, out, to, **given)
    assert tree(out) == tree(whole)
    assert done.before >= 1 and done.exit_code == 0
    again = exported(odd_store, out, to, **given)
    assert again.before == len(IDS) and again.written.files == 0
    assert tree(out) == tree(whole)


def test_a_lost_shard_is_written_again(odd_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(odd_store, out, "webdataset", shard_bytes=60_000)
    before = tree(out)
    (out / "shard-00001.tar").unlink()
    assert exported(odd_store, out, "webdataset", shard_bytes=60_000).before >= 1
    assert tree(out) == before


@pytest.fixture
def damaged_store(odd_store: Path, tmp_path: Path) -> Path:
    """A byte of frame 3 of `run/#e` is another one."""
    store = shutil.copytree(odd_store, tmp_path / "damaged")
    row = Store(store).rows("run/#e", "rgb", start=3, stop=4)[0].tobytes()
    (path,) = store.glob("rgb-00000.h5")
    content = path.read_bytes()
    at = content.rindex(row) + len(row) // 2
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    return store


@pytest.mark.parametrize("to", ("frames", "webdataset", "npz"))
def test_a_damaged_video_is_left_out_and_named(
    to: str, damaged_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run("export", damaged_store, "--to", to, "--out", out, "--jobs", 1)
    assert done.exit_code == 3
    assert "4 of 5 videos" in done.output and "\n  run/#e: rgb: " in done.output
    assert not [name for name in tree(out) if "#e/" in name or "#e.npz" in name]
    listed = b"".join(text for name, text in tree(out).items() if "lists/" in name)
    assert b"#e" not in listed
    shutil.copytree(out, tmp_path / "as it was")
    assert run("export", damaged_store, "--to", to, "--out", out).exit_code == 3


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file can grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("to", FORMATS)
def test_a_full_disk_is_one_line_and_no_half_file(
    to: str, odd_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with small_files(1000):
        said = refused(odd_store, "--to", to, "--out", out, "--jobs", 1)
    assert f"{out}/" in said and "File too large" in said
    files = {path.name for path in out.rglob("*") if path.is_file()}
    assert files <= {"export.json", "holder-00001.ended", "classes.txt"}


def test_an_error_of_the_system_that_names_nothing_names_the_folder(tmp_path: Path):
    """As of a write that finds the disk full."""
    out = tmp_path / "out"
    with pytest.raises(OSError) as caught, own_folder(out, {}):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(out)
    with pytest.raises(OSError) as caught, own_folder(out, {}):
        raise OSError(errno.EIO, "Input/output error", "a file")
    assert caught.value.filename == "a file"


def test_another_export_is_not_mixed_in(odd_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(odd_store, out, "frames")
    before = tree(out)
    with pytest.raises(
        ExchangeError, match="holds another export: expected bound_px 15"
    ):
        exported(odd_store, out, "frames", bound_px=15.0)
    with pytest.raises(ExchangeError, match="expected to npz, got frames"):
        exported(odd_store, out, "npz", modalities=("rgb", "flow"))
    with pytest.raises(ExchangeError, match="holds another export: expected classes"):
        exported(odd_store, out, "frames", classes=("run",))
    with pytest.raises(ExchangeError, match="expected a place apart from"):
        exported(odd_store, odd_store, "npz")
    with hold(out), pytest.raises(FolderHeld, match="another run is writing here"):
        exported(odd_store, out, "frames")
    assert tree(out) == before


def test_no_file_is_written_through_a_link(odd_store: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "_tmp").symlink_to(elsewhere)
    assert "expected a folder, got a link" in refused(
        odd_store, "--to", "npz", "--out", out
    )
    assert not list(elsewhere.iterdir())


def test_wrong_requests_are_one_line(odd_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (odd_store, "--to", "frames", "--out", out)
    assert "did you mean 'jump'" in refused(*words, "--classes", "jmp")
    assert "expected some of" in refused(*words, "--classes", ",")
    assert "frames: expected modalities among rgb, flow, got mv" in refused(
        *words, "--modalities", "rgb,mv"
    )
    names = tmp_path / "names.txt"
    names.write_text("\nrun/g\n")
    assert "names.txt:2: no video 'run/g'" in refused(*words, "--videos", names)
    names.write_bytes(b"\n")
    assert "no video of those" in refused(*words, "--videos", names)
    names.write_bytes(b"a\0b\n")
    assert "names.txt:1: expected a video" in refused(*words, "--videos", names)
    for option in ("--clip-frames", "--shard-mb"):
        done = run("export", *words, option, 8)
        assert done.exit_code == 2 and f"{option} is for --to webdataset" in done.output
    assert not out.exists()


def test_the_summary_says_what_was_done_to_the_numbers(
    odd_store: Path, tmp_path: Path
) -> None:
    words = ("--to", "frames", "--out", tmp_path / "out", "--bound", 2, "--jobs", 1)
    done = run("export", odd_store, *words)
    assert done.exit_code == 0
    assert "5 of 5 videos" in done.output
    assert "rgb: the JPEG files as they are stored (quality 95)" in done.output
    assert "off by up to 0.0078 px, and JPEG of quality 95" in done.output
    store = Store(odd_store)
    flow = [store.read(i, "flow") for i in IDS if FRAMES[i] > 1]
    beyond = sum(int((abs(field) > 2).sum()) for field in flow)
    share = beyond / sum(field.size for field in flow)
    assert f"flow: {share:.3%} of the values are beyond the bound" in done.output
