"""What the doctor finds on machines that lack something."""

import importlib
import importlib.metadata
import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.doctor import gpu, machine
from pipeline.doctor import report as doctor
from pipeline.doctor.machine import Check
from pipeline.doctor.requirements import requirements
from pipeline.executors.gpus import Gpus
from pipeline.executors.limited import Ended

SEEN = Gpus(("0",))


def named(checks, name: str) -> Check:
    return next(check for check in checks if check.name == name)


@pytest.fixture
def without(monkeypatch):
    """Make modules fail to load, as they do where they or their system libraries lack."""

    def hide(name: str, reason: str) -> None:
        load = importlib.import_module

        def refuse(wanted: str, package: str | None = None):
            if wanted == name:
                raise ImportError(reason)
            return load(wanted, package)

        monkeypatch.setattr(importlib, "import_module", refuse)

    return hide


def test_machine_that_runs_the_tests_is_healthy(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    report = doctor.doctor()
    assert report.healthy, report.text()
    assert "optflow" in named(report.checks, "opencv").found
    assert "libx264" in named(report.checks, "pyav").found
    assert str(tmp_path) in named(report.checks, "data folder").found
    libraries = named(report.checks, "libraries").found
    assert "numpy 2" in libraries
    assert "pytest" not in libraries  # of an extra
    json.dumps(report.to_dict())


def test_text_has_the_remedy_under_the_problem() -> None:
    report = doctor.Report(
        (
            Check("gpu", "ok", "none"),
            Check("opencv", "problem", "no optflow", "do this"),
        )
    )
    assert report.text().splitlines() == [
        "ok       gpu    none",
        "problem  opencv no optflow",
        "                -> do this",
        "1 problem, 0 warnings",
    ]
    assert not report.healthy


def test_missing_system_library_is_named_with_its_package(without) -> None:
    without("cv2", "libGL.so.1: cannot open shared object file: No such file")
    (check,) = doctor._opencv()
    assert check.state == "problem"
    assert "libGL.so.1" in check.found
    assert check.remedy == "apt-get install libgl1 libglib2.0-0"


@pytest.mark.parametrize(
    ("module", "look"),
    [("av", doctor._pyav), ("h5py", doctor._hdf5), ("numba", doctor._numba)],
)
def test_library_that_does_not_load_is_a_problem(module, look, without) -> None:
    without(module, "no such module")
    (check,) = look()
    assert (check.state, check.found) == ("problem", "no such module")
    assert check.remedy == f"pip install {module}"


def test_plain_opencv_over_contrib_is_found_out(monkeypatch) -> None:
    import cv2

    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "5.0" if name == "opencv-python" else version(name),
    )
    (check,) = doctor._opencv()
    assert check.state == "warning"
    monkeypatch.delattr(cv2, "optflow")
    (check,) = doctor._opencv()
    assert check.state == "problem"
    assert "opencv-python lies over opencv-contrib-python" in check.found
    assert check.remedy.startswith(
        "pip uninstall -y opencv-python opencv-contrib-python && pip install"
    )


def test_old_new_and_missing_requirements_are_named(monkeypatch) -> None:
    monkeypatch.setattr(
        importlib.metadata,
        "requires",
        lambda _: [
            "numpy>=99",
            "no-such-library>=1",
            "click>=8",
            "h5py<2,>=1",
            'pytest>=99; extra == "test"',
        ],
    )
    old, missing, new, rest = requirements()
    assert (old.name, new.name) == ("numpy", "h5py")
    assert old.found.endswith("expected >=99")
    assert new.found.endswith("expected <2,>=1")
    assert missing == Check(
        "no-such-library",
        "problem",
        "not installed",
        'pip install "no-such-library>=1"',
    )
    assert rest.found.startswith("click ")


def test_markers_extras_and_excluded_versions_are_understood(monkeypatch) -> None:
    own = importlib.metadata.version("click")
    monkeypatch.setattr(
        importlib.metadata,
        "requires",
        lambda _: [
            f"click!={own},>=8",
            'no-such-library>=1; sys_platform == "plan9"',
            'h5py[extra]>=99; python_version >= "3"',
            "numpy!=0.1.*,>=1",
        ],
    )
    excluded, old, rest = requirements()
    assert (excluded.name, old.name) == ("click", "h5py")
    assert excluded.found == f"{own}, expected !={own},>=8"
    assert old.remedy == 'pip install "h5py[extra]>=99"'
    assert rest.found.startswith("numpy ") and "," not in rest.found


EXTRAS = [
    "click>=8",
    'motion-shards[training]; extra == "timm"',
    'timm>=1; extra == "timm"',
    'torch>=2; extra == "training"',
    'torchvision>=0.1; extra == "training"',
    'numba-cuda>=99; sys_platform == "plan9" and extra == "cuda"',
    'pytest>=99; extra == "test"',
    'ray[train]>=2; extra == "ray-train"',
]
RAY = ['click>=8; extra == "default"', 'pyarrow>=9; extra == "train"', "filelock"]


