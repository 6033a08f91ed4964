"""Plans of small stores, for tests."""

from pipeline.driver.plan import (
    StorePlan,
    new_plan,
)
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo

RGB = ExtractSettings().only(["rgb"])

ALL = ExtractSettings().only(["rgb", "flow", "mv"])


def videos(count: int, size: int = 1000) -> list[PlannedVideo]:
    return [PlannedVideo(f"v{k:03d}", f"v{k:03d}.avi", size) for k in range(count)]


def plan(count: int = 10, settings=RGB) -> StorePlan:
    return new_plan("folder", videos(count), settings, bytes_per_frame=100)
