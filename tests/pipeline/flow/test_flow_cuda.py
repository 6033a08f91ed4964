"""TV-L1 on a simulated GPU: the kernels' own logic, thread by thread.

The images are tiny and so are the tiles, so that there are borders between tiles.
"""

import cv2
import numpy as np
import pytest
from default_codecs import default_codec
from simulated_gpu import LateSimulator, Simulator, backward
from textures import moving, textured

from pipeline.flow import FlowError
from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cpu.solver import CpuSolver
from pipeline.flow.cuda.images import resizing
from pipeline.flow.cuda.median import ROWS
from pipeline.flow.cuda.networks import medians_function
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.cuda.tiles import LARGE, SHAPES, SMALL, TALL, TileShape, tiling
from pipeline.flow.errors import OutOfMemory
from pipeline.flow.opencv import OpenCvSolver
from pipeline.flow.profiles import PROFILES, Profile

TINY = TileShape(width=16, rows=4, strips=4)

FIXED = Profile(step=0.5, scales=2, outer=1, inner=5, epsilon=0.0, warps=2)
"""`default`, shorter."""
STOPPING = Profile(scales=2, outer=2, inner=7, warps=2, epsilon=0.02)
"""`opencv`, shorter."""
ONE_TRIP = Profile(scales=1, outer=1, inner=3, epsilon=0.0, warps=1)


def solver(profile: Profile = FIXED, **options) -> CudaSolver:
    return CudaSolver("test", profile, Simulator(**options), shape=TINY)


@pytest.mark.parametrize("size", [(32, 41), (17, 16), (2, 3), (5, 35), (35, 5)])
def test_any_size_gives_the_same_as_the_processor(size):
    frames = moving(1, *size, 1.2, -0.7)
    flow = solver().flow(frames)
    expected = CpuSolver("test", FIXED).flow(frames)
    assert flow.shape == expected.shape == (1, *size, 2)
    assert np.abs(flow - expected).max() < 1e-3


def test_motion_that_is_known_is_found():
    profile = Profile(step=0.5, scales=1, outer=1, inner=12, epsilon=0.0, warps=3)
    flow = solver(profile).flow(moving(2, 20, 24, 0.6, -0.4))
    np.testing.assert_allclose(flow[0, 5:-5, 5:-5].mean((0, 1)), (0.6, -0.4), atol=0.1)


@pytest.mark.parametrize("profile", [FIXED, STOPPING])
def test_equal_frames_have_no_flow_at_all(profile):
    still = np.repeat(textured(3, 17, 33)[None].astype(np.uint8), 2, axis=0)
    assert not solver(profile).flow(still).any()


def test_swapping_the_axes_swaps_the_components():
    frames = moving(4, 32, 36, 0.8, -0.5)
    flow = solver().flow(frames)
    turned = solver().flow(np.ascontiguousarray(frames.transpose(0, 2, 1)))
    apart = np.abs(flow - turned.transpose(0, 2, 1, 3)[..., ::-1])
    assert apart.max() < 1e-3


def test_the_stop_rule_is_opencvs_in_every_pair_of_a_batch():
    size = 17, 19
    frames = np.concatenate(
        [moving(5, *size, 0.1, 0), moving(6, *size, 1, -1), moving(7, *size, 0, 0)]
    )
    pairs = np.array([[0, 1], [2, 3], [4, 5]])
    device = solver(STOPPING)
    batch = device.collect(device.launch(frames, pairs)).flow
    reference = OpenCvSolver("test", STOPPING)
    iterated_to_the_end = CpuSolver(
        "test", Profile(scales=2, outer=2, inner=7, warps=2, epsilon=0)
    )
    for flow, pair in zip(batch, pairs, strict=True):
        expected = reference.flow(frames[pair])[0]
        assert np.abs(flow - expected).max() < 1e-3
    longer = iterated_to_the_end.flow(frames[pairs[0]])[0]
    assert np.abs(batch[0] - longer).max() > 1e-2  # so this one stopped early


