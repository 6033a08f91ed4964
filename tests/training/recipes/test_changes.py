"""Recipes with settings from outside: paths, types, what follows, and the mark of a name."""

from dataclasses import dataclass, field, fields, replace

import pytest

from training.data.clip_config import ClipConfig
from training.engine.optim import OptimConfig
from training.errors import NoSuchPath, RecipeError
from training.losses.attention import AttentionTransfer
from training.losses.kinds import TERMS
from training.losses.terms import SoftTargets, Term
from training.recipes import baseline_of, get_recipe, to_distill, to_teach
from training.recipes.change import mark, parse_changes
from training.recipes.changes import check_used, for_every, with_changes
from training.recipes.paths import differing, has_path, with_values
from training.recipes.values import entries, value_of

DTMV = get_recipe("dtmv_small")


def changed(name: str, *texts: str):
    return with_changes(get_recipe(name), parse_changes(texts))


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "40", 40),
        (float, "3e-4", 0.0003),
        (float, "2/3", 2 / 3),
        (bool, "off", False),
        (bool, "True", True),
        (str, "avgpool", "avgpool"),
        (float | None, "none", None),
        (int | None, "5", 5),
        (tuple[int, int], "112,112", (112, 112)),
        (tuple[int, int], "[112, 112]", (112, 112)),
        (tuple[float, ...], "1/3,7/9", (1 / 3, 7 / 9)),
        (tuple[float, ...], "", ()),
        (tuple[str, ...], "layer3,layer4", ("layer3", "layer4")),
        (tuple[float, float] | None, "0.9,0.8", (0.9, 0.8)),
        (Term, "AttentionTransfer", AttentionTransfer()),
        (Term, "softtargets", SoftTargets()),
    ],
)
def test_text_is_read_by_its_type(hint, text, value):
    found = value_of(hint, text, path="x")
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (int, "3.5", "x: expected a whole number, got '3.5'"),
        (float, "fast", "x: expected a number, got 'fast'"),
        (float, "inf", "x: expected a number, got 'inf'"),
        (float, "1/0", "x: expected a number, got '1/0'"),
        (bool, "maybe", "x: expected true or false, got 'maybe'"),
        (float | None, "nothing", "x: expected a number or none, got 'nothing'"),
        (tuple[int, int], "112", "x: expected 2 whole numbers with commas between"),
        (tuple[int, int], "1,2,3", "x: expected 2 whole numbers with commas between"),
        (Term, "SoftTarget", "did you mean SoftTargets"),
    ],
)
def test_text_of_another_type_is_one_line(hint, text, message):
    with pytest.raises(RecipeError) as told:
        value_of(hint, text, path="x")
    assert message in str(told.value) and "\n" not in str(told.value)


