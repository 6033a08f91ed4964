"""`make demo` says what each step is for, in order, and where its results lie."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_demo_says_its_steps_and_where_the_results_lie(tmp_path) -> None:
    for name in ("pipeline", "training"):
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\necho "RUN {name} $*"\n', encoding="utf-8")
        command.chmod(0o755)
    told = subprocess.run(
        ["sh", str(ROOT / "tools" / "demo.sh"), str(tmp_path / "bin"), "demo"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    order = [
        *("Step 1 of 3", "RUN pipeline extract --dataset demo"),
        *("Step 2 of 3", "RUN pipeline preview demo/stores/demo"),
        *("Step 3 of 3", "RUN training distill --store demo/stores/demo", "Done"),
        *(
            "demo/modalities.png ",
            "demo/stores/demo ",
            "demo/runs ",
            "predict demo/runs/*flow-to-mv* demo/videos/demo/left/left_g30.mp4",
            "docs/tutorial.md",
        ),
    ]
    places = [told.rindex(text) for text in order]
    assert places == sorted(places)


def demo_with(tmp_path: Path, pipeline: str) -> subprocess.CompletedProcess[str]:
    """The demo's end, where its command `pipeline` is this script."""
    command = tmp_path / "pipeline"
    command.write_text(pipeline, encoding="utf-8")
    command.chmod(0o755)
    return subprocess.run(
        ["sh", str(ROOT / "tools" / "demo.sh"), str(tmp_path), "demo"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_step_that_fails_ends_the_demo(tmp_path) -> None:
    ended = demo_with(tmp_path, "#!/bin/sh\nexit 3\n")
    assert ended.returncode == 3 and "Done" not in ended.stdout
    assert 'type "make demo" again' in ended.stderr


def test_an_interrupted_demo_says_how_to_go_on(tmp_path) -> None:
    """The line of the step that was stopped names another command, in another folder."""
    ended = demo_with(
        tmp_path,
        '#!/bin/sh\necho "Resume with: pipeline ..." >&2\nkill -TERM $PPID\nexit 130\n',
    )
    assert ended.returncode == 143 and "Done" not in ended.stdout
    last = ended.stderr.splitlines()[-1]
    assert last == '--- Not finished: type "make demo" again, and it goes on from here'