@pytest.mark.parametrize("strips", [3, 4])
def test_the_stop_rule_adds_up_the_updates_of_all_threads(strips):
    """Also where the threads of a block are no power of two, as with 3 strips of 16."""
    profile = Profile(scales=1, outer=1, inner=1, warps=1, median=1, epsilon=1e-9)
    shape = TileShape(width=16, rows=4, strips=strips)
    device = CudaSolver("test", profile, Simulator(), shape=shape)
    flow = device.flow(moving(6, 12, 16, 1, -1))
    updates = device._workspaces[12, 16]._arrays["errors"][0]
    assert updates == pytest.approx((flow.astype(np.float64) ** 2).sum(), rel=1e-5)
    assert updates > 1


def test_flow_that_is_no_number_is_not_given_out():
    device = solver(ONE_TRIP)
    levels = Coding("linear", 20.0)
    size = 7, 80  # two blocks of `encode`
    workspace = device._workspace(size)
    encode = workspace._recording(0, 1, levels)[-1]
    assert encode.kernel.name == "encode"
    flow = workspace._arrays["flow 0"]
    inside = workspace._inside[0]
    inside["counts"][:] = 1
    flow[:] = 0
    flow[1100] = flow[1100 + 2 * 560] = np.nan  # of either parity
    device._device._launch(encode)
    assert inside["clipped"][:2].tolist() == [0, -1]


@pytest.mark.parametrize("profile", [FIXED, STOPPING])
def test_a_pair_has_the_same_bytes_in_any_batch(profile):
    frames = moving(8, 16, 18, 0.9, 0.3, count=4)
    device = solver(profile)
    whole = device.flow(frames)
    mixed = device.collect(device.launch(frames, np.array([[2, 3], [3, 0]])))
    assert mixed.flow[0].tobytes() == whole[2].tobytes()


@pytest.mark.parametrize("profile", [FIXED, STOPPING])
def test_the_order_of_threads_makes_no_difference(profile):
    frames = moving(9, 16, 18, 0.9, 0.3)
    flow = solver(profile).flow(frames)
    assert solver(profile, order=backward).flow(frames).tobytes() == flow.tobytes()


@pytest.mark.parametrize("shape", [LARGE, SMALL])
def test_tiles_of_the_real_size_give_the_same_as_the_processor(shape):
    frames = moving(10, shape.height + 5, 69, 0.5, -0.5)
    device = CudaSolver("test", ONE_TRIP, Simulator(), shape=shape)
    expected = CpuSolver("test", ONE_TRIP).flow(frames)
    assert np.abs(device.flow(frames) - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("shared_bytes", "fixed", "stopping"),
    [
        (227 << 10, LARGE, LARGE),
        (99 << 10, LARGE, LARGE),
        (64 << 10, TALL, SMALL),  # compute capability 7.5
        (48 << 10, SMALL, SMALL),
    ],
)
def test_the_tallest_tiles_that_fit_are_used(shared_bytes, fixed, stopping):
    for profile, shape in ((FIXED, fixed), (STOPPING, stopping)):
        device = Simulator(shared_bytes=shared_bytes)
        assert CudaSolver("test", profile, device)._shape == shape


@pytest.mark.parametrize("flow_codec", ["companded", "tsn"])
@pytest.mark.parametrize("bound_px", [20.0, 0.4])
def test_coded_flow_has_the_levels_of_the_codec(flow_codec, bound_px):
    codec = default_codec("flow", flow_codec=flow_codec)
    codec = type(codec)(curve=codec.curve, bound_px=bound_px)
    frames = moving(11, 18, 30, 0.7, -0.5, count=3)
    device = solver(ONE_TRIP)
    flow = device.flow(frames)
    batch = device.collect(device.launch(frames, consecutive(3), Coding.of(codec)))
    np.testing.assert_array_equal(
        batch.planes, codec.levels(flow.transpose(0, 3, 1, 2))
    )
    clipped = [codec.clipped(field) for field in flow]
    assert batch.clipped.tolist() == clipped
    assert (max(clipped) > 0) == (bound_px < 1)


