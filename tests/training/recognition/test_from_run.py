"""The contract of a run: the settings of its store, clips and scores, by hand."""

import json
import shutil

import pytest
import torch
from moving_store import videos
from untrained import extracted, untrained_run

from pipeline.extract.settings import ExtractSettings
from training.data.dataset import Clips, frames_of
from training.errors import RunError
from training.recognition.contract import Fusion
from training.recognition.from_run import contract_of, networks_of
from training.runs.record import Run
from training.runs.trained import clip_of, trained_model
from training.scoring.clip_protocol import ClipProtocol
from training.scoring.protocols import Scorer


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return extracted(tmp_path_factory.mktemp("stores") / "moving", videos())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def student(store, runs) -> Run:
    return untrained_run("grid_tiny", store, runs)


@pytest.fixture(scope="module")
def collaborating(store, runs) -> Run:
    return untrained_run(
        "htsc_literal_tiny", store, runs, fused_by_held_out=True, held_out=0.3
    )


def changed(run: Run, folder, change) -> Run:
    """A copy of a run whose recipe.json was edited."""
    shutil.copytree(run.folder, folder)
    value = json.loads((folder / "recipe.json").read_text())
    del value["checksum"]
    change(value)
    (folder / "recipe.json").write_text(json.dumps(value))
    return Run(folder)


def test_the_contract_of_a_student_says_all_that_its_clips_need(student):
    contract, labels = contract_of(student)
    assert labels == ("left", "right")
    assert contract.name == "grid_tiny of folder" and contract.fusion is None
    settings = ExtractSettings.from_record(contract.extract)
    assert settings.modalities == ("mv",) and settings.short_side == 48
    assert (settings.mv_source, settings.mv_crf, settings.mv_keyint) == (
        "canonical",
        18,
        12,
    )
    (stream,) = contract.streams
    assert (stream.name, stream.sees, stream.output) == ("mv", "mv", "logits")
    assert stream.input_shape == (3, 4, 5, 6)  # u, v and whether they are known
    assert stream.clip_config("here") == clip_of(student)
    assert stream.clip["fill"] == "previous" and stream.clip["cells"] == [5, 6]
    protocol = stream.clip_protocol("here")
    assert protocol == ClipProtocol(clips=2, aggregate=protocol.aggregate)


def test_the_shape_of_the_input_is_that_of_the_store_s_clips(store, runs):
    for name in ("mv_tiny", "frame_tiny", "hidden_temporal_tiny", "r3d_flow_tiny"):
        run = untrained_run(name, store, runs)
        (stream,) = contract_of(run)[0].streams
        clip = clip_of(run)
        clips = Clips(frames_of(store, clip), store.videos(), [stream.sees], clip)
        shown = clips.stated(store.videos()[0], 0, clips.views(store.videos()[0], 1))
        assert tuple(shown[stream.sees].shape[1:]) == stream.input_shape, name
        ((_, network),) = networks_of(run)
        assert network(shown[stream.sees]).shape == (1, 2) and not network.training


def test_streams_of_one_modality_are_named_by_their_recipes(store, runs):
    run = untrained_run("hts_tiny", store, runs)
    contract, _ = contract_of(run)
    names = [stream.name for stream in contract.streams]
    assert names == ["vgg_frame_tiny", "hidden_temporal_tiny"]
    assert contract.fusion == Fusion(on="softmax", weights=(0.4, 0.6))
    assert list(contract.extract) == ["common", "rgb"]


def test_weights_of_a_collaboration_are_in_the_order_of_its_streams(
    collaborating, store
):
    """Its scores lie in files that sort as motion, spatial."""
    contract, _ = contract_of(collaborating)
    recorded = collaborating.results().fusion.weights
    assert contract.fusion.class_weights == tuple(
        (spatial, motion) for motion, spatial in map(recorded.get, ("left", "right"))
    )
    assert contract.fusion.class_weights[0] != contract.fusion.class_weights[0][::-1]
    assert contract.fusion.layers == "collaborative" and contract.fusion.rounds == 2
    assert [stream.output for stream in contract.streams] == ["features"] * 2
    snippets = contract.streams[0].clip_protocol("here")
    assert (snippets.clips, snippets.crops) == (2, 1)


