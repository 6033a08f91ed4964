"""Settings with several values, by hand."""

import pytest

from training.errors import RecipeError
from training.recipes import get_recipe
from training.recipes.combinations import combinations, points_of, values_of


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,3", ("1", "2", "3")),
        ("adamw", ("adamw",)),
        ("(112,112),(96,96)", ("112,112", "96,96")),
        ("[112,112]", ("112,112",)),
        ("112, 96", ("112", "96")),
        ("f(1,2),g", ("f(1,2)", "g")),
    ],
)
def test_values_are_between_commas_outside_of_brackets(text, values):
    assert values_of(text) == values


def test_every_combination_the_last_setting_fastest():
    assert combinations(["epochs=1,2", "teacher:batch_size=4,8"]) == [
        ("epochs=1", "teacher:batch_size=4"),
        ("epochs=1", "teacher:batch_size=8"),
        ("epochs=2", "teacher:batch_size=4"),
        ("epochs=2", "teacher:batch_size=8"),
    ]


def test_points_are_recipes_with_changes():
    tiny = get_recipe("tiny")
    points = points_of(tiny, ["epochs=5,7", "clip.crop_px=(16,20),(20,24)"])
    assert list(points.values()) == [
        ("epochs=5", "clip.crop_px=16,20"),
        ("epochs=5", "clip.crop_px=20,24"),
        ("epochs=7", "clip.crop_px=16,20"),
        ("epochs=7", "clip.crop_px=20,24"),
    ]
    assert len(points) == 4 and all(name.startswith("tiny+") for name in points)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["epochs=1,,2"], "epochs=1,,2: expected values with commas between, got an"),
        (["epochs="], "got an empty one"),
        (["epochs=1,2", "epochs=3"], "expected each setting once"),
        (["epochs=3,3"], "expected different settings, but epochs=3 and epochs=3 are"),
        (["optim.learning_rate=0.01,1e-2"], "are the same"),
        (["epohcs=1,2"], "did you mean epochs"),
        (["epochs=1,x"], "expected a whole number, got 'x'"),
    ],
)
def test_what_cannot_be_combined_is_one_line(texts, message):
    with pytest.raises(RecipeError, match=message) as raised:
        points_of(get_recipe("tiny"), texts)
    assert "\n" not in str(raised.value)