def test_a_batch_larger_than_fits_is_done_in_parts():
    frames = moving(12, 12, 14, 0.5, 0.5, count=6)
    whole = solver(ONE_TRIP)
    expected = whole.flow(frames)
    device = solver(ONE_TRIP)
    device._most[12, 14] = 2
    tickets = [device.launch(frames, consecutive(6)) for _ in range(2)]
    for ticket in tickets:
        assert device.collect(ticket).flow.tobytes() == expected.tobytes()
    assert whole._device.replays == 1
    assert device._device.replays == 6


def test_where_memory_runs_out_batches_become_smaller():
    frames = moving(13, 12, 14, 0.5, 0.5, count=9)
    expected = solver(ONE_TRIP).flow(frames)
    device = solver(ONE_TRIP)
    fits = device.most(12, 14)
    device._device.memory = 120_000
    device._most[12, 14] = 8
    assert fits > 8
    assert device.flow(frames).tobytes() == expected.tobytes()
    assert device.most(12, 14) == 4
    device.close()
    device._device.memory = 10_000
    with pytest.raises(FlowError, match="no memory for a pair of 20x12 px"):
        device.flow(np.zeros((2, 12, 20), np.uint8))


def test_memory_of_other_sizes_is_given_back_first():
    device = solver(ONE_TRIP)
    device._most |= {(9, 8): 4, (9, 9): 4}
    device.flow(np.zeros((2, 9, 9), np.uint8))
    memory = device._device
    used = memory.memory - memory.free_bytes()
    memory.memory = used + used // 2
    for width in (8, 9, 8):
        device.flow(np.zeros((2, 9, width), np.uint8))
    assert device.most(9, 8) == device.most(9, 9) == 4


def test_two_batches_may_be_under_way_but_not_three():
    frames = moving(14, 8, 9, 0.5, 0.5, count=3)
    device = solver(ONE_TRIP)
    first = device.launch(frames, np.array([[0, 1]]))
    second = device.launch(frames, np.array([[1, 2]]), Coding("linear", 20.0))
    with pytest.raises(FlowError, match="2 batches are under way"):
        device.launch(frames, np.array([[0, 2]]))
    with pytest.raises(FlowError, match="collect it first"):
        device.flow(frames)
    assert device.collect(first).flow.shape == (1, 8, 9, 2)
    assert device.collect(second).planes.shape == (1, 2, 8, 9)


def in_turn(seed: int) -> dict[str, np.ndarray]:
    """Results of batches of three sizes, two under way at a time, queues late."""
    choose = np.random.default_rng(seed).choice
    late = LateSimulator(choose=lambda able: str(choose(able)))
    device = CudaSolver("test", ONE_TRIP, late, shape=TINY)
    results, waiting = {}, []
    for turn, size in enumerate([(9, 8), (7, 11), (9, 8), (6, 6), (7, 11)]):
        frames = moving(20 + turn, *size, 0.5, 0.5)
        coding = Coding("linear", 20.0) if turn % 2 else None
        waiting.append((turn, device.launch(frames, consecutive(2), coding)))
        if len(waiting) == 2:
            turn, ticket = waiting.pop(0)
            batch = device.collect(ticket)
            results[f"{turn}"] = batch.flow if batch.planes is None else batch.planes
    return results


def test_batches_of_several_sizes_use_the_same_memory_in_turn():
    """In whatever order the queues do their work, as far as they are free to."""
    expected = in_turn(0)
    for turn, size in (("0", (9, 8)), ("2", (9, 8))):
        frames = moving(20 + int(turn), *size, 0.5, 0.5)
        assert solver(ONE_TRIP).flow(frames).tobytes() == expected[turn].tobytes()
    for seed in (1, 2, 3):
        found = in_turn(seed)
        assert all(found[it].tobytes() == expected[it].tobytes() for it in expected)