def test_features_are_those_that_the_layers_learned_from(collaborating, store):
    spatial = contract_of(collaborating)[0].streams[0]
    network = networks_of(collaborating)[0][1]
    run = Run(collaborating.folder.parent / "moving-vgg_frame_tiny-split1-seed0")
    clip = clip_of(run)
    clips = Clips(frames_of(store, clip), store.videos()[:2], ["rgb"], clip)
    scorer = Scorer(
        clips,
        sees="rgb",
        protocol=spatial.clip_protocol("here"),
        device=torch.device("cpu"),
    )
    ((_, batch),) = scorer.batches()
    (theirs,) = scorer.snippet_features(trained_model(run)[0], "fc7")
    with torch.no_grad():
        ours = network(batch[:, 0])
    assert torch.equal(ours, torch.from_numpy(theirs)) and len(ours) == 4


def test_a_mirrored_video_keeps_its_class_where_the_store_says_so(
    store, student, tmp_path
):
    assert not contract_of(student)[0].mirror_safe
    safe = extracted(tmp_path / "safe", videos(), mirror_safe=True)
    run = untrained_run("grid_mv_tiny", safe, tmp_path)
    assert contract_of(run)[0].mirror_safe
    shutil.rmtree(safe.folder)
    assert not contract_of(run)[0].mirror_safe  # nobody knows


def test_streams_are_found_next_to_a_fusion_that_moved(store, runs, tmp_path):
    run = untrained_run("hts_tiny", store, runs)
    moved = tmp_path / "elsewhere"
    shutil.copytree(runs, moved)
    there = changed(
        Run(moved / run.folder.name),
        moved / "fused",
        lambda value: value["machine"].update(
            streams=value["machine"]["streams"].replace(str(runs), "/gone")
        ),
    )
    assert [one.run.folder.parent for one in _networks(there)] == [moved, moved]
    shutil.rmtree(moved / "moving-vgg_frame_tiny-split1-seed0")
    with pytest.raises(RunError, match="vgg_frame_tiny.*which it consists of.*missing"):
        contract_of(there)


def _networks(run: Run):
    from training.recognition.network_runs import network_runs

    return network_runs(run)


def test_a_run_that_recognises_nothing_or_is_not_complete_is_refused(
    store, runs, student, tmp_path
):
    motion = untrained_run("motionnet_tiny", store, runs)
    with pytest.raises(RunError, match="one network that recognises.*kind motion"):
        contract_of(motion)
    shutil.copytree(student.folder, tmp_path / "begun")
    (tmp_path / "begun" / "results.json").unlink()
    with pytest.raises(RunError, match="expected a complete run"):
        contract_of(Run(tmp_path / "begun"))


def test_settings_of_an_extraction_that_are_missing_or_strange_are_refused(
    student, tmp_path
):
    def without(value):
        del value["run"]["store"]["settings"]["mv"]

    with pytest.raises(RunError, match="settings of the extraction of mv"):
        contract_of(changed(student, tmp_path / "a", without))

    def strange(value):
        value["run"]["store"]["settings"]["mv"]["crf"] = 99

    with pytest.raises(RunError, match="crf: expected 0 to 51, got 99"):
        contract_of(changed(student, tmp_path / "b", strange))


def test_streams_of_other_weights_or_another_extraction_are_refused(
    collaborating, store, runs, tmp_path
):
    moved = tmp_path / "runs"
    shutil.copytree(runs, moved)
    folder = moved / "moving-vgg_frame_tiny-split1-seed0"
    of = collaborating.folder.name

    def here(value):
        for name in ("first", "second", "streams"):
            if name in value["machine"]:
                value["machine"][name] = value["machine"][name].replace(
                    str(runs), "/gone"
                )

    for name in (of, "moving-hts_cln_tiny-split1-seed0"):
        changed(Run(moved / name), tmp_path / "new" / name, here)
        shutil.rmtree(moved / name)
        shutil.move(tmp_path / "new" / name, moved / name)
    contract_of(Run(moved / of))

    def coarser(value):
        value["run"]["store"]["settings"]["common"]["short_side"] = 32

    shutil.move(folder, tmp_path / "old")
    changed(Run(tmp_path / "old"), folder, coarser)
    with pytest.raises(RunError, match="one extraction.*common.short_side: 32, 48"):
        contract_of(Run(moved / of))
    weights = (folder / "model.pt").read_bytes()
    (folder / "model.pt").write_bytes(weights[:-1] + b"0")
    with pytest.raises(RunError, match="expected the weights that"):
        contract_of(Run(moved / of))
