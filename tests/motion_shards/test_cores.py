"""A container with a quota gets as many workers as it may use cores."""

import os

import pytest

from motion_shards import cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A machine of 16 cores, in control groups that a test writes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(cores, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(cores, "OWN_GROUPS", tmp_path / "own")

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("files", "expected", "workers"),
    [
        ({}, 16, 16),
        ({"own": "0::/\n", "cpu_DOT_max": "max 100000\n"}, 16, 16),
        ({"own": "0::/\n", "cpu_DOT_max": "250000 100000\n"}, 2.5, 2),
        ({"own": "0::/\n", "cpu_DOT_max": "50000 100000\n"}, 0.5, 1),
        ({"own": "0::/\n", "cpu_DOT_max": "3200000 100000\n"}, 16, 16),
        ({"own": "0::/a/b\n", "a__cpu_DOT_max": "300000 100000\n"}, 3, 3),
        (
            {
                "own": "0::/a/b\n",
                "a__cpu_DOT_max": "300000 100000\n",
                "a__b__cpu_DOT_max": "400000 200000\n",
            },
            2,
            2,
        ),
        (
            {
                "own": "5:memory:/x\n4:cpu,cpuacct:/host/path\n",
                "cpu__cpu_DOT_cfs_quota_us": "400000\n",
                "cpu__cpu_DOT_cfs_period_us": "100000\n",
            },
            4,
            4,
        ),
        (
            {
                "own": "4:cpu,cpuacct:/\n",
                "cpu__cpu_DOT_cfs_quota_us": "-1\n",
                "cpu__cpu_DOT_cfs_period_us": "100000\n",
            },
            16,
            16,
        ),
        ({"own": "0::/\n", "cpu_DOT_max": "nonsense\n"}, 16, 16),
    ],
)
def test_the_smallest_quota_counts(groups, files, expected, workers):
    groups(**files)
    assert cores.usable_cores() == expected
    assert cores.worker_cores() == workers


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor : 0\nmodel name\t: Xeon 8481C\nprocessor : 1\n", "Xeon 8481C"),
        ("model name :\nmodel name : EPYC: 9B14\n", "EPYC: 9B14"),
        ("CPU implementer : 0x41\n", "aarch64"),
    ],
)
def test_a_processor_has_the_name_of_its_model(
    cpuinfo, expected, tmp_path, monkeypatch
):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    monkeypatch.setattr(cores, "CPU_INFO", path)
    monkeypatch.setattr(cores.platform, "processor", lambda: "")
    monkeypatch.setattr(cores.platform, "machine", lambda: "aarch64")
    assert cores.processor_name() == expected