def test_any_field_is_set_by_its_path():
    found = changed(
        "dtmv_small",
        "epochs=40",
        "optim.learning_rate=3e-4",
        "optim.rates.conv1.=0",
        "clip.crop_px=48,64",
        "student.dropout=0.5,0.4",
        "terms.soft.temperature=4",
        "terms.map=AttentionTransfer",
        "terms.map.taps=conv3,conv4",
        "balance.deep=0.25",
    ).settings
    usual = DTMV.settings
    assert found == replace(
        usual,
        epochs=40,
        optim=replace(usual.optim, learning_rate=3e-4, rates={"conv1.": 0.0}),
        clip=replace(usual.clip, crop_px=(48, 64)),
        student=replace(usual.student, dropout=(0.5, 0.4)),
        balance={"deep": 0.25},
        terms={
            "soft": replace(usual.terms["soft"], temperature=4.0),
            "deep": usual.terms["deep"],
            "map": AttentionTransfer(taps=("conv3", "conv4")),
        },
    )
    assert get_recipe("dtmv_small") == DTMV


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("epoch=1",), "dtmv_small: no setting epoch: did you mean epochs?"),
        (("learning_rate=1",), "did you mean optim.learning_rate?"),
        (("optim.learnin_rate=1",), "did you mean optim.learning_rate"),
        (("terms.sof.weight=1",), "did you mean terms.soft.weight"),
        (("terms.new.weight=off",), "did you mean terms.deep.weight"),
        (("epochs.first=1",), "no setting epochs.first"),
        (("epochs=many",), "dtmv_small: epochs: expected a whole number, got 'many'"),
        (("epochs=0",), "dtmv_small: expected at least 1 epoch"),
        (("optim=fast",), "expected optim.FIELD=VALUE with a field among name,"),
        (("optim.name=adamw2",), "did you mean adamw"),
        (("optim.learning_rate=-1",), "expected no negative learning_rate"),
        (("optim.gradient_clip=-1",), "expected a gradient_clip above 0, or none"),
        (("clip.stride=0",), "expected length, stride, grid_short_px and crop_px of 1"),
        (("clip.motion_gain=0",), "expected rgb_std and motion_gain above 0"),
        (("clip.crop_scales=1.5",), "expected crop_scales above 0 and up to 1"),
        (("student.net=clarifay",), "did you mean clarifai"),
        (("terms.soft.temperature=-1",), "expected a temperature above 0"),
        (("terms.deep.taps=conv9",), "expected taps of student clarifai_tiny among"),
        (("teach:epochs=1",), "(teacher), got teach: did you mean teacher?"),
        (("teacher:epochs=0",), "flow2d_small: expected at least 1 epoch"),
        (("teacher:teacher:epochs=1",), "expected one that flow2d_small needs (none)"),
        (("epochs",), "expected PATH=VALUE, as epochs=40 or teacher:epochs=40"),
        (("epochs=1", "epochs=2"), "expected each setting once, got epochs=1 and"),
        (("teacher:clip.motion_gain=3",), "expected teacher (flow2d_small"),
    ],
)
def test_what_cannot_be_set_is_one_line(texts, message):
    with pytest.raises(RecipeError) as told:
        changed("dtmv_small", *texts)
    assert message in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (OptimConfig, "momentum", 1.0),
        (OptimConfig, "dampening", -0.1),
        (OptimConfig, "weight_decay", -1.0),
        (OptimConfig, "warm_up", 1.0),
        (OptimConfig, "drop", 0.0),
        (OptimConfig, "patience", -1),
        (OptimConfig, "rates", {"fc": -1.0}),
        (ClipConfig, "length", 0),
        (ClipConfig, "crop_px", (0, 5)),
        (ClipConfig, "grid_short_px", -1),
        (ClipConfig, "rgb_std", (0.0, 1.0, 1.0)),
        (ClipConfig, "jitter", 1.0),
    ],
)
def test_values_that_would_fail_later_are_refused(kind, field, value):
    with pytest.raises(RecipeError, match=field):
        kind(**{field: value})


def test_student_and_teacher_agree_on_motion_and_network():
    found = changed(
        "dtmv_small", "clip.crop_px=48,64", "clip.jitter=0.1", "teacher.net=clarifai"
    )
    teacher = found.needs["teacher"]
    assert teacher.settings.clip.crop_px == (48, 64)
    assert teacher.settings.clip.jitter == DTMV.settings.clip.jitter
    assert teacher.settings.model == found.settings.teacher
    there = changed("dtmv_small", "teacher:model.net=clarifai", "terms.deep=off")
    assert there.settings.teacher.net == "clarifai"
    hidden = changed("hidden_temporal_small", "classifier.net=vgg_narrow")
    assert hidden.needs["temporal"].settings.model == hidden.settings.classifier


def test_a_teacher_that_finds_its_motion_is_linked_too():
    found = changed("fts_m1_small", "teacher.net=r3d_narrow", "clip.crop_px=32,32")
    teacher = found.needs["teacher"]
    assert teacher.settings.classifier.net == "r3d_narrow"
    assert teacher.settings.clip.crop_px == (32, 32)
    assert teacher.needs["temporal"].settings.model.net == "r3d_narrow"


def test_a_term_that_is_left_out_has_no_balance():
    found = changed("dtmv_small", "terms.deep=off").settings
    assert (set(found.terms), found.balance) == ({"soft"}, {})


