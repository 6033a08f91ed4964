"""Clips that are normalised on the device, against those of the host."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_store import videos, write_store
from small_clips import CONFIG, clips_of
from torch.utils.data import DataLoader, default_collate

from pipeline.store import Store
from pipeline.store.errors import RangeError
from training.data.dataset import Draw, StatedClips
from training.data.order import ClipPosition
from training.data.packed import Packed, collated, memory_of, unpacked
from training.data.packed_clip import axes_of, sums_of
from training.data.packing import packing_of
from training.data.transforms import View, painted, resized
from training.data.variants import Variant
from training.data.workers import single_threaded

CPU = torch.device("cpu")
MODALITIES = ["rgb", "flow", "mv"]
TOLERANCE_PX = 1e-5
PLACES = [ClipPosition(e, p, (5 * p) % 12) for e in (0, 1) for p in range(6)]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("packed") / "store"
    return Store(write_store(folder, videos(), mirror_safe=True))


SCALED = replace(CONFIG, grid_short_px=None, crop_px=(20, 24), crop_scales=(1.0, 0.5))
CONFIGS = {
    "reduced": replace(CONFIG, jitter=0.4),
    "cut": replace(CONFIG, grid_short_px=None, rgb_order="bgr"),
    "scaled": replace(SCALED, speed_jitter=0.5, stride=2),
    "enlarged": replace(
        SCALED, crop_px=(40, 56), crop_scales=(0.5,), test_crop="input"
    ),
    "both": replace(
        SCALED, grid_short_px=36, uneven_crops=True, jitter_rescale=True, length=9
    ),
    "bounded": replace(CONFIG, motion_gain=127.5, fill="zero", short="hold", length=9),
}


def compare(host: dict, device: dict, gain: float, exact: tuple[str, ...]) -> None:
    device = unpacked(device, CPU)
    assert host.keys() == device.keys()
    for name, value in host.items():
        assert device[name].dtype == value.dtype and device[name].shape == value.shape
        tolerance = 0.0 if name in exact else TOLERANCE_PX * gain / 20
        torch.testing.assert_close(device[name], value, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", CONFIGS)
def test_device_and_host_give_the_same_clips(mirrored, name):
    """Frames to the bit, also motion that is only cut."""
    config = CONFIGS[name]
    exact = ("rgb", "label", "index", *(MODALITIES if name == "cut" else ()))
    host = clips_of(mirrored, MODALITIES, config, seed=3)
    batch = default_collate([host[at] for at in PLACES])
    flips = {host.draw(v, np.random.default_rng(k)).view.flip
             for k, v in enumerate(host.videos)}  # fmt: skip
    assert flips == {True, False}
    for memory in (0, 1 << 30):
        kept = clips_of(mirrored, MODALITIES, config, seed=3, memory_bytes=memory)
        packed = packing_of(kept)
        for _ in range(1 + bool(memory)):  # read, and found in memory
            found = collated([packed[at] for at in PLACES])
            compare(batch, found, config.motion_gain, exact)
    assert all(memory_of(found[m]) < memory_of(batch[m]) for m in ("rgb", "mv"))
    for crops in (1, 3):
        wanted = [(3, 0), (0, 2), (5, 1)]
        stated = StatedClips(host, wanted, crops=crops)
        seen = default_collate([stated[i] for i in range(3)])
        assert seen["rgb"].shape[:2] == (3, crops)
        stated = StatedClips(packed, wanted, crops=crops)
        found = collated([stated[i] for i in range(3)])
        compare(seen, found, config.motion_gain, exact)


def test_cells_and_variants_are_the_same_too(mirrored, tmp_path):
    other = Store(write_store(tmp_path / "other", videos(), mv_shift=2.0))
    for cells in (None, (5, 6)):
        config = replace(CONFIG, cells=cells)
        frames = clips_of(other, ["mv"], config).frames
        ids = frozenset(video.id for video in other.videos())
        variants = (Variant("other", frames, ids),)
        host = clips_of(mirrored, ["rgb", "mv"], config, variants=variants, varied="mv")
        assert {host.draw(host.videos[0], np.random.default_rng(k)).variant
                for k in range(9)} == {0, 1}  # fmt: skip
        batch = default_collate([host[at] for at in PLACES])
        packed = packing_of(host)
        compare(batch, collated([packed[at] for at in PLACES]), 20.0, ("rgb", "label"))


def test_workers_send_the_same(mirrored):
    packed = packing_of(clips_of(mirrored, MODALITIES))
    loader = DataLoader(
        packed,
        batch_size=6,
        sampler=PLACES,
        collate_fn=collated,
        num_workers=1,
        worker_init_fn=single_threaded,
    )
    for number, batch in enumerate(loader):
        assert isinstance(batch["rgb"], Packed) and len(batch["rgb"]) == 6
        places = PLACES[6 * number : 6 * number + 6]
        expected = unpacked(collated([packed[at] for at in places]), CPU)
        found = unpacked(batch, CPU)
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_only_what_a_view_needs_is_sent(mirrored):
    """28x24 px from (5, 9) on, in cells of 8 px: rows 0 to 4, columns 1 to 4."""
    packed = packing_of(clips_of(mirrored, MODALITIES, SCALED))
    clip = packed.clip(packed.videos[0], Draw(1, View(5, 9, 28, 24)))
    assert clip["flow"].levels.shape == (4, 2, 28, 24)
    assert clip["mv"].levels.shape == (4, 2, 5, 4)
    assert clip["rgb"].frames.shape == (4, 20, 24, 3)
    assert clip["flow"].levels.dtype == np.uint8
    assert clip["mv"].levels.dtype == np.int16


def test_sums_of_cells_are_painting_and_reducing():
    rng = np.random.default_rng(0)
    cells = rng.normal(0, 9, (1, 6, 8, 2)).astype(np.float32)
    view = View(3, 4, 15, 20)
    rows, columns = sums_of(axes_of(view, (48, 63), (24, 31), (10, 13)), cell_px=8)
    whole = resized(painted(cells, 48, 63), (24, 31))
    expected = resized(view.box.of(whole), (10, 13))[0, ..., 0]
    part = cells[0, rows.first : rows.stop, columns.first : columns.stop, 0]
    found = rows.weights @ part @ columns.weights
    np.testing.assert_allclose(found, expected, atol=TOLERANCE_PX)


def test_levels_are_what_is_stored(mirrored):
    video = mirrored.videos()[1].id
    for modality, crop in (("flow", (3, 5, 20, 17)), ("mv", (1, 2, 3, 4))):
        expected = mirrored.read(video, modality, start=1, stop=6, step=2, crop=crop)
        values, px = mirrored.read_levels(
            video, modality, start=1, stop=6, step=2, crop=crop
        )
        found = px[values] if modality == "flow" else px * values
        np.testing.assert_array_equal(np.moveaxis(found, 1, -1), expected)
    with pytest.raises(RangeError, match="expected flow or mv, got rgb"):
        mirrored.read_levels(video, "rgb")
