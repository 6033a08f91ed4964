"""Command lines in a process where no extra is installed."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

RUN = """
import json, sys
from click.testing import CliRunner
from motion_shards.extras import EXTRAS

sys.modules.update(dict.fromkeys(name for extra in EXTRAS for name in extra.modules))
import pipeline.commands.cli
import training.commands.cli

found = []
for name, *words in json.loads(sys.argv[1]):
    main = {"pipeline": pipeline, "training": training}[name].commands.cli.main
    ended = CliRunner().invoke(main, words, prog_name=name)
    found.append((ended.exit_code, ended.stdout, ended.stderr))
print(json.dumps(found))
"""


def ended(*lines: list[str]) -> list[tuple[int, str, str]]:
    """(exit code, output, errors) of command lines, in one process without the extras."""
    answer = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(lines)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [tuple(each) for each in json.loads(answer.stdout)]
