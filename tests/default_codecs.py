"""The codecs that a store is written with where nothing else is asked for."""

from pipeline.extract.settings import ExtractSettings
from pipeline.store.codec import Codec
from pipeline.store.codecs import FLOW_CODECS


def default_codec(modality: str, *, flow_codec: str = "companded") -> Codec:
    return ExtractSettings(flow_codec=FLOW_CODECS[flow_codec]).codec(modality)
