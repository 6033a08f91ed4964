"""The overlay of an annotated frame: pixels change where something is drawn only."""

import numpy as np
import pytest
from written_videos import flat

from training.recognition.answers import Ranked
from training.recognition.outputs.drawing import BEST_BAR, Overlay

BEST = (Ranked("walk", 0.5), Ranked("run", 0.25))


def changed(rgb: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(H, W) bool."""
    return (rgb != drawn).any(axis=-1)


def test_label_and_bars_change_their_boxes_and_nothing_else() -> None:
    (rgb,) = flat(1)
    drawn = Overlay(height=240, width=320).draw(rgb.copy(), BEST)
    where = changed(rgb, drawn)
    # text of 17 px: rows of 26 px, a label of 34, and bars of 12 letters or half the width
    assert where[:34].mean() > 0.99
    assert where[240 - 2 * 26 :, :204].mean() > 0.99
    assert not where[34 : 240 - 2 * 26].any()
    assert not where[34:, 204:].any()


def test_bars_are_as_long_as_their_scores() -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    drawn = Overlay(height=240, width=320).draw(black, BEST)
    line = drawn[240 - 2 * 26 + 1]  # above the letters of the first bar
    assert (line == BEST_BAR).all(axis=-1).sum() == 102  # half of 204
    assert (line[:102] == BEST_BAR).all()
    second = drawn[240 - 26 + 1].any(axis=-1)
    assert second.sum() == 51
    odd = (Ranked("a", float("nan")), Ranked("b", 7.0))
    drawn = Overlay(height=240, width=320).draw(np.zeros_like(black), odd)
    assert drawn[240 - 2 * 26 + 1].any(axis=-1).sum() == 0
    assert drawn[240 - 26 + 1].any(axis=-1).sum() == 204


@pytest.mark.parametrize(
    ("vector", "colour", "tip"),
    [
        ((4.0, 0.0), (255, 0, 0), "right"),
        ((-4.0, 0.0), (0, 209, 255), "left"),
        ((0.0, 4.0), (255, 255, 0), "below"),
    ],
)
def test_an_arrow_points_where_the_content_went(
    vector: tuple[float, float], colour: tuple[int, int, int], tip: str
) -> None:
    """The head of an arrow is wider than its tail."""
    rgb = np.full((240, 320, 3), 128, np.uint8)
    vectors = np.zeros((30, 40, 2), np.float32)
    vectors[12:14, 20:22] = vector  # cells of 8 px: the square of 16 px at (96, 160)
    drawn = Overlay(height=240, width=320).draw(rgb.copy(), (), vectors)
    where = changed(rgb, drawn)
    rows, columns = np.nonzero(where)
    assert abs(rows.mean() - 104) < 4
    assert abs(columns.mean() - 168) < 4
    assert np.ptp(rows) < 24
    assert np.ptp(columns) < 24
    halves = {
        "right": where[:, 168:].sum() - where[:, :168].sum(),
        "below": where[104:].sum() - where[:104].sum(),
    }
    halves["left"] = -halves["right"]
    assert halves[tip] > 10
    nearest = np.abs(drawn.astype(int) - colour).sum(axis=-1).min()
    assert nearest < 30


def test_vectors_of_stillness_and_of_tiny_videos_draw_nothing() -> None:
    rgb = np.full((240, 320, 3), 128, np.uint8)
    still = np.full((30, 40, 2), 0.25, np.float32)
    drawn = Overlay(height=240, width=320).draw(rgb.copy(), (), still)
    assert (drawn == rgb).all()
    tiny = Overlay(height=16, width=24)
    drawn = tiny.draw(np.zeros((16, 24, 3), np.uint8), BEST, np.zeros((2, 3, 2)))
    assert drawn.shape == (240, 360, 3)


def test_a_long_name_is_cut_and_every_script_has_letters() -> None:
    def written(name: str) -> np.ndarray:
        black = np.zeros((240, 320, 3), np.uint8)
        return Overlay(height=240, width=320).draw(black, (Ranked(name, 0.0),))

    long = written("handstand " * 40)
    assert long[:34, :308].any()
    assert not long[:34, 316:].any()
    assert (written("篮球") != written("??")).any()
    assert (written("a\x1b[2Jb") == written("a\\x1b[2Jb")).all()


def test_very_wide_frames_are_no_larger_than_an_encoder_takes():
    overlay = Overlay(height=16, width=4_000)
    assert (overlay.times, overlay.height, overlay.width) == (4, 64, 16_000)
    assert Overlay(height=64, width=96).times == 4