def test_names_have_the_changes():
    names = [
        (("epochs=40",), "dtmv_small+epochs=40"),
        (("epochs=70",), "dtmv_small"),
        (("epochs=070", "batch_size=8"), "dtmv_small+batch_size=8"),
        (("teacher:epochs=2",), "dtmv_small+teacher.epochs=2"),
        (("optim.learning_rate=0.0003",), "dtmv_small+optim.learning_rate=0.0003"),
        (("optim.learning_rate=3e-4",), "dtmv_small+optim.learning_rate=0.0003"),
        (("student.weights=/a b/w.pth", "init=none"), "dtmv_small+"),
    ]
    for texts, name in names:
        found = changed("dtmv_small", *texts)
        assert found.name.startswith(name)
        assert "/" not in found.name and " " not in found.name and len(found.name) < 80
    assert changed("dtmv_small", "epochs=70") == DTMV
    one = ("epochs=2", "batch_size=8", "optim.weight_decay=0.5", "clip.jitter=0.1")
    ours = changed("dtmv_small", *one)
    assert ours == changed("dtmv_small", *reversed(one))
    assert ours.name.removeprefix("dtmv_small+").isalnum()
    other = changed("dtmv_small", *one[:-1], "clip.jitter=0.15")
    assert other.name != ours.name
    assert ours.changes == (
        "clip.jitter=0.1",
        "optim.weight_decay=0.5",
        "epochs=2",
        "batch_size=8",
    )
    assert mark(()) == ""


def test_changes_come_after_what_rebuilds_settings():
    """The modalities of the recipe demo are made anew; a baseline has its changes."""
    demo = to_distill(get_recipe("demo"), ("rgb",), "mv")
    found = with_changes(demo, parse_changes(["epochs=3"]))
    assert (found.settings.epochs, found.settings.teacher.sees) == (3, "rgb")
    alone = baseline_of(found)
    assert (alone.settings.epochs, alone.name) == (3, "demo+epochs=3")
    taught = to_teach(get_recipe("demo"), "mv")
    assert with_changes(taught, parse_changes(["epochs=3"])).label == "mv"


def test_every_listed_path_can_be_set_to_its_value():
    """Whatever `entries` lists leaves a recipe as it is, and `differing` finds nothing."""
    for name in ("dtmv_small", "ds", "hidden_temporal", "motionnet", "htsc", "hts_cln"):
        settings = get_recipe(name).settings
        listed = dict(entries(settings))
        assert len(listed) > 5
        whole = {path: text for path, text in listed.items() if text != "{}"}
        assert with_values(settings, whole) == settings, name
        assert not list(differing(settings, with_values(settings, whole)))


def test_differences_are_the_changes_that_make_them():
    texts = {
        "epochs": "3",
        "terms.deep": "off",
        "balance.deep": "off",
        "terms.new": "RelationalKD",
        "terms.new.taps": "fc6",
        "optim.milestones": "0.5,0.75",
    }
    made = with_values(DTMV.settings, texts)
    found = dict(differing(DTMV.settings, made))
    assert found == texts
    assert with_values(DTMV.settings, found) == made


def test_every_loss_can_be_named():
    from training.losses import attention, connected, gram, relational, terms

    known = {
        kind
        for module in (attention, connected, gram, relational, terms)
        for kind in vars(module).values()
        if isinstance(kind, type) and Term in kind.__mro__ and kind is not Term
    }
    assert set(TERMS.values()) == known
    assert all({"weight", "taps"} <= {f.name for f in fields(k)} for k in known)


def test_a_reproduction_changes_all_that_have_the_path_or_one_system():
    changes = parse_changes(["epochs=1", "dtmv:terms.soft.temperature=3"])
    fused = for_every(get_recipe("frame_dtmv_small"), changes)
    student = fused.needs["second"]
    assert student.settings.epochs == student.needs["teacher"].settings.epochs == 1
    assert student.settings.terms["soft"].temperature == 3
    emv = for_every(get_recipe("emv_small"), changes)
    assert emv.settings.terms["soft"].temperature == 2
    assert fused.settings == get_recipe("frame_dtmv_small").settings
    assert fused.name != "frame_dtmv_small"
    alone = with_changes(
        get_recipe("emv_small"), parse_changes(["epochs=1", "teacher:epochs=1"])
    )
    assert alone == emv, "a student of a reproduction is found by `training distill`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch=1", "epoch=1: no setting epoch: did you mean epochs?"),
        ("dtmw:epochs=1", "expected a system of the reproduction, got dtmw: did you"),
    ],
)
def test_a_change_that_nothing_takes_is_refused(text, message):
    with pytest.raises(RecipeError, match=message.replace("?", "")):
        check_used([DTMV, get_recipe("frame_dtmv_small")], parse_changes([text]))


