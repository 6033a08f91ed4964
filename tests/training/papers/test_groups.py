"""Given classes -> the groups that the papers and the demo data set know of them."""

import numpy as np

from training.papers.groups import KINDS, Group, group_hits, groups_of, name_of_role


def test_every_class_of_ucf101_is_of_one_kind(clips_folder):
    lists = clips_folder / "splits" / "ucf101" / "ucfTrainTestlist" / "classInd.txt"
    official = [line.split()[1] for line in lists.read_text().splitlines() if line]
    ours = [name for members in KINDS.values() for name in members.split()]
    assert len(official) == 101
    assert sorted(ours) == sorted(official)
    counts = {kind: len(members.split()) for kind, members in KINDS.items()}
    assert counts == {
        "human-object": 20,
        "body motion": 16,
        "human-human": 5,
        "instruments": 10,
        "sports": 50,
    }


def test_all_classes_compete_for_a_video_of_a_kind():
    """Rows: Haircut called TaiChi, Haircut called right, TaiChi called right."""
    classes = ("TaiChi", "Haircut", "MilitaryParade")
    scores = np.array([[3.0, 2, 1], [1, 3, 2], [3, 1, 2]])
    labels = np.array([1, 1, 0])
    motion, human = groups_of("ucf101", classes)
    assert (motion.name, motion.sets) == ("body motion", (("TaiChi",),))
    assert human == Group(
        "human-human", (("Haircut", "MilitaryParade"),), 1 / 3, narrower=False
    )
    assert group_hits(scores, labels, classes, human).tolist() == [False, True]
    assert group_hits(scores, labels, classes, motion).tolist() == [True]
    alone = human._replace(narrower=True)
    assert group_hits(scores, labels, classes, alone).tolist() == [True, True]


def test_the_motion_classes_of_a_data_set_have_its_name():
    assert name_of_role("motion", ("all", "sports", "body motion")) == "body motion"
    assert name_of_role("motion", ("all", "motion", "pair")) == "motion"
    assert name_of_role("motion", ("all", "sports")) == "motion"
    assert name_of_role("all", ("all", "sports")) == "all"
