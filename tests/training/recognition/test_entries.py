"""Entries that come block by block are those that a store of the video gives."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction
from training.data.dataset import frames_of
from training.recognition.entries import EntryBuffer
from training.recognition.fused import Combination
from training.recognition.stream_scores import ClipScores, StreamNetwork
from training.runs.trained import clip_of
from training.scoring.clip_protocol import ClipProtocol

VIDEO = "right/v_right_g02"
"""40 frames; intervals 11, 23 and 35 end with an intra-coded frame."""


@pytest.mark.parametrize("name", ["mv_tiny", "grid_tiny"])
@pytest.mark.parametrize("fill", ["previous", "zero"])
def test_vectors_are_filled_as_a_store_s(model_of, extracted_store, videos, name, fill):
    config = replace(clip_of(model_of(name)), fill=fill)
    video = extracted_store.video(VIDEO)
    buffer = EntryBuffer("mv", config, height=video.height, width=video.width)
    settings = ExtractSettings.from_record(extracted_store.settings).only(["mv"])
    with open_extraction(videos / f"{VIDEO}.mp4", settings) as extraction:
        for block in extraction:
            buffer.send(block.arrays)
    assert (buffer.count, buffer.known) == (39, 36)
    entries = np.array([0, 38, 11, 10, 12, 23, 35])
    stored = frames_of(extracted_store, config).read(video, "mv", entries)
    found = buffer.read(entries)
    np.testing.assert_array_equal(found, stored)
    assert (found[2, ..., :2] == 0).all() == (fill == "zero")
    buffer.forget(11)
    np.testing.assert_array_equal(buffer.read([11, 12]), stored[[2, 4]])
    with pytest.raises(IndexError, match="before 11 are forgotten"):
        buffer.read([10])


@pytest.mark.parametrize("aggregate", ["logits", "softmax"])
def test_a_single_stream_answers_by_the_scores_of_its_protocol(aggregate):
    stream = StreamNetwork(
        name="mv",
        sees="mv",
        clip=None,
        protocol=ClipProtocol(aggregate=aggregate),
        backend=None,
    )
    means = ClipScores(np.log([[1.0, 3.0]]), np.array([[0.4, 0.6]]))
    expected = [[0.25, 0.75]] if aggregate == "logits" else [[0.4, 0.6]]
    np.testing.assert_allclose(Combination(None, [stream], {})([means]), expected)
