"""Ids of videos as paths and back, and flow as levels and back."""

from urllib.parse import unquote

import numpy as np
import pytest

from pipeline.exchange.levels import Levels
from pipeline.exchange.names import PART_BYTES, folders_of, path_of

IDS = [
    "run/v_x",
    "#20_Rhythm_clap_u_nm_np1_fr_goo_0",
    "AMADEUS_(a&b)!;'=~_0",
    "日本/ä b",
    "a\n/b\x1b[2J",
    "..",
    "../../etc/passwd",
    "a/./b",
    ".hidden/%41",
    'a\\b:c*?"<>|',
    "\u202eabc/\udcff",
    "__key__/x",
    "a//b",
]


def id_of(path: str) -> str:
    """The id that became a path, but for parts that were cut."""
    return unquote(path, errors="surrogateescape").strip("/")


@pytest.mark.parametrize("video_id", IDS)
@pytest.mark.parametrize("dots", (True, False))
def test_an_id_is_told_from_its_path(video_id: str, dots: bool) -> None:
    path = path_of(video_id, dots=dots)
    assert path.split() == [path] and path.isprintable()
    parts = path.split("/")
    assert all(parts) and not any(part.startswith((".", "__key__")) for part in parts)
    assert dots or "." not in path
    assert not set(path) & set('\\"*?<>|:')
    assert id_of(path) == video_id.replace("//", "/ /")


@pytest.mark.parametrize("video_id", IDS[:3])
def test_names_of_the_data_sets_do_not_change(video_id: str) -> None:
    assert path_of(video_id) == video_id


def test_long_names_are_cut_and_stay_apart() -> None:
    one, two = ("ä" * 300 + end for end in "xy")
    paths = [path_of(name) for name in (one, two)]
    assert paths[0] != paths[1]
    assert all(len(path.encode()) <= PART_BYTES for path in paths)


def test_no_folder_lies_in_another_ones() -> None:
    folders = folders_of(["a", "a/b", "a/b/c", "ab"])
    assert folders == {"a": "a%2F", "a/b": "a/b%2F", "a/b/c": "a/b/c", "ab": "ab"}
    assert [id_of(path) for path in folders.values()] == list(folders)


def test_levels_are_those_of_dense_flow() -> None:
    levels = Levels(bound_px=20.0)
    values = np.array([-25, -20, -0.1, 0, 0.1, 10, 20, 25], np.float32)
    expected = [0, 0, 127, 128, 128, 191, 255, 255]
    assert levels.levels(values).tolist() == expected
    read = levels.values(np.array([0, 127, 128, 255], np.uint8))
    np.testing.assert_allclose(read, [-20, -20 / 255, 20 / 255, 20], atol=1e-5)
    assert levels.levels(np.array([7.5, -15], np.float32)).tolist() == [175, 32]
    assert Levels(bound_px=15).levels(np.array([7.5], np.float32)).tolist() == [191]


def test_levels_of_mars_are_cut() -> None:
    levels = Levels(bound_px=20.0, floor=True)
    values = np.array([-20, 0, 10, 19.99, 20], np.float32)
    assert levels.levels(values).tolist() == [0, 127, 191, 254, 255]
    assert levels.values(np.array([127], np.uint8)) == [0]


@pytest.mark.parametrize("floor", (False, True))
@pytest.mark.parametrize("bound_px", (5.0, 20.0))
def test_errors_of_levels_are_within_what_is_said(floor: bool, bound_px: float) -> None:
    levels = Levels(bound_px=bound_px, floor=floor)
    values = np.linspace(-bound_px, bound_px, 9_999, dtype=np.float32)
    errors = np.abs(levels.values(levels.levels(values)) - values)
    assert 0.95 * levels.max_error_px < errors.max() <= levels.max_error_px * 1.001
