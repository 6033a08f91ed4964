"""Settings as JSON, and their differences."""

import json
from dataclasses import dataclass

from training.losses.terms import MultiLevelMAE
from training.run_files.settings_json import as_json, differences


def test_settings_become_json_with_their_names():
    @dataclass(frozen=True)
    class Recipe:
        terms: dict
        sizes: tuple

    value = as_json(Recipe({"match": MultiLevelMAE(weight=2.0, taps=("fc6",))}, (1, 2)))
    assert value == {
        "is": "Recipe",
        "terms": {
            "match": {
                "is": "MultiLevelMAE",
                "weight": 2.0,
                "taps": ["fc6"],
                "adapter": None,
            }
        },
        "sizes": [1, 2],
    }
    assert json.loads(json.dumps(value)) == value


def test_differences_are_named_by_place():
    first = {"a": {"b": 1, "c": [1, 2]}, "d": 0}
    second = {"a": {"b": 2, "c": [1, 2]}, "e": 0}
    assert differences(first, second) == ["a.b: 1, 2", "d: 0, absent", "e: absent, 0"]
    assert not differences(first, first)
