"""Printed numbers: rows that belong to systems, and what contradicts another number."""

import pytest

from training.commands.recipe_page import recipe_text
from training.papers.facts import all_facts

TABLES = {
    ("dtmv", "VI", "Brox flow (GPU)"): {
        ("make_flow", "ucf101", 16.7),
        ("make_flow", "hmdb51", 16.7),
        ("make_flow", "thumos14", 17.5),
    },
    ("dtmv", "VII", "Two-stream CNNs (GPU)"): {
        ("frame_flow", "ucf101", 88.0),
        ("frame_imagenet_flow", "ucf101", 88.0),
        ("frame_flow", "ucf101", 14.3),
    },
    ("dtmv", "VIII", "Two-stream CNNs (GPU)"): {
        ("frame_flow", "hmdb51", 59.4),
        ("frame_imagenet_flow", "hmdb51", 59.4),
        ("frame_flow", "hmdb51", 14.3),
    },
    ("htsc", "3", "HTS"): {
        ("hts", "ucf101", 90.3),
        ("hts", "hmdb51", 60.5),
        ("hts", "thumos14", 66.7),
    },
    ("htsc", "3", "EMV"): {("emv", "ucf101", 80.2), ("emv", "thumos14", 41.6)},
    ("htsc", "3", "Two-stream"): {
        ("frame_flow", "ucf101", 88.0),
        ("frame_flow", "hmdb51", 59.4),
        ("frame_flow", "thumos14", 66.1),
    },
    ("htsc", "5", "Two-stream"): {("frame_flow", "hmdb51", 99.7)},
}


@pytest.mark.parametrize("row", TABLES, ids=" ".join)
def test_rows_as_printed(row):
    found = {
        (fact.system, fact.dataset, fact.value)
        for fact in all_facts()
        if (fact.paper, fact.table, fact.row) == row
    }
    assert found == TABLES[row]


def test_two_numbers_of_one_system_in_htsc_name_each_other():
    """Tables 3 and 4 print 0.667 and 0.746 for HTS on THUMOS14."""
    (third, fourth) = (
        next(
            fact
            for fact in all_facts()
            if (fact.paper, fact.table, fact.system, fact.dataset)
            == ("htsc", table, "hts", "thumos14")
        )
        for table in "34"
    )
    assert (third.value, fourth.value) == (66.7, 74.6)
    assert third.note == "table 4 prints 74.6 for the same system"
    assert fourth.note == "table 3 prints 66.7 for the same system"
    page = recipe_text("hts")
    assert (
        "66.7 mAP, THUMOS14 split test: htsc table 3, HTS (table 4 prints 74.6" in page
    )


def test_a_number_of_weights_of_others_is_also_of_the_system_that_has_them():
    """And never of a system from Kinetics400 alone: ours from random weights stays."""
    of_row: dict[tuple[str, ...], set[str]] = {}
    for fact in all_facts():
        if fact.metric != "fps":
            key = (fact.paper, fact.table, fact.row, fact.dataset, fact.crops)
            of_row.setdefault(key, set()).add(fact.system)
    for (paper, *_), systems in of_row.items():
        if paper == "ds":
            assert len(systems) == 2
            assert {f"{name}_kinetics" for name in systems} & systems, systems
        if any(name.startswith("frame_imagenet") for name in systems):
            assert {"frame", *(f"frame_{x}" for x in ("flow", "mv", "emv", "dtmv"))} & (
                systems
            )
