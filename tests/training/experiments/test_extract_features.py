"""Files of features: against the network's own answers, and after kills."""

import errno
import io
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tiny_recipe as tiny
import torch
from click.testing import CliRunner
from moving_store import Made, write_store
from tiny_recipe import TINY, tiny_context
from tiny_runs import StopAt, taught

from pipeline.store import Store
from training.commands.cli import main
from training.commands.train import run_teach
from training.data import StoreClips
from training.errors import DataError, Interrupted, RecipeError, RunError, WriteError
from training.experiments import feature_rows
from training.experiments.extract_features import extract_features
from training.models.backbones import BackboneConfig
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run
from training.runs.trained import clip_of, trained_model

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def students(store, teacher, tmp_path_factory) -> dict[str, Run]:
    """A trained network for each modality. Read only."""
    runs = tmp_path_factory.mktemp("students")
    context = tiny_context(store, runs)
    seeing = {name: run_teach(TINY, context, name, out=None) for name in ("rgb", "mv")}
    return seeing | {"flow": teacher}


def extracted(run, store, out, *, reporter=None, **options):
    return extract_features(
        run,
        store,
        out,
        machine=Machine(checkpoint_seconds=0),
        reporter=reporter or SilentReporter(),
        **options,
    )


@pytest.mark.parametrize("sees", ["rgb", "flow", "mv"])
def test_the_head_makes_the_networks_answers_of_them(students, store, tmp_path, sees):
    run = students[sees]
    model, _ = trained_model(run)
    found = extracted(run, store, tmp_path / "all.h5")
    clips = StoreClips(
        store,
        modalities=[sees],
        part="all",
        config=clip_of(run),
        augment=False,
        clips_per_video=None,
    )
    assert (found.videos, found.clips) == (len(store.videos()), len(clips))
    expected: dict[str, list] = {}
    with torch.no_grad():
        for clip in clips:
            logits = model(clip[sees][None])[0]
            expected.setdefault(clip["video"], []).append((int(clip["start"]), logits))
        with h5py.File(tmp_path / "all.h5") as file:
            assert list(file["classes"].asstr()) == ["left", "right"]
            for video in store.videos():
                group = file["videos"][video.id]
                starts, logits = zip(*expected.pop(video.id), strict=True)
                assert tuple(group["start"]) == starts
                features = torch.from_numpy(group["features"][:])
                assert features.shape == (len(starts), found.dimension)
                torch.testing.assert_close(model.fc(features), torch.stack(logits))
                np.testing.assert_allclose(group["mean"], features.mean(0), rtol=1e-6)
                assert group.attrs["labels"].tolist() == list(video.labels)
                assert group.attrs["part"] == video.splits["1"]
                assert group.attrs["group"] == video.group
    assert not expected
    assert [path.name for path in tmp_path.iterdir()] == ["all.h5"]


def test_clips_of_another_length_every_two_frames(students, store, tmp_path):
    """3 of 7 intervals from 0, 2, 4; the last frame is the one after the interval."""
    run, out = students["flow"], tmp_path / "f.npz"
    extracted(run, store, out, part="test", clip_length=3, hop=2, tap="layer4")
    model, _ = trained_model(run)
    seen = []
    model.layer4.register_forward_hook(lambda *given: seen.append(given[2]))
    clips = StoreClips(
        store,
        modalities=["flow"],
        part="test",
        config=clip_of(run),
        length=3,
        clips_per_video=3,
    )
    with torch.no_grad():
        for clip in clips:
            model(clip["flow"][None])
    file = np.load(out)
    expected = torch.cat(seen).mean(dim=(2, 3, 4))
    torch.testing.assert_close(torch.from_numpy(file["features"]), expected)
    tested = [video for video in store.videos() if video.splits["1"] == "test"]
    assert file["ids"].tolist() == [video.id for video in tested]
    assert file["first"].tolist() == [0, 3, 6, 9, 12]
    assert file["start"].tolist() == 4 * [0, 2, 4]
    assert file["stop"].tolist() == 4 * [4, 6, 8]
    np.testing.assert_allclose(file["seconds"][1], [2 / 25, 5 / 25])
    assert file["labels"].tolist() == [video.labels[0] for video in tested]
    assert file["relevant"].argmax(1).tolist() == file["labels"].tolist()
    means = file["features"].reshape(4, 3, -1).mean(1)
    np.testing.assert_allclose(file["mean"], means, rtol=1e-5)


def test_rgb_clips_end_with_their_own_last_frame(students, store, tmp_path):
    extracted(students["rgb"], store, tmp_path / "f.npz", clip_length=8)
    file = np.load(tmp_path / "f.npz")
    assert set(file["start"]) == {0} and set(file["stop"]) == {8}
    np.testing.assert_allclose(file["seconds"][0], [0, 7 / 25])


def test_another_store_with_a_short_video_and_no_split(students, tmp_path):
    made = [
        Made(id="a/short", label=0, group="g", frames=3),
        Made(id="bare", label=0, group="h", labels=()),
        Made(id="still", label=0, group="i", frames=1),
        Made(id="blind", label=1, group="j", modalities=("rgb",)),
    ]
    store = Store(write_store(tmp_path / "s", made, splits={}))
    found = extracted(students["mv"], store, tmp_path / "f.hdf5", hop=1)
    assert found.left_out == {"still": "one frame, so no motion", "blind": "no mv"}
    with h5py.File(tmp_path / "f.hdf5") as file:
        assert list(file["videos/a/short/start"]) == [0]
        assert list(file["videos/a/short/stop"]) == [3]
        assert file["videos/bare"].attrs["part"] == ""
        assert not len(file["videos/bare"].attrs["labels"])
    with pytest.raises(DataError, match="expected a split into training and test"):
        extracted(students["mv"], store, tmp_path / "g.h5", part="test")


