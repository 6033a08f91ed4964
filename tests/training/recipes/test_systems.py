"""Every system at every size: its parts fit each other, without any number computed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.commands.recipe_facts import inputs_at_test, net_of
from training.commands.recipe_page import recipe_text
from training.experiments.distill_recipe import DistillRecipe
from training.experiments.hidden import HiddenRecipe
from training.models.backbones import clip_shape
from training.models.motion_backbone import build_motion_backbone
from training.models.sizes import without_numbers
from training.papers.measured import all_measured
from training.recipes import KINDS, SIZES, SYSTEMS, get_recipe, recipe_names, system_at

REPORTS = Path(__file__).parents[3] / "docs" / "reproduction"
ALL = [get_recipe(name) for name in recipe_names()]


@pytest.mark.parametrize("size", sorted({one.size.name for one in ALL}))
def test_recipes_build_and_terms_find_their_taps(size):
    """Nets on the meta device take the recipe's clips, and terms compare equal shapes."""
    built = set()
    for one in ALL:
        if one.size.name != size:
            continue
        settings = one.settings
        assert one.system.kind in KINDS
        if isinstance(settings, DistillRecipe):
            settings.check_shapes()
            teacher = one.needs["teacher"].settings
            assert teacher.network == settings.teacher, one.name
            seen = settings.clip_of(settings.teacher)
            seen = replace(seen, cells=None)
            if isinstance(teacher, HiddenRecipe):  # frames: only the student's change
                seen = replace(seen, jitter=0.0)
            assert teacher.clip == seen, one.name
        net = net_of(settings)
        if net is None or (net, settings.clip.length) in built:
            continue
        built.add((net, settings.clip.length))
        length = settings.clip.length
        if isinstance(settings, HiddenRecipe):
            length -= 1
        model = without_numbers(net, 5)
        shape = clip_shape(net, length, settings.clip.size_of(net.sees))
        clip = torch.zeros(1, *shape, device="meta")
        assert model(clip).shape == (1, 5), one.name


def test_hidden_streams_go_from_frames_to_classes():
    for size in SIZES.values():
        settings = get_recipe("hidden_temporal" + size.suffix).settings
        assert isinstance(settings, HiddenRecipe)
        with torch.device("meta"):
            net = without_numbers(settings.classifier, 5)
            model = build_motion_backbone(settings.motion, net, settings.clip)
            clip = torch.zeros(1, 3, settings.clip.length, *settings.clip.crop_px)
            assert model.eval()(clip).shape == (1, 5)
        for hidden in ("hidden_temporal", "r3d_layer"):
            one = get_recipe(hidden + size.suffix)
            temporal = one.needs["temporal"].settings
            drawn = replace(temporal.model, weights=None, first_layer="response")
            assert drawn == one.settings.classifier
            for name in ("motion_gain", "crop_px", "grid_short_px", "crop_scales"):
                ours, theirs = one.settings.clip, temporal.clip
                assert getattr(ours, name) == getattr(theirs, name), (hidden, name)


def test_a_teacher_of_frames_changes_nothing_else_for_its_student():
    """Module M1 takes frames from 0 to 1, one more than there are fields."""
    for size in SIZES.values():
        usual = get_recipe("fts" + size.suffix).settings
        ours = get_recipe("fts_m1" + size.suffix).settings
        scaled = {"rgb_mean": (0.0, 0.0, 0.0), "rgb_std": (1.0, 1.0, 1.0)}
        clip = replace(usual.clip, length=usual.clip.length + 1, **scaled)
        assert ours.clip == clip, size.name
        for name in ("student", "terms", "optim", "epochs", "batch_size", "select"):
            assert getattr(ours, name) == getattr(usual, name), (size.name, name)


def test_systems_of_one_size_that_are_alike_are_alike():
    for name, system in SYSTEMS.items():
        for size, other in system.like.items():
            here = get_recipe(name + SIZES[size].suffix)
            assert here.system == system
            assert system_at(name, SIZES[size]).system.name == other
            assert here.settings == system_at(other, SIZES[size]).settings


def test_names_say_system_and_size():
    assert get_recipe("dtmv_fc7_small").name == "dtmv_fc7_small"
    assert get_recipe("dtmv").size.name == "paper"
    for one in ALL:
        assert get_recipe(one.name) == one


def test_the_papers_test_time_inputs():
    """The table of the five systems, last column."""
    assert inputs_at_test(get_recipe("fts")) == {"rgb": "24 entries of 112x112"}
    assert inputs_at_test(get_recipe("ds_flow")).keys() == {"rgb", "flow"}
    assert inputs_at_test(get_recipe("frame_dtmv")) == {
        "rgb": "one frame of 224x224",
        "mv": "10 entries of 224x224",
    }
    assert inputs_at_test(get_recipe("htsc")) == {
        "rgb": "one frame of 224x224 + 11 entries of 224x224"
    }
    assert get_recipe("dtmv").settings.modalities == ["mv", "flow"]
    assert get_recipe("dtmv").needs["teacher"].settings.modalities == ["flow"]
    assert get_recipe("motionnet").settings.modalities == ["rgb"]
    hidden = get_recipe("hidden_temporal")
    assert hidden.settings.modalities == ["rgb"]
    assert inputs_at_test(hidden) == {"rgb": "11 entries of 224x224"}


def test_a_recipe_has_a_network_where_its_kind_classifies():
    for one in ALL:
        kind = KINDS[one.system.kind]
        assert (net_of(one.settings) is not None) == kind.classifies, one.name
        assert not kind.default or kind.default in SYSTEMS


def test_measured_figures_are_those_of_the_report():
    """Of the demo data set; where ten crops were looked at, other tables show theirs."""
    report = (REPORTS / "report.md").read_text("utf-8")
    assert {"demo"} < {one.dataset for one in all_measured()}
    for one in all_measured():
        assert get_recipe(one.recipe).name == one.recipe
        told = f"{one.mean:.1f} [{one.low:.1f}, {one.high:.1f}]"
        assert told in report or one.dataset != "demo", one
        assert f"measured  {told} top-1" in recipe_text(one.recipe)


def test_a_page_never_calls_a_papers_number_measured():
    for name in (
        "dtmv_small",
        "ds",
        "htsc",
        "motionnet",
        "hidden_temporal_small",
        "demo",
    ):
        text = recipe_text(name)
        assert text.startswith(f"{name}: ")
        for line in text.splitlines():
            if " top-1, " in line or " mAP, " in line:
                told = "table" in line or "text" in line
                assert told or line.startswith("  measured ")
        if name not in ("motionnet", "demo"):
            assert "not measured here" in text
