"""An exported model answers as its run does."""

from pathlib import Path

import numpy as np
import pytest
from moving import write_video
from moving_blobs import moving
from moving_store import videos
from untrained import extracted, untrained_run

from training.export.folder import export_model
from training.recognition import Recognizer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return extracted(folder / "moving", videos()), folder


@pytest.fixture(scope="module")
def video(made) -> Path:
    return write_video(made[1] / "clip.mp4", moving(1, 12, (2, 1)))


def scores(folder: Path, video: Path) -> np.ndarray:
    return Recognizer(folder, runtime="torch", device="cpu")(video).scores


@pytest.mark.parametrize("name", ["hts_tiny", "ds_attention_tiny", "htsc_literal_tiny"])
def test_a_fused_folder_answers_as_its_run(made, video, name):
    store, folder = made
    run = untrained_run(
        name, store, folder / "runs", fused_by_held_out=True, held_out=0.3
    )
    model = export_model(run, folder / name).folder
    np.testing.assert_array_equal(scores(model, video), scores(run.folder, video))