class Batches(SilentReporter):
    """Counts the batches of a run."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def step(self, done: int, text: str) -> None:
        self.steps.append(done)


@pytest.mark.parametrize("name", ["f.h5", "f.npz"])
def test_an_interrupted_extraction_resumes(students, store, tmp_path, name):
    """48 clips of one interval each two batches; the second comes after a signal."""
    run = students["mv"]
    options = {"clip_length": 4, "hop": 1}
    whole, out = tmp_path / f"whole_{name}", tmp_path / name
    extracted(run, store, whole, **options)
    with pytest.raises(Interrupted, match="run the same command to resume"):
        extracted(run, store, out, reporter=StopAt(1), **options)
    assert not out.exists()
    with pytest.raises(RunError, match=r"differ in hop: 1, 2: choose another --out"):
        extracted(run, store, out, clip_length=4, hop=2)
    rest = Batches()
    extracted(run, store, out, reporter=rest, **options)
    assert rest.steps == [2]
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"whole_{name}"]


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.store import Store
from training.experiments import extract_features as module
from training.experiments.extract_features import extract_features
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run

run, store, out, where = sys.argv[1:]

def die(*given, **options):
    os.kill(os.getpid(), signal.SIGKILL)

class Dies(SilentReporter):
    def step(self, done, text):
        if where == "step" and done == 2:
            die()

if where == "writing":
    from training.experiments import feature_file
    feature_file._plain = die  # in the middle of the final file
extract_features(
    Run(Path(run)), Store(store), Path(out), clip_length=4, hop=1,
    machine=Machine(checkpoint_seconds=0), reporter=Dies(),
)
"""


class Full(io.FileIO):
    """A file on a full disk."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_names_the_file_and_the_same_call_resumes(
    students, store, tmp_path, monkeypatch
):
    run, out = students["mv"], tmp_path / "f.npz"
    with monkeypatch.context() as patched, pytest.raises(WriteError) as caught:
        patched.setattr(feature_rows, "open_rows", lambda path, anew: Full(path, "w+"))
        extracted(run, store, out, clip_length=4, hop=4)
    said = str(caught.value)
    assert said.endswith(
        "features_clips.f32: cannot be written: no space left on device"
    )
    extracted(run, store, out, clip_length=4, hop=4)
    assert [path.name for path in tmp_path.iterdir()] == ["f.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["step", "writing"])
def test_a_killed_extraction_resumes(students, store, tmp_path, where):
    run, whole, out = students["mv"], tmp_path / "whole.h5", tmp_path / "f.h5"
    extracted(run, store, whole, clip_length=4, hop=1)
    arguments = [str(run.folder), str(store.folder), str(out), where]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()
    rows = tmp_path / "f.h5.partial" / "features_clips.f32"
    rows.write_bytes(rows.read_bytes() + b"torn")
    rest = Batches()
    extracted(run, store, out, reporter=rest, clip_length=4, hop=1)
    assert rest.steps == ([2] if where == "step" else [])
    assert out.read_bytes() == whole.read_bytes()


def test_the_command_and_its_refusals(students, store, tmp_path):
    run = str(students["flow"].folder)
    out = str(tmp_path / "f.h5")

    def call(*arguments: str):
        return CliRunner().invoke(main, ["features", *arguments])

    done = call(run, "--out", out, "--part", "test", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["videos"], told["tap"], told["out"]) == (4, "avgpool", out)
    again = call(run, "--out", out, "--part", "test")
    assert "complete, nothing to do" in again.stderr
    assert again.stdout.startswith(f"{out}: 4 videos, ")
    (tmp_path / "other.h5").write_text("something")
    for arguments, message in (
        ((run, "--out", out), "differ in part: "),
        ((run, "--out", str(tmp_path / "f.csv")), "that ends in .h5, .hdf5 or .npz"),
        ((run, "--out", str(tmp_path / "other.h5")), "got something else"),
        (
            (run, "--out", str(tmp_path / "g.h5"), "--tap", "layer5"),
            "got layer5: did you mean layer4",
        ),
        ((run, "--out", str(tmp_path / "g.h5"), "--split", "9"), "among 1, got 9"),
        ((str(tmp_path), "--out", str(tmp_path / "g.h5")), "it has no recipe.json"),
        ((run, "--out", "/proc/g.h5"), "cannot be written"),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 1, arguments
        assert message in refused.stderr, refused.output
        assert refused.stderr.count("\n") == 1


def test_a_network_of_stacked_frames_takes_no_other_length(store, tmp_path):
    """A 2D network; its default tap is the layer before the classifier."""
    model = BackboneConfig(net="clarifai_tiny", sees="flow", frames=tiny.CLIP.length)
    recipe = replace(tiny.teach("flow"), model=model)
    run = taught(store, tmp_path / "run", recipe=recipe)
    found = extracted(run, store, tmp_path / "f.h5")
    assert found.tap == "fc7"
    with pytest.raises(RecipeError, match="is what clarifai_tiny takes, got 3"):
        extracted(run, store, tmp_path / "g.h5", clip_length=3)