@pytest.fixture
def distributions(monkeypatch):
    """Installed distributions by name; a test changes them."""
    versions = {"click": "8.2", "ray": "2.60", "torch": "2.14", "torchvision": "0.29"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    requires = {"motion-shards": EXTRAS, "ray": RAY}
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", requires.get)
    return versions


def test_extras_are_listed_with_what_they_are_for(distributions) -> None:
    rest, training, ray, timm = requirements()
    assert (rest.name, rest.found) == ("libraries", "click 8.2")
    assert training == Check("[training]", "ok", "torch 2.14, torchvision 0.29")
    line = "pip install 'motion-shards[timm]'"
    assert timm == Check("[timm]", "ok", f"not installed, for networks of timm: {line}")
    assert (ray.name, ray.state) == ("[ray-train]", "ok")
    assert ray.found.startswith("not installed, for training on the machines of a Ray")
    distributions["pyarrow"] = "20.0"
    assert list(requirements())[2].found == "ray 2.60"


def test_a_machine_without_pytorch_is_healthy(distributions) -> None:
    del distributions["torch"], distributions["torchvision"]
    assert all(check.state == "ok" for check in requirements())
    distributions["torch"] = "2.14"
    assert list(requirements())[1] == Check(
        "[training]",
        "warning",
        "torch 2.14, without torchvision",
        "pip install 'motion-shards[training]'",
    )


def test_an_old_library_of_an_extra_is_a_problem(distributions) -> None:
    distributions["torch"] = "1.13"
    _, old, training, *_ = requirements()
    assert old == Check(
        "torch", "problem", "1.13, expected >=2", 'pip install "torch>=2"'
    )
    assert training == Check("[training]", "ok", "torchvision 0.29")


def fake_smi(monkeypatch, *, code: int, out: str) -> None:
    done = {"": Ended(code, out, "")}
    monkeypatch.setattr(gpu, "run_limited", lambda commands, seconds: done)


def test_gpu_that_torch_cannot_use_is_a_problem(monkeypatch) -> None:
    fake_smi(monkeypatch, code=0, out="NVIDIA X, 100 MiB, 1.0\n")
    able = False
    torch = SimpleNamespace(
        __version__="2.15",
        version=SimpleNamespace(cuda="13.0"),
        cuda=SimpleNamespace(is_available=lambda: able),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    (check,) = gpu.gpu(SEEN)
    assert check.state == "problem"
    assert "NVIDIA X" in check.found
    assert check.remedy == "update the driver"
    able = True
    (check,) = gpu.gpu(SEEN)
    assert check.state == "ok"


def test_gpu_on_a_machine_without_pytorch_is_in_order(monkeypatch) -> None:
    fake_smi(monkeypatch, code=0, out="NVIDIA X, 100 MiB, 1.0\n")
    monkeypatch.setitem(sys.modules, "torch", None)
    (check,) = gpu.gpu(SEEN)
    assert check.state == "ok"
    assert check.found == "NVIDIA X, 100 MiB, 1.0; no PyTorch to train on it"


def test_driver_that_answers_with_an_error_is_a_warning(monkeypatch) -> None:
    fake_smi(monkeypatch, code=9, out="couldn't communicate with the driver\n")
    (check,) = gpu.gpu(SEEN)
    assert check.state == "warning"
    assert "couldn't communicate" in check.found


def test_gpu_of_a_driver_that_does_not_answer_is_not_asked_for_by_torch(monkeypatch):
    fake_smi(monkeypatch, code=0, out="NVIDIA X, 100 MiB, 1.0\n")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())  # it would fail
    (check,) = gpu.gpu(Gpus((), "no answer in 60 s"))
    assert (check.state, check.found) == (
        "problem",
        "NVIDIA X, 100 MiB, 1.0; no answer in 60 s",
    )


@pytest.mark.parametrize(
    ("found", "ended"),
    [
        ("does not respond within 20 s", Ended(None)),
        ("nvidia-smi: away", Ended(9, "away")),
    ],
)
def test_nvidia_smi_that_hangs_or_fails_is_one_line(found, ended, monkeypatch):
    monkeypatch.setattr(gpu, "run_limited", lambda commands, seconds: {"": ended})
    (check,) = gpu.gpu(SEEN)
    assert check.state != "ok" and found in check.found


def test_gpus_without_nvidia_smi_are_counted(monkeypatch) -> None:
    def away(commands, seconds):
        raise FileNotFoundError

    monkeypatch.setattr(gpu, "run_limited", away)
    (check,) = gpu.gpu(Gpus(("0", "1")))
    assert check.found == "2, and no nvidia-smi to say which"
    (check,) = gpu.gpu(Gpus(()))
    assert check.found == "none; flow and training run on the CPU"


def test_each_gpu_that_flow_cannot_use_is_a_warning(monkeypatch) -> None:
    found, troubles = Gpus(("0", "1", "2")), {"0": "no memory", "2": "no memory"}
    monkeypatch.setattr(
        gpu.gpu_trial, "troubles_with_flow", lambda names, profile: troubles
    )
    bad, good = gpu.gpu_flow(found)
    assert (bad.state, bad.found) == ("warning", "GPU 0, GPU 2: no memory")
    assert (good.state, good.found) == (
        "ok",
        "as on the CPU, by a pair of frames on 1 GPU",
    )
    troubles = {}
    few = found._replace(room=1, why="compute mode EXCLUSIVE_PROCESS")
    (check,) = gpu.gpu_flow(few)
    assert (
        check.state == "ok"
        and "on 3 GPUs; each has room for 1 worker (compute" in check.found
    )
    (check,) = gpu.gpu_flow(Gpus((), "no answer"))
    assert (check.state, check.found) == ("warning", "no answer")
    assert not list(gpu.gpu_flow(Gpus(())))


def test_cluster_that_does_not_answer_is_a_warning(monkeypatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    check = machine.ray_cluster("2.60")
    assert check.state == "warning"
    assert "127.0.0.1:9" in check.found


def test_no_cluster_is_fine(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert machine.ray_cluster("2.60") == Check(
        "ray", "ok", "2.60, no cluster running here"
    )


def test_folder_that_is_to_be_made_is_judged_by_its_parent(tmp_path) -> None:
    check = machine.folder("data folder", tmp_path / "a" / "b", hint="")
    assert check.state in (
        "ok",
        "warning",
    )  # a warning where /tmp is small or in memory
    assert "(does not exist yet)" in check.found
    assert "writable" in check.found
    assert not list(tmp_path.iterdir()), "something was left behind"


def test_folder_that_cannot_be_written_is_a_problem(monkeypatch, tmp_path) -> None:
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "mkdtemp", refuse)
    check = machine.folder("data folder", tmp_path, hint="VIDEO_DATA=/elsewhere")
    assert check.state == "problem"
    assert check.found.endswith("Permission denied")
    assert check.remedy == "VIDEO_DATA=/elsewhere"


def test_file_in_place_of_a_folder_is_a_problem(tmp_path) -> None:
    (tmp_path / "data").write_text("")
    check = machine.folder("data folder", tmp_path / "data", hint="")
    assert check.found.endswith("data is not a folder")


def test_data_in_memory_gets_a_warning(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(machine, "file_system", lambda path: "tmpfs")
    monkeypatch.setattr(machine, "FEW_GB", 0)
    assert machine.folder("data folder", tmp_path, hint="").state == "warning"
    assert machine.folder("scratch", tmp_path, hint="").state == "ok"


def test_file_system_is_that_of_the_longest_mount(monkeypatch, tmp_path) -> None:
    name = str(tmp_path).replace(" ", "\\040")
    mounts = f"disk / ext4 rw 0 0\nserver {name} nfs4 rw 0 0\nproc /proc proc rw 0 0"
    monkeypatch.setattr(machine, "_read", lambda path: mounts)
    assert machine.file_system(tmp_path) == "nfs4"
    assert machine.file_system(Path("/")) == "ext4"


def test_cache_that_cannot_be_written_is_a_warning(monkeypatch, tmp_path) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    assert machine.compile_cache().state == "warning"


def test_doctor_starts_without_any_library() -> None:
    """Its own imports are the standard library's; so it can say what is missing."""
    hidden = ["numpy", "h5py", "av", "cv2", "numba", "torch", "ray"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden}))\n"
        "from pipeline.doctor.report import doctor\n"
        "print(doctor().text())\n"
    )
    root = Path(doctor.__file__).parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    for name in ("opencv", "pyav", "hdf5", "numba", "ray"):
        assert f"problem  {name}" in answer.stdout