def test_what_frames_of_another_size_left_in_memory_is_not_read():
    first, second = moving(15, 20, 22, 3.2, -2.7), moving(16, 21, 19, -2.2, 1.7)
    expected = solver().flow(second)
    device = solver()
    device._most |= {(20, 22): 1, (21, 19): 1}  # so that all memory is written
    device.flow(first)
    assert device.flow(second).tobytes() == expected.tobytes()
    assert np.abs(expected).max() > 1


def test_a_closed_solver_has_given_its_memory_back_and_can_go_on():
    frames = moving(15, 8, 9, 0.5, 0.5)
    device = solver(ONE_TRIP)
    free = device._device.free_bytes()
    ticket = device.launch(frames, np.array([[0, 1]]))
    device.close()
    assert device._device.free_bytes() == free
    flow = device.collect(ticket).flow
    assert device.flow(frames).tobytes() == flow.tobytes()


def test_a_device_without_room_for_a_tile_is_refused():
    with pytest.raises(FlowError, match="30000 bytes of shared memory"):
        CudaSolver("default", PROFILES["default"], Simulator(shared_bytes=30_000))


def test_large_frames_come_in_small_batches():
    device = CudaSolver("default", PROFILES["default"], Simulator(memory=1 << 36))
    assert device.most(256, 340) == 64
    assert device.most(1080, 1920) == 3
    assert device.most(4000, 8000) == 1
    with pytest.raises(FlowError, match="got 20000x10000"):
        device.most(10_000, 20_000)


@pytest.mark.parametrize("step", [0.5, 0.8])
@pytest.mark.parametrize("size", [(31, 40), (85, 64), (17, 131), (2, 7)])
def test_tables_sample_as_cv2_resize_does(size, step):
    image = np.random.default_rng(0).uniform(0, 255, size).astype(np.float32)
    target = [max(1, round(side * step)) for side in size]
    smaller = cv2.resize(image, None, fx=step, fy=step)
    tables = [resizing(a, b, 1 / step) for a, b in zip(size, target, strict=True)]
    np.testing.assert_allclose(sampled(image, tables), smaller, atol=1e-3)
    larger = cv2.resize(smaller, size[::-1])
    tables = [resizing(a, b, a / b) for a, b in zip(target, size, strict=True)]
    np.testing.assert_allclose(sampled(smaller, tables), larger, atol=1e-3)


def sampled(image: np.ndarray, tables: list) -> np.ndarray:
    for axis, (first, share) in enumerate(tables):
        image = np.moveaxis(image, axis, 0)
        beyond = image[np.minimum(first + 1, len(image) - 1)]
        share = share[:, None]
        image = np.moveaxis(image[first] * (1 - share) + beyond * share, 0, axis)
    return image


def test_networks_find_medians():
    medians = medians_function(ROWS)
    draw = np.random.default_rng(0)
    for values in (3, 30, 1000):
        window = draw.integers(0, values, (ROWS + 4, 5)).astype(np.float32)
        result = np.zeros(ROWS, np.float32)
        medians(window.ravel(), result)
        expected = [np.median(window[k : k + 5]) for k in range(ROWS)]
        assert result.tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("iterations", [5, 15, 30])
@pytest.mark.parametrize("most", [10, 30])
def test_tiles_cover_every_image(shape, iterations, most):
    for height, width in [(2, 2), (64, 64), (65, 64), (85, 64), (256, 340), (999, 777)]:
        plan = tiling(height, width, iterations, shape, most=most)
        assert sum(plan.passes) == iterations
        assert max(plan.passes) <= min(plan.halo, most)
        for side, count, region in (
            (width, plan.columns, shape.width),
            (height, plan.lines, shape.height),
        ):
            # the last region ends at or beyond the image, the one before it does not
            step = region - 2 * plan.halo
            assert count == 1 or step > 0
            assert (count - 1) * step + region >= side
            assert count == 1 or (count - 2) * step + region < side


def test_out_of_memory_is_a_flow_error():
    assert issubclass(OutOfMemory, FlowError)