def test_of_several_faults_the_recipes_own_is_named_first():
    with pytest.raises(RecipeError, match="^dtmv_small: no setting epoch"):
        changed("dtmv_small", "teacher:epoch=3", "epoch=4")


@pytest.mark.parametrize(
    "texts",
    [
        ("clip.motion_gain=3", "teacher:clip.motion_gain=4"),
        ("teacher.net=clarifai", "teacher:model.net=vgg16", "terms.deep=off"),
        ("epochs=3", "epochs=3"),
    ],
)
def test_what_is_given_twice_is_refused(texts):
    """Neither of a student's and its teacher's setting counts more."""
    with pytest.raises(RecipeError, match="expected (teacher|each setting once)"):
        changed("dtmv_small", *texts)


def test_marks_of_48_letters_are_written_out():
    longest = "a=" + "1" * 45
    assert mark([longest]) == f"+{longest}"
    assert len(mark([longest + "1"])) == len("+01234567")


def test_a_path_that_is_changed_again_is_listed_once():
    again = with_changes(changed("dtmv_small", "epochs=3"), parse_changes(["epochs=4"]))
    assert again.changes == ("epochs=4",)
    more = with_changes(again, parse_changes(["batch_size=8"]))
    assert more.changes == ("epochs=4", "batch_size=8")


def test_a_reproduction_changes_a_recipe_of_this_name():
    epochs = {
        text: for_every(DTMV, parse_changes([text])).settings.epochs
        for text in ("dtmv_small:epochs=3", "dtmv:epochs=3", "emv:epochs=3")
    }
    assert list(epochs.values()) == [3, 3, DTMV.settings.epochs]
    with pytest.raises(RecipeError, match="no setting epoch: did you mean epochs"):
        for_every(DTMV, parse_changes(["dtmv:epoch=3"]))
    assert for_every(DTMV, parse_changes(["epoch=3"])) == DTMV


def test_what_follows_a_change_is_not_listed():
    assert changed("dtmv_small", "clip.crop_px=48,64").changes == (
        "clip.crop_px=48,64",
    )
    first = changed("dtmv_small", "teacher:epochs=2")
    second = with_changes(first, parse_changes(["epochs=3"]))
    assert second.name == "dtmv_small+teacher.epochs=2+epochs=3"
    assert second.changes == ("teacher.epochs=2", "epochs=3")


def test_a_path_is_there_whatever_its_value():
    assert has_path(DTMV.settings, "epochs", "many")
    assert not has_path(DTMV.settings, "epoch", "3")
    with pytest.raises(RecipeError, match="epochs: expected a whole number"):
        for_every(DTMV, parse_changes(["epochs=many"]))


def test_parts_of_a_list_are_counted_from_0():
    two = to_distill(get_recipe("demo"), ("flow", "rgb"), "mv").settings
    found = with_values(two, {"other_teachers.0.first_layer": "plain"})
    assert found.other_teachers[0].first_layer == "plain"
    assert dict(differing(two, found)) == {"other_teachers.0.first_layer": "plain"}
    with pytest.raises(NoSuchPath, match="did you mean other_teachers.0.first_layer"):
        with_values(two, {"other_teachers.1.first_layer": "plain"})
    three = replace(two, other_teachers=(*two.other_teachers, two.student))
    assert [path for path, _ in differing(two, three)] == ["other_teachers"]


@dataclass(frozen=True)
class Part:
    size: int = 1


@dataclass(frozen=True)
class Own:
    """Settings of a user's."""

    part: Part | None = None
    whole: Part = Part()
    found: int = field(default=2, init=False)


def test_parts_that_may_be_missing():
    made = with_values(Own(), {"part.size": "3"})
    assert made.part == Part(3)
    assert with_values(made, {"part": "none"}).part is None
    for path, text in (("whole", "off"), ("part", "3")):
        with pytest.raises(RecipeError, match=f"{path}: expected {path}.FIELD=VALUE"):
            with_values(made, {path: text})
    with pytest.raises(NoSuchPath, match="no setting found: expected a field among"):
        with_values(made, {"found": "3"})


def test_a_term_is_named_by_its_kind_first():
    with pytest.raises(RecipeError, match="soft, deep, or terms.xyz=KIND before it"):
        changed("dtmv_small", "terms.xyz.qqq=1")
    with pytest.raises(
        RecipeError, match="mean terms.soft.weight or terms.deep.weight"
    ):
        changed("dtmv_small", "weight=1")