@pytest.mark.parametrize("listens", [True, False])
def test_a_job_server_is_asked_for_and_a_token_looked_for(
    listens, monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if listens else 1
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{port}")
        before = machine.job_server()
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray/auth_token").write_text("t")
        after = machine.job_server()
    assert before.state == after.state == ("ok" if listens else "warning")
    assert "no token" in before.found and "token present" in after.found
    assert bool(after.remedy) != listens


def test_a_token_that_others_can_read_is_a_warning_with_the_line_that_mends_it(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    assert not list(machine.token_file())
    token = tmp_path / ".ray/auth_token"
    token.parent.mkdir()
    token.write_text("t")
    token.chmod(0o644)
    (check,) = machine.token_file()
    assert (
        check.state == "warning"
        and "is readable by other users (mode 0644)" in check.found
    )
    assert check.remedy == f"chmod 600 {token}"
    subprocess.run(check.remedy, shell=True, check=True)
    (check,) = machine.token_file()
    assert check.state == "ok"


@pytest.mark.parametrize("file", ["pipeline.py", "training/__init__.py"])
def test_a_file_with_the_name_of_our_package_is_a_warning(file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert not list(doctor._names())
    theirs = tmp_path / file
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("")
    (check,) = doctor._names()
    assert check.state == "warning" and check.found.startswith(
        f"{theirs} shadows the package"
    )
