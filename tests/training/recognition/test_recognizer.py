"""Recognising a file gives the scores that evaluation gives on a store made of it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from moving import write_video
from moving_blobs import moving

from pipeline.extract.errors import NotAVideo, VideoError
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction
from pipeline.flow.solver import flow_solver
from pipeline.store import Store
from training.data.dataset import Clips, frames_of
from training.errors import DataError, RunError
from training.experiments.evaluate import run_protocol
from training.recognition import Recognizer
from training.recognition import recognizer as recognizer_module
from training.runs.trained import clip_of, trained_model
from training.scoring.protocols import Scorer
from training.scoring.scores import Scores, softmax

LOSSY = {"mv": 1e-6, "rgb": 1e-2, "flow": 1e-3}
"""Errors of the codecs in a probability: vectors are stored exactly."""


class Uncoded:
    """A store whose rows are as they were extracted, without the errors of its codecs."""

    def __init__(self, store: Store, videos: Path) -> None:
        self.folder, self.classes = store.folder, store.classes
        self.mirror_safe = store.mirror_safe
        self._settings = ExtractSettings.from_record(store.settings)
        self._folder = videos
        self._arrays = cache(self._extracted)

    def read(
        self, video, modality, *, start=0, stop=None, step=1, crop=None
    ) -> np.ndarray:
        entries = self._arrays(video)[modality][start:stop:step]
        if crop is None:
            return entries
        top, left, height, width = crop
        return entries[:, top : top + height, left : left + width]

    def _extracted(self, video: str) -> dict[str, np.ndarray]:
        solver = flow_solver("cpu", profile=self._settings.flow_profile)
        path = self._folder / f"{video}.mp4"
        with open_extraction(path, self._settings, solver) as extraction:
            blocks = [block.arrays for block in extraction]
        return {key: np.concatenate([one[key] for one in blocks]) for key in blocks[0]}


def probabilities(scores: Scores) -> dict[str, np.ndarray]:
    """Video -> its probabilities."""
    by_logits = scores.aggregate == "logits"
    found = softmax(scores.logits) if by_logits else scores.softmax
    return dict(zip(scores.ids, found, strict=True))


def evaluated(run, store, uncoded, **protocol) -> dict[str, np.ndarray]:
    """Scores of the test videos by the code of `training evaluate`."""
    model, config = trained_model(run)
    videos = [video for video in store.videos() if "test" in video.splits.values()]
    clips = Clips(frames_of(uncoded, clip_of(run)), videos, [config.sees], clip_of(run))
    scorer = Scorer(
        clips,
        sees=config.sees,
        protocol=replace(run_protocol(run), **protocol),
        device=torch.device("cpu"),
    )
    return probabilities(scorer(model))


@pytest.fixture(scope="module")
def uncoded(extracted_store, videos) -> Uncoded:
    return Uncoded(extracted_store, videos)


@pytest.mark.parametrize(
    "name", ["mv_tiny", "grid_tiny", "flow2d_tiny", "frame_tiny", "r3d_flow_tiny"]
)
def test_a_file_has_the_scores_of_evaluation(
    model_of, videos, extracted_store, uncoded, name
):
    run = model_of(name)
    recognizer = Recognizer(run.folder, device="cpu")
    truth = evaluated(run, extracted_store, uncoded)
    stored = probabilities(Scores.load(run.path("scores_test.npz")))
    assert len(truth) == 4 and truth.keys() == stored.keys()
    assert recognizer.classes == extracted_store.classes
    (sees,) = recognizer.settings.modalities
    for video, expected in truth.items():
        found = recognizer(videos / f"{video}.mp4")
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)
        np.testing.assert_allclose(found.scores, stored[video], atol=LOSSY[sees])
        assert found.video.frames == extracted_store.video(video).frames


def test_a_protocol_with_ten_crops_mirrors(model_of, videos, extracted_store, uncoded):
    run = model_of("mv_tiny")
    recognizer = Recognizer(run.folder, device="cpu")
    (stream,) = recognizer.model.streams
    ten = replace(stream, protocol=replace(stream.protocol, crops=10))
    object.__setattr__(recognizer.model, "streams", (ten,))
    truth = evaluated(run, extracted_store, uncoded, crops=10)
    plain = evaluated(run, extracted_store, uncoded)
    for video, expected in truth.items():
        found = recognizer(videos / f"{video}.mp4").scores
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert any(abs(truth[video] - plain[video]).max() > 1e-5 for video in truth)


def test_a_video_that_no_memory_holds_is_counted_first(model_of, videos, monkeypatch):
    run = model_of("mv_tiny")  # 25 clips, spread over the video
    recognizer = Recognizer(run.folder, device="cpu")
    path = videos / "right" / "v_right_g02.mp4"
    expected = recognizer(path).scores
    monkeypatch.setattr(recognizer_module, "MEMORY_BYTES", 1000)
    counted = []
    real = Recognizer._count
    monkeypatch.setattr(
        Recognizer,
        "_count",
        lambda self, path: counted.append(real(self, path)) or counted[-1],
    )
    np.testing.assert_allclose(recognizer(path).scores, expected, atol=1e-12)
    assert counted == [40]


def test_two_streams_are_weighted(model_of, videos):
    first, second = model_of("mv_tiny"), model_of("frame_tiny")
    fused = model_of("frame_mv_tiny")
    recognizer = Recognizer(fused.folder, device="cpu")
    assert recognizer.settings.modalities == ("rgb", "mv")
    weights = dict(
        zip(
            [stream.sees for stream in recognizer.model.streams],
            recognizer.model.contract.fusion.weights,
            strict=True,
        )
    )
    path = videos / "down" / "v_down_g01.mp4"
    each = {
        "mv": Recognizer(first.folder, device="cpu")(path).scores,
        "rgb": Recognizer(second.folder, device="cpu")(path).scores,
    }
    total = sum(weights.values())
    expected = sum(weights[sees] / total * each[sees] for sees in each)
    np.testing.assert_allclose(recognizer(path).scores, expected, atol=1e-6)
    assert weights["mv"] != weights["rgb"]


@pytest.mark.parametrize("name", ["htsc_tiny", "ds_attention_tiny"])
def test_layers_that_combine_streams(model_of, videos, name):
    """Features of snippets, and learned weights of a video, as the run has scored them."""
    run = model_of(name)
    truth = probabilities(Scores.load(run.path("scores_test.npz")))
    recognizer = Recognizer(run.folder, device="cpu")
    for video, expected in truth.items():
        found = recognizer(videos / f"{video}.mp4").scores
        np.testing.assert_allclose(found, expected, atol=LOSSY["rgb"])
    timeline = recognizer.windows(videos / f"{video}.mp4")
    assert timeline.scores.sum() == pytest.approx(1)


def test_few_known_vectors_are_refused_unless_forced(model_of, tmp_path):
    run = model_of("mv_tiny")
    recognizer = Recognizer(run.folder, device="cpu", mv_source="original")
    half = write_video(tmp_path / "half.mp4", moving(1, 21, (0, 3)), g=2)
    assert recognizer(half).video.known_share == 0.5  # every second frame is intra
    intra = write_video(tmp_path / "intra.mp4", moving(1, 22, (0, 3)), g=1)
    for recognise in (recognizer, recognizer.windows):
        with pytest.raises(
            DataError,
            match=r"intra.mp4: expected known motion vectors in at least 50 % of the"
            r" intervals, got 0 % \(original vectors\): use --mv-source canonical, or"
            r" --force to answer nevertheless$",
        ):
            recognise(intra)
    forced = Recognizer(run.folder, device="cpu", mv_source="original", force=True)
    assert forced(intra).video.known_share == 0
    canonical = Recognizer(run.folder, device="cpu")(intra)
    assert canonical.video.known_share == 20 / 21  # one intra frame in twelve


def test_a_source_of_vectors_is_for_models_that_see_them(model_of):
    run = model_of("frame_tiny")
    for source in ("original", "canonical"):
        with pytest.raises(
            DataError, match=f"vectors for --mv-source {source}, got one that sees rgb$"
        ):
            Recognizer(run.folder, device="cpu", mv_source=source)
        drawn = Recognizer(
            run.folder, device="cpu", mv_source=source, vectors_drawn=True
        )
        assert drawn.mv_source is None


def test_models_of_imported_frames_are_refused(model_of, monkeypatch):
    """How these were made is not known, so a video cannot be made like them."""
    run, load = model_of("mv_tiny"), recognizer_module.load_model
    imported = ExtractSettings(
        modalities=("rgb",), imported_frames="tsn", frames_per_second=25.0
    )
    monkeypatch.setattr(
        recognizer_module,
        "load_model",
        lambda *given, **named: replace(load(*given, **named), settings=imported),
    )
    with pytest.raises(DataError, match="got one that was trained on imported frames"):
        Recognizer(run.folder, device="cpu")


def test_bad_input_is_named(model_of, tmp_path):
    recognizer = Recognizer(model_of("mv_tiny").folder, device="cpu")
    text = tmp_path / "notes.mp4"
    text.write_text("no video", "utf-8")
    with pytest.raises(NotAVideo, match=f"^{text}: expected a video, got text"):
        recognizer(text)
    still = write_video(tmp_path / "still.mp4", moving(0, 1, (0, 0)))
    for recognise in (recognizer, recognizer.windows):
        with pytest.raises(VideoError, match=r"at least 2 frames.* got 1"):
            recognise(still)
    with pytest.raises(RunError, match="expected a run or a model folder, got no"):
        Recognizer(tmp_path / "nothing")
    with pytest.raises(RunError, match="got neither"):
        Recognizer(tmp_path)
