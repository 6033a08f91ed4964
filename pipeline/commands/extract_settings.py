"""Options of `pipeline extract` -> the settings of an extraction."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pipeline.adapters.demo.dataset import DEMO_MV_CRF, DEMO_SHORT_SIDE
from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.extract.settings import STREAM, ExtractSettings
from pipeline.store.codec import Codec
from pipeline.store.codecs import FLOW_CODECS, RGB_CODECS
from pipeline.store.h264_rgb import H264Rgb


def usual_settings(dataset: str, store: Path) -> ExtractSettings:
    """The settings where no option says otherwise.

    The demo is small and very clean; a store that was begun keeps the size it stores.
    """
    settings = ExtractSettings()
    if dataset == "demo":
        settings = replace(settings, short_side=DEMO_SHORT_SIDE, mv_crf=DEMO_MV_CRF)
    try:
        begun = read_plan(store).settings
    except PlanError:
        return settings
    return replace(
        settings,
        short_side=begun.short_side,
        enlarge=begun.enlarge,
        square_pixels=begun.square_pixels,
    )


def chosen_settings(
    usual: ExtractSettings,
    *,
    modalities: tuple[str, ...],
    short_side: int | None,
    square_pixels: bool | None,
    fps: float | None,
    rgb_codec: str,
    flow_profile: str,
    flow_codec: str,
    mv_source: str | None,
    mv_crf: int | None,
    mv_preset: str | None,
) -> ExtractSettings:
    """The settings that the options choose; None leaves what is usual.

    Raises:
        UsageError: options that contradict each other.
    """
    if short_side is not None:
        usual = replace(usual, short_side=short_side, enlarge=True)
    try:
        return ExtractSettings(
            modalities=modalities,
            short_side=usual.short_side,
            enlarge=usual.enlarge,
            square_pixels=usual.square_pixels
            if square_pixels is None
            else square_pixels,
            frames_per_second=fps,
            flow_profile=flow_profile,
            rgb_codec=RGB_CODECS[rgb_codec],
            flow_codec=FLOW_CODECS[flow_codec],
            **vector_settings(
                usual, RGB_CODECS[rgb_codec], mv_source, mv_crf, mv_preset
            ),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def vector_settings(
    usual: ExtractSettings,
    rgb_codec: Codec,
    source: str | None,
    crf: int | None,
    preset: str | None,
) -> dict[str, Any]:
    """Settings of the vectors; those of the stored packets where nothing says otherwise."""
    from pipeline.extract.settings import ExtractSettings
    from pipeline.store.codecs import RGB_CODECS

    given = crf is not None or preset is not None
    if source is None:
        own = given or usual.mv_crf != ExtractSettings().mv_crf  # as the demo has
        packets = isinstance(rgb_codec, H264Rgb) and not own
        source = "stored" if packets else "canonical"
    if source == "stored":
        if given:
            raise ValueError(
                "vector source: expected canonical with --mv-crf or --mv-preset, got "
                "stored, whose encoding is that of rgb"
            )
        stream = RGB_CODECS["h264"].to_dict()
        return {"mv_source": source} | {f"mv_{name}": stream[name] for name in STREAM}
    return {
        "mv_source": source,
        "mv_crf": usual.mv_crf if crf is None else crf,
        "mv_preset": usual.mv_preset if preset is None else preset,
    }
