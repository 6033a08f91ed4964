"""Every recipe is written as a model and read again, or refused with one line."""

import pytest
import torch
from moving_store import videos
from untrained import extracted, untrained_run

from training.errors import RunError
from training.export.folder import export_model
from training.recipes import SYSTEMS, Recipe, get_recipe
from training.recognition.from_run import networks_of
from training.recognition.read_model import networks_from_folder


def written(recipe: Recipe) -> str:
    """All of a recipe that an export depends on: its network and clips, or its streams."""
    settings, kind = recipe.settings, recipe.system.kind
    if kind in ("fuse", "collaborate"):
        own = repr(settings) if kind == "collaborate" else settings.how + settings.on
        return f"{kind} {own} {[written(one) for one in recipe.needs.values()]}"
    motion = getattr(settings, "motion", None)
    joint = recipe.system.joint
    network = None if kind == "motion" else settings.network.architecture()
    return f"{kind} {joint} {network} {motion} {settings.clip}"


ALIKE = {
    written(recipe): name
    for system in SYSTEMS.values()
    for name, size in system.recipes.items()
    if size.name == "tiny"
    for recipe in (get_recipe(name),)
}
"""What is exported -> the last recipe with it: others differ in how they learn."""
NO_MODEL = ["motionnet_tiny"]
"""They recognise nothing."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    made = videos(3, tested=1)
    first = extracted(folder / "moving", made)
    return first, extracted(folder / "more", made, dataset="more", fingerprint="beef")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def joint(recipe: Recipe) -> bool:
    return recipe.system.joint or any(map(joint, recipe.needs.values()))


@pytest.mark.parametrize("name", ALIKE.values())
def test_every_recipe_is_written_and_read_or_refused(name, stores, runs, tmp_path):
    run = untrained_run(
        name,
        stores[0],
        runs,
        other_stores=stores[1:] if joint(get_recipe(name)) else (),
        scoring=False,
        held_out=0.5,
        fused_by_held_out=True,
    )
    if name in NO_MODEL:
        with pytest.raises(RunError, match="expected a run of one network"):
            export_model(run, tmp_path / "model")
        assert list(tmp_path.iterdir()) == []
        return
    found = export_model(run, tmp_path / "model")
    assert found.folder == tmp_path / "model"
    theirs = networks_of(run)
    ours = networks_from_folder(tmp_path / "model")
    assert [one for one, _ in ours] == [one for one, _ in theirs]
    for (_, read), (_, trained) in zip(ours, theirs, strict=True):
        state = trained.state_dict()
        assert read.state_dict().keys() == state.keys() and not read.training
        assert all(torch.equal(v, state[k]) for k, v in read.state_dict().items())
