"""Citations of model cards, against the file that cites the papers."""

import re
from pathlib import Path

import yaml

from training.papers.citations import CITATIONS

ROOT = Path(__file__).parents[3]


def test_each_citation_is_a_paper_of_the_citation_file():
    papers = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["references"]
    for name, text in CITATIONS.items():
        (paper,) = (one for one in papers if one["title"].lower() in text.lower())
        assert re.search(rf"the recipe {name}\)", paper["notes"])
        assert str(paper["year"]) in text
        assert paper.get("doi", "") in text
        names = [
            "".join(f"{part[0]}. " for part in one["given-names"].split())
            + one["family-names"]
            for one in paper["authors"]
        ]
        assert text.startswith(f"{', '.join(names)}: ")
