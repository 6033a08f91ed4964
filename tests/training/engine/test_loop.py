"""The loop: accumulated gradients, half precision, compiled networks, exact resume of all."""

import copy

import pytest
import torch
import torch.distributed as dist
from small_steps import CPU, Tiny, batch, both_sets, distill, joint_distill, sgd
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.engine import compiled as compiled_module
from training.engine.compiled import compile_networks, compiler
from training.engine.loop import count_clips, fit, on_device, split_batch
from training.errors import Diverged, MachineError
from training.steps.labels import Supervised


def plain() -> Supervised:
    """Without batch norm, so that clips do not know of each other."""
    torch.manual_seed(0)
    model = Tiny(2)
    model.norm = nn.Identity()
    return Supervised(model, sees="flow")


@pytest.fixture
def alone(tmp_path):
    """A group of one process."""
    store = dist.FileStore(str(tmp_path / "group"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_gradients_are_exchanged_once_a_batch(alone):
    """However many parts it is cut into; their gradient is that of the whole batch."""
    step, exchanged = DistributedDataParallel(plain()), []

    def hook(state: None, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
        exchanged.append(bucket.index())
        future: torch.futures.Future[Tensor] = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    step.register_comm_hook(None, hook)
    for _ in fit(step, [batch()] * 3, sgd(step), device=CPU, accumulate=4):
        pass
    assert exchanged == [0, 0, 0]
    whole = plain()
    for _ in fit(whole, [batch()] * 3, sgd(whole), device=CPU):
        pass
    torch.testing.assert_close(weights(step), weights(whole))


def weights(step: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in step.parameters()])


def test_batches_are_cut_into_equal_parts():
    parts = split_batch(batch(), 3)
    assert [count_clips(part) for part in parts] == [3, 3, 2]
    assert torch.equal(torch.cat([p["flow"] for p in parts]), batch()["flow"])
    assert torch.equal(torch.cat([p["label"] for p in parts]), batch()["label"])
    assert [count_clips(part) for part in split_batch(batch(), 100)] == [1] * 8
    both = split_batch(both_sets(), 2)
    assert count_clips(both_sets()) == 14
    assert [{k: count_clips(v) for k, v in part.items()} for part in both] == [
        {"ucf101": 4, "hmdb51": 3}
    ] * 2
    assert len(split_batch(both_sets(), 8)) == 6  # hmdb51 has no more clips


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_accumulated_gradients_are_those_of_the_whole_batch(count, clip):
    whole, cut = plain(), plain()
    options = {"device": CPU, "gradient_clip": clip}
    expected = list(fit(whole, map(batch, range(5)), sgd(whole), **options))
    found = list(fit(cut, map(batch, range(5)), sgd(cut), accumulate=count, **options))
    for first, second in zip(expected, found, strict=True):
        assert second == pytest.approx(first, rel=1e-5)
    torch.testing.assert_close(weights(cut), weights(whole), rtol=1e-5, atol=1e-6)


def test_accumulation_holds_for_several_data_sets():
    whole, cut = joint_distill(), joint_distill()
    for step in (whole, cut):
        step.student.trunk.norm = nn.Identity()
    expected = list(fit(whole, [both_sets()] * 3, sgd(whole), device=CPU))
    found = list(fit(cut, [both_sets()] * 3, sgd(cut), device=CPU, accumulate=2))
    for first, second in zip(expected, found, strict=True):
        assert second == pytest.approx(first, rel=1e-4)


def test_a_part_that_is_no_number_takes_no_step():
    step, broken = plain(), batch()
    broken["flow"][-1] = float("nan")
    before = weights(step)
    with pytest.raises(Diverged):
        list(fit(step, [broken], sgd(step), device=CPU, accumulate=4))
    assert torch.equal(before, weights(step))
    assert all(weight.grad is None for weight in step.parameters())


def test_a_loss_that_is_read_late_is_the_same_and_stops_as_well():
    early, late = plain(), plain()
    late.load_state_dict(early.state_dict())
    batches = [batch(), batch()]
    one = list(fit(early, batches, sgd(early), device=CPU))
    two = list(fit(late, batches, sgd(late), device=CPU, read_late=True))
    assert one == two and torch.equal(weights(early), weights(late))
    broken = batch()
    broken["flow"][-1] = float("nan")
    with pytest.raises(Diverged, match="the loss is not finite: loss nan"):
        list(fit(late, [broken], sgd(late), device=CPU, read_late=True))


def test_batches_of_several_data_sets_move_whole():
    moved = on_device(both_sets(), torch.device("meta"))
    assert moved["hmdb51"]["rgb"].is_meta and moved["ucf101"]["label"].is_meta


def half(step: nn.Module, scaler, optimizer, seeds: range) -> list[dict[str, float]]:
    return list(
        fit(
            step,
            map(batch, seeds),
            optimizer,
            device=CPU,
            precision="float16",
            scaler=scaler,
            gradient_clip=1.0,
        )
    )


def test_float16_scales_its_loss_and_goes_on_exactly():
    """A scale that doubles every three steps, and a checkpoint after four."""

    def begin():
        step = distill()
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)
        return step, scaler, torch.optim.SGD(step.parameters(), lr=0.1, momentum=0.9)

    step, scaler, optimizer = begin()
    whole = half(step, scaler, optimizer, range(8))
    assert whole[-1]["loss"] < whole[0]["loss"]
    assert scaler.get_scale() == 32.0

    first, scaler, optimizer = begin()
    before = half(first, scaler, optimizer, range(4))
    saved = copy.deepcopy([part.state_dict() for part in (first, scaler, optimizer)])
    second, scaler, optimizer = begin()
    for part, state in zip((second, scaler, optimizer), saved, strict=True):
        part.load_state_dict(state)
    after = half(second, scaler, optimizer, range(4, 8))
    assert before + after == whole
    assert torch.equal(weights(second), weights(step))
    assert scaler.get_scale() == 32.0


def test_float16_that_overflows_skips_a_step_and_halves_its_scale():
    step = distill()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**60)
    before = weights(step)
    half(step, scaler, sgd(step), range(1))
    assert torch.equal(before, weights(step))
    assert scaler.get_scale() == 2.0**59


def test_without_a_compiler_the_message_says_so(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MachineError, match="a C\\+\\+ compiler to compile networks"):
        compile_networks([Tiny(2)], CPU)


@pytest.mark.slow
def test_kernels_of_a_gpu_need_a_c_compiler_and_the_headers(monkeypatch, tmp_path):
    gpu = torch.device("cuda")
    monkeypatch.setattr(compiled_module.sysconfig, "get_path", lambda name: tmp_path)
    with pytest.raises(
        MachineError, match="Python.h to compile .* a GPU.*gcc and pyth"
    ):
        compile_networks([], gpu)
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MachineError, match="expected a C compiler to compile networks"):
        compile_networks([], gpu)
    monkeypatch.setattr("shutil.which", lambda name: name if name == "clang" else None)
    compile_networks([], gpu)


@pytest.mark.skipif(not compiler(), reason="no C++ compiler on this machine")
@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
def test_compiled_networks_lose_the_same():
    eager, compiled = distill(), distill()
    names = list(compiled.state_dict())
    streams = compiled.teacher.streams.values()
    compile_networks([compiled.student, *streams], CPU)
    losses = [
        [m["loss"] for m in fit(step, map(batch, range(3)), sgd(step), device=CPU)]
        for step in (eager, compiled)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert list(compiled.state_dict()) == names
