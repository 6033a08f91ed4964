"""The settings of a store: as one value, and as they stand in plan and manifest."""

import json
from dataclasses import replace

import pytest

from pipeline.extract.settings import ExtractSettings
from pipeline.store.codecs import FLOW_CODECS
from pipeline.store.jpeg_codecs import JpegFlow, JpegRgb

# Written by hand from storage_layout.md and the settings of an ordinary store.
RECORD = {
    "common": {
        "short_side": 256,
        "enlarge": False,
        "square_pixels": True,
        "frames_per_second": None,
    },
    "rgb": {"codec": {"name": "jpeg_rgb", "quality": 95}},
    "flow": {
        "profile": "default",
        "codec": {
            "name": "jpeg_flow",
            "curve": "sqrt",
            "bound_px": 20.0,
            "quality": 85,
        },
    },
    "mv": {
        "source": "canonical",
        "crf": 18,
        "preset": "veryfast",
        "keyint": 12,
        "codec": {"name": "quarter_pel"},
    },
}


def test_the_record_is_that_of_the_layout():
    assert ExtractSettings().to_record() == RECORD
    assert list(ExtractSettings(modalities=("mv", "rgb")).to_record()) == [
        "common",
        "rgb",
        "mv",
    ]


def test_a_store_of_original_vectors_records_no_encoding():
    settings = ExtractSettings(modalities=("mv",), mv_source="original")
    assert settings.to_record() == {
        "common": RECORD["common"],
        "mv": {"source": "original", "codec": {"name": "quarter_pel"}},
    }
    assert ExtractSettings.from_record(settings.to_record()) == settings


@pytest.mark.parametrize(
    "settings",
    [
        ExtractSettings(),
        ExtractSettings(modalities=("flow",), flow_profile="fast"),
        ExtractSettings(
            modalities=("rgb", "mv"),
            short_side=64,
            enlarge=True,
            square_pixels=False,
            frames_per_second=12.5,
            mv_crf=5,
            mv_preset="slow",
            mv_keyint=250,
        ),
        ExtractSettings(flow_codec=FLOW_CODECS["tsn"]),
        ExtractSettings(
            flow_codec=JpegFlow(bound_px=8.5), rgb_codec=JpegRgb(quality=90)
        ),
        ExtractSettings(modalities=("rgb", "mv"), mv_source="original"),
    ],
    ids=str,
)
def test_a_record_gives_its_settings_and_the_same_bytes_again(settings):
    text = json.dumps(settings.to_record())
    again = ExtractSettings.from_record(json.loads(text))
    assert again == settings
    assert json.dumps(again.to_record()) == text
    for modality in settings.modalities:
        assert again.codec(modality) == settings.codec(modality)


def test_what_a_store_does_not_have_makes_no_difference():
    rgb = ExtractSettings(modalities=("rgb",))
    assert rgb == replace(rgb, mv_crf=30, flow_profile="fast")
    assert hash(rgb) == hash(replace(rgb, mv_crf=30, flow_profile="fast"))
    assert rgb != replace(rgb, short_side=128)
    assert rgb != replace(rgb, square_pixels=False)
    assert rgb != ExtractSettings(modalities=("rgb", "mv"))
    mv = ExtractSettings(modalities=("mv",))
    assert mv != replace(mv, mv_crf=30)
    assert rgb != "rgb"


def test_some_of_the_modalities_keep_their_settings():
    settings = ExtractSettings(modalities=("mv", "flow", "rgb"), mv_crf=7)
    assert settings.modalities == ("rgb", "flow", "mv")
    vectors = settings.only(["mv"])
    assert vectors == ExtractSettings(modalities=("mv",), mv_crf=7)
    with pytest.raises(ValueError, match=r"some of \('mv',\), got 'rgb'$"):
        vectors.only(["rgb"])


def changed(part: str, **fields) -> dict:
    return RECORD | {part: RECORD[part] | fields}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "settings: common: an object, got None"),
        (RECORD | {"sound": {}}, "settings: unknown part 'sound'"),
        ({"common": RECORD["common"]}, "modalities: expected some of .* got none"),
        (RECORD | {"common": {"short_side": 64}}, "settings: common: it lacks '"),
        (changed("common", other=1), "settings: common: it has an unknown 'other'"),
        (changed("common", short_side="64"), "settings: common: short_side: '64'"),
        (changed("common", short_side=64.0), "settings: common: short_side: 64.0"),
        (changed("common", short_side=63), "short side: expected an even number"),
        (changed("common", enlarge=1), "settings: common: enlarge: 1"),
        (changed("common", frames_per_second="5"), "frames_per_second: '5'"),
        (RECORD | {"mv": []}, r"settings: mv: an object, got \[\]"),
        (RECORD | {"rgb": {}}, "settings: rgb: it lacks 'codec'"),
        (changed("mv", crf=99), "crf: expected 0 to 51, got 99"),
        (changed("mv", source="original"), "settings: mv: it has an unknown '"),
        (changed("flow", codec={"name": "h265"}), "expected a codec among"),
        (
            changed("flow", codec={"name": "quarter_pel"}),
            "settings: flow: expected its codec, got quarter_pel",
        ),
    ],
)
def test_a_record_of_something_else_is_refused_in_a_line(record, message):
    with pytest.raises(ValueError, match=message) as refused:
        ExtractSettings.from_record(record)
    assert len(str(refused.value).splitlines()) == 1


IMPORTED = {
    "common": {"imported_frames": "tsn", "frames_per_second": 25.0},
    "rgb": RECORD["rgb"],
    "flow": {"codec": FLOW_CODECS["tsn"].to_dict()},
}


def test_imported_frames_have_a_record_of_their_own():
    settings = ExtractSettings(
        modalities=("rgb", "flow"),
        imported_frames="tsn",
        frames_per_second=25.0,
        flow_codec=FLOW_CODECS["tsn"],
    )
    assert settings.to_record() == IMPORTED
    assert ExtractSettings.from_record(IMPORTED) == settings
    assert settings != replace(settings, imported_frames="denseflow")
    mixed = IMPORTED["common"] | RECORD["common"]
    for broken in (
        IMPORTED | {"flow": RECORD["flow"]},
        IMPORTED | {"common": mixed},
        IMPORTED | {"mv": RECORD["mv"]},
        IMPORTED | {"common": {"imported_frames": "", "frames_per_second": 25.0}},
        RECORD | {"common": IMPORTED["common"]},
    ):
        with pytest.raises(ValueError, match="settings|imported frames"):
            ExtractSettings.from_record(broken)
