"""Codings of files we made, and whether they give the class away."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import PictureType
from encoded import LAST_FRAME_ONLY, encode, rgb_frames
from moving import write_video

from pipeline.adapters import load
from pipeline.adapters.videos import DataSet, Video
from pipeline.extract.signature import Signature, signature
from pipeline.inspection.audit import audit, guess_classes
from pipeline.inspection.sample import spread

XVID = Signature("mpeg4", "Simple Profile", "12", "no", "16x16")
DIVX = Signature("mpeg4", "Advanced Simple Profile", "long", "yes", "8x8 16x16")


def video(number: int, *, label: int, group: str) -> Video:
    name = f"{label}/{number:03d}"
    return Video(
        id=name, path=name + ".mp4", size_bytes=1, labels=(label,), group=group
    )


def looked(codings: dict[int, Signature], *, groups: int = 8, each: int = 3):
    """Videos of every class and group, all of a class coded alike."""
    return [
        (video(number, label=label, group=f"g{group}"), coding)
        for label, coding in codings.items()
        for group in range(groups)
        for number in range(group * each, group * each + each)
    ]


def test_signature_says_how_a_file_was_coded(moving_video: Path) -> None:
    found = signature(moving_video)
    assert (found.codec, found.profile) == ("h264", "High")
    assert (found.gop, found.b_frames) == ("long", "no")
    assert "16x16" in found.blocks.split()


def test_signature_sees_key_frames_and_b_frames(moving_frames, tmp_path) -> None:
    keyed = write_video(tmp_path / "keyed.mp4", moving_frames, g=4)
    assert signature(keyed).gop == "4"
    bent = write_video(tmp_path / "bent.mp4", moving_frames, bf=2, b_adapt=0)
    assert signature(bent).b_frames == "yes"
    intra = write_video(tmp_path / "intra.mp4", moving_frames, g=1)
    assert signature(intra).gop == "1"
    assert signature(intra).blocks == ""


@pytest.mark.parametrize(
    ("intra", "gop"),
    [((0,), "long"), ((0, 5), "5"), ((0, 3, 10), "7"), ((0, 7, 10), "7")],
)
def test_the_group_of_pictures_is_the_greatest_distance_of_key_frames(
    intra, gop, moving_frames, tmp_path
) -> None:
    """An encoder also puts a key frame where the scene changes: sooner, never later."""
    frames = rgb_frames(moving_frames)
    for number in intra:
        frames[number].pict_type = PictureType.I
    keyed = encode(tmp_path / "keyed.mp4", frames, options=LAST_FRAME_ONLY)
    assert signature(keyed).gop == gop


def test_codings_that_follow_the_class_are_found_out() -> None:
    guess = guess_classes(looked({0: XVID, 1: DIVX}))
    assert guess is not None
    assert (guess.videos, guess.groups) == (48, 8)
    assert (guess.accuracy, guess.chance) == (1.0, 0.5)
    assert guess.leaks


def test_two_families_over_four_classes_are_half_a_leak() -> None:
    guess = guess_classes(looked({0: XVID, 1: XVID, 2: DIVX, 3: DIVX}))
    assert guess is not None
    assert guess.accuracy == pytest.approx(0.5)
    assert guess.leaks


def test_one_coding_for_all_gives_nothing_away() -> None:
    guess = guess_classes(looked({0: XVID, 1: XVID, 2: XVID}))
    assert guess is not None
    assert guess.accuracy == guess.chance == pytest.approx(1 / 3)
    assert not guess.leaks


def test_codings_drawn_by_chance_give_nothing_away() -> None:
    rng = np.random.default_rng(0)
    leaks = 0
    for _ in range(20):
        drawn = [
            (each, (XVID, DIVX)[rng.integers(2)])
            for each, _ in looked({0: XVID, 1: XVID}, groups=12)
        ]
        guess = guess_classes(drawn)
        assert guess is not None
        leaks += guess.leaks
    assert leaks <= 2


def test_a_coding_seen_in_one_group_only_does_not_help() -> None:
    """What a class shares with itself alone within a group is the group's, not the class's."""
    own = [
        (each, XVID._replace(gop=f"{each.labels[0]} {each.group}"))
        for each, _ in looked({0: XVID, 1: XVID})
    ]
    guess = guess_classes(own)
    assert guess is not None
    assert not guess.leaks


def test_one_class_or_one_group_cannot_be_tested() -> None:
    assert guess_classes(looked({0: XVID})) is None
    assert guess_classes(looked({0: XVID, 1: DIVX}, groups=1)) is None


def test_the_standard_error_is_that_of_the_lead_over_the_frequent_class() -> None:
    """Two groups, all guessed right: they lead by their 1 and 3 videos of the other class.

    The mean lead is 2, the squares of the differences sum up to 2, of 9 videos:
    sqrt(2 * 2 / 1) / 9.
    """
    counts = {("a", 0): 3, ("a", 1): 1, ("b", 0): 2, ("b", 1): 3}
    guess = guess_classes(
        [
            (video(number, label=label, group=group), (XVID, DIVX)[label])
            for (group, label), count in counts.items()
            for number in range(count)
        ]
    )
    assert guess is not None
    assert (guess.accuracy, guess.chance) == (1.0, 5 / 9)
    assert guess.standard_error == pytest.approx(2 / 9)


def test_guessing_the_frequent_class_everywhere_leads_nowhere() -> None:
    """Groups of different sizes do not make that uncertain."""
    counts = {("a", 0): 3, ("a", 1): 1, ("b", 0): 2, ("c", 0): 9, ("c", 1): 2}
    guess = guess_classes(
        [
            (video(number, label=label, group=group), XVID)
            for (group, label), count in counts.items()
            for number in range(count)
        ]
    )
    assert guess is not None
    assert guess.accuracy == guess.chance and guess.standard_error == 0
    assert not guess.leaks


@pytest.mark.parametrize(
    ("sample", "each"), [(1, 1), (3, 1), (4, 2), (10, 4), (60, 20), (90, 30)]
)
def test_a_sample_has_as_many_of_every_class_and_at_least_one(sample, each) -> None:
    videos = [each for each, _ in looked(dict.fromkeys(range(3), XVID), groups=10)]
    chosen = spread(videos, sample)
    assert Counter(one.labels[0] for one in chosen) == dict.fromkeys(range(3), each)


def test_sample_is_spread_over_classes_and_groups() -> None:
    videos = [each for each, _ in looked({0: XVID, 1: XVID}, groups=10)]
    assert spread(videos, None) == videos
    chosen = spread(videos, 10)
    assert [each.labels[0] for each in chosen] == [0] * 5 + [1] * 5
    assert len({each.group for each in chosen[:5]}) == 5


def test_audit_of_a_folder_has_table_warning_and_bad_files(
    moving_frames, tmp_path
) -> None:
    videos = []
    for label, keyint in ((0, 3), (1, 100)):
        (tmp_path / str(label)).mkdir()
        for number in range(6):
            each = video(number, label=label, group=f"g{number}")
            write_video(tmp_path / each.path, moving_frames[:8], g=keyint)
            videos.append(each)
    (tmp_path / "1" / "099.mp4").write_text("not a video")
    videos.append(video(99, label=1, group="g9"))
    dataset = DataSet(
        name="folder",
        folder=tmp_path,
        classes=("jump", "run"),
        videos=tuple(videos),
        splits={},
    )
    told = []
    result = audit(dataset, on_progress=lambda *counts: told.append(counts))
    assert told[-1] == (13, 13)
    assert [coding.gop for coding in result.table["jump"]] == ["3"]
    assert result.table["run"].total() == 6
    assert list(result.bad) == ["1/099.mp4"]
    assert result.warning
    text = result.text()
    assert "warning: the encoding predicts the class" in text
    assert "could not be inspected: 1/099" in text
    assert result.to_dict()["classes"]["jump"][0]["videos"] == 6
    assert result.to_dict()["guess"]["leaks"] is True


@pytest.mark.clips
def test_encoders_of_ucf101_lie_along_its_classes(clips_folder: Path) -> None:
    folder = clips_folder / "ucf101"
    result = audit(load("ucf101", videos=folder, splits=folder))
    assert not result.bad
    assert {c.gop for c in result.table["YoYo"]} == {"12"}
    assert {c.blocks for c in result.table["Archery"]} == {"8x8 16x16"}
    assert result.warning


@pytest.mark.clips
def test_clips_coded_by_one_encoder_do_not_tell_their_class(clips_folder: Path) -> None:
    folder = clips_folder / "ucf101_h264"
    result = audit(load("ucf101", videos=folder, splits=folder), sample=140)
    assert result.guess is not None
    assert result.guess.videos == 140
    assert result.warning is None
