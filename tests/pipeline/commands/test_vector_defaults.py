"""Where `pipeline extract` takes vectors from, by the options that were given."""

from dataclasses import replace

import pytest

from pipeline.commands.extract_settings import vector_settings
from pipeline.extract.settings import ExtractSettings
from pipeline.store.codecs import RGB_CODECS

USUAL = ExtractSettings()
DEMO = replace(USUAL, mv_crf=40)
JPEG, H264 = RGB_CODECS["jpeg"], RGB_CODECS["h264"]


@pytest.mark.parametrize(
    ("usual", "codec", "given", "source", "crf"),
    [
        (USUAL, JPEG, (None, None, None), "canonical", 18),
        (USUAL, H264, (None, None, None), "stored", 20),
        (USUAL, H264, ("canonical", None, None), "canonical", 18),
        (USUAL, H264, (None, 25, None), "canonical", 25),
        (USUAL, H264, (None, None, "slow"), "canonical", 18),
        (USUAL, H264, ("original", None, None), "original", 18),
        (DEMO, H264, (None, None, None), "canonical", 40),
        (DEMO, H264, ("stored", None, None), "stored", 20),
    ],
)
def test_vectors_come_from_the_stored_packets_if_nothing_else_is_asked_for(
    usual, codec, given, source, crf
):
    found = vector_settings(usual, codec, *given)
    assert (found["mv_source"], found["mv_crf"]) == (source, crf)
    ExtractSettings(rgb_codec=codec, **found)


def test_the_encoding_of_stored_packets_cannot_be_set_by_options_of_vectors():
    with pytest.raises(ValueError, match="expected canonical with --mv-crf or"):
        vector_settings(USUAL, H264, "stored", 30, None)
