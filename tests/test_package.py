"""The package as others get it: its version, its citation, and a wheel that works alone."""

import configparser
import email
import fnmatch
import json
import os
import re
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement

import pipeline.commands.cli
import training.commands.cli
from motion_shards.extras import EXTRAS

ROOT = Path(__file__).parents[1]


def released() -> str:
    """The newest version of the changelog."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    return re.findall(r"^## (\d\S+) - \d{4}-\d\d-\d\d$", text, re.MULTILINE)[0]


@pytest.mark.parametrize(
    "main", [pipeline.commands.cli.main, training.commands.cli.main]
)
def test_version_is_the_newest_of_the_changelog(main):
    said = CliRunner().invoke(main, ["--version"])
    assert said.exit_code == 0
    assert said.stdout.split()[-1] == released()


def test_citation_names_the_papers_as_the_glossary_does():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation.keys() >= {"message", "title", "authors"}
    papers = {paper["title"].lower(): paper for paper in citation["references"]}
    assert len(papers) == 5
    assert all(paper.keys() >= {"type", "authors", "year"} for paper in papers.values())
    glossary = (ROOT / "docs/glossary.md").read_text("utf-8")
    for name in ("FTSnet", "DS", "DTMV", "HTSC"):
        row = re.search(rf"^\| {name} \|.*$", glossary, re.MULTILINE)[0].lower()
        (paper,) = (paper for title, paper in papers.items() if title in row)
        assert str(paper["year"]) in row
        assert paper.get("doi", "").lower() in row


def test_licence_is_the_one_that_package_and_citation_name():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (
        setup["metadata"]["license_expression"] == citation["license"] == "Apache-2.0"
    )
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text


def copy_of_the_sources(folder: Path) -> Path:
    """The checkout without what git ignores, so without anything built before."""
    lines = (ROOT / ".gitignore").read_text("utf-8").split()
    patterns = [".git", *(line.rstrip("/") for line in lines)]

    def ignored(parent: str, names: list[str]) -> set[str]:
        found = set()
        for pattern in patterns:
            if not pattern.startswith("/") or Path(parent) == ROOT:
                found.update(fnmatch.filter(names, pattern.lstrip("/")))
        return found

    return Path(shutil.copytree(ROOT, folder, ignore=ignored))


def run(*words: object, cwd: Path, exit_codes: tuple[int, ...] = (0,)) -> str:
    """Output of a command that runs without this checkout on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode in exit_codes, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    sources = copy_of_the_sources(tmp_path_factory.mktemp("sources") / "copy")
    out = tmp_path_factory.mktemp("wheel")
    options = ("--wheel", "--no-isolation", "--outdir", out)
    run(sys.executable, "-m", "build", *options, cwd=sources)
    (path,) = out.iterdir()
    return path


@pytest.mark.slow
def test_wheel_has_the_packages_and_their_data_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f"motion_shards-{released()}-py3-none-any.whl"
    tops = {name.split("/")[0] for name in names}
    about = f"motion_shards-{released()}.dist-info"
    assert tops == {"motion_shards", "pipeline", "training", about}
    assert f"{about}/licenses/LICENSE" in names
    assert sum(name.endswith("/py.typed") for name in names) == 3
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("motion_shards", "pipeline", "training")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".json") or path.name == "py.typed"
    }
    assert {name for name in names if not name.startswith(about)} == expected


@pytest.mark.slow
def test_wheel_offers_the_extras_and_asks_all_for_no_pytorch(wheel):
    about = f"motion_shards-{released()}.dist-info/METADATA"
    told = email.message_from_bytes(zipfile.ZipFile(wheel).read(about))
    names = {extra.name for extra in EXTRAS}
    assert set(told.get_all("Provides-Extra")) == names | {"all", "test"}
    wanted = [Requirement(text) for text in told.get_all("Requires-Dist")]

    def brought(extra: str) -> set[str]:
        environment = {"extra": extra, "sys_platform": "linux"}
        return {
            each.name
            for each in wanted
            if each.marker is None or each.marker.evaluate(environment)
        }

    assert brought("") > {"av", "click", "h5py", "numpy", "onnxruntime", "ray"}
    of_all = {"torch", "torchvision", "numba-cuda", "cuda-toolkit", "onnx", "timm"}
    assert not brought("") & of_all
    assert brought("training") - brought("") == {"torch", "torchvision"}
    assert brought("cuda") - brought("") == {"cuda-toolkit", "numba-cuda"}


@pytest.mark.slow
def test_commands_of_the_wheel_work_outside_the_checkout(wheel, moving_video, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for name in ("left", "right"):
        (elsewhere / "videos" / name).mkdir(parents=True)
        shutil.copy(moving_video, elsewhere / "videos" / name / f"{name}.mp4")
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    run(*pip, "--no-deps", "--no-index", wheel, cwd=elsewhere)
    (packages,) = environment.glob("lib/python*/site-packages")
    # the libraries of this environment, without its own copy of the package, and without
    # those of the extras
    hidden = [module for extra in EXTRAS for module in extra.modules]
    lines = [
        *site.getsitepackages(),
        f"import sys; sys.modules.update(dict.fromkeys({hidden}))",
    ]
    (packages / "libraries.pth").write_text("\n".join(lines), "utf-8")
    where = run(
        python, "-c", "import pipeline; print(pipeline.__file__)", cwd=elsewhere
    )
    assert Path(where.strip()).is_relative_to(packages)

    def command(name: str, *words: object, exit_codes: tuple[int, ...] = (0,)) -> str:
        program = environment / "bin" / name
        return run(program, *words, cwd=elsewhere, exit_codes=exit_codes)

    for name in ("pipeline", "training"):
        assert command(name, "--version").split()[-1] == released()
    # exit code 1: this machine lacks something that is not the wheel's
    looked = json.loads(command("pipeline", "doctor", "--json", exit_codes=(0, 1)))
    states = {check["name"]: check["state"] for check in looked["checks"]}
    assert states["libraries"] == "ok"
    of_videos = ("--dataset", "folder", "--videos", "videos", "--out", "store")
    command("pipeline", "extract", *of_videos, "--workers", "0", "--ray", "off")
    facts = json.loads(command("pipeline", "info", "store", "--json"))
    assert (facts["videos"], facts["frames"]) == (2, 24)
    assert facts["modalities"].keys() == {"rgb", "flow", "mv"}
    assert "\ndtmv " in command("training", "recipes")
    command("training", "teach", "--store", "store", exit_codes=(1,))
