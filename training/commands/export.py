"""The command that writes a run as a model for others."""

import json
from pathlib import Path

import click

from motion_shards.plain_text import printable, size_text

from .options import CODE, JSON
from .parameter_types import ExistingFolder, Folder

FORMATS = ("folder", "onnx", "torch")


class Formats(click.ParamType):
    """Formats with commas between."""

    name = "FORMAT[,FORMAT]"

    def convert(
        self,
        value: str | tuple[str, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        found = tuple(dict.fromkeys(value.split(",")))
        for name in found:
            if name not in FORMATS:
                self.fail(f"expected some of {', '.join(FORMATS)}, got {name}")
        return found


@click.command()
@click.argument("run", type=ExistingFolder)
@click.option(
    "--to",
    "folder",
    type=Folder,
    help="Folder of the model.  [default: a folder of the run's name in"
    " $VIDEO_DATA/models]",
)
@click.option(
    "--format",
    "formats",
    type=Formats(),
    default="folder",
    show_default=True,
    help="Comma-separated formats. folder: weights as safetensors, for this program; onnx:"
    " for onnxruntime, without PyTorch; torch: a program of torch.export.",
)
@click.option(
    "--force", is_flag=True, help="Replace a model of another run in that folder."
)
@CODE
@JSON
def export(
    run: Path,
    folder: Path | None,
    formats: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Write the model of a trained RUN as a folder for others.

    The folder has the weights, the names of the classes, a model card, and contract.json:
    all that turns a video into the input of the network. A fusion is written with all its
    streams. ONNX and programs are compared with PyTorch on clips of the store.
    """
    from pipeline.store import models_folder

    from ..export.folder import export_model
    from ..runs.record import Run

    found = export_model(
        Run(run),
        folder or models_folder() / run.resolve().name,
        formats=formats,
        force=force,
        say=lambda text: click.echo(printable(text), err=True),
    )
    if as_json:
        told = {"folder": str(found.folder), "name": found.name}
        click.echo(json.dumps(told | {"files": found.files, "checks": found.checks}))
        return
    click.echo(f"{printable(found.folder)}: {printable(found.name)}")
    for name, size in found.files.items():
        click.echo(f"  {printable(name)}  {size_text(size)}")
    for line in found.checks:
        click.echo(f"  {line.replace('`', '')}")
