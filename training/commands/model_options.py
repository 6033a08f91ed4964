"""Options of the commands that open a model."""

import click

from .parameter_types import Choice

MV_SOURCE = click.option(
    "--mv-source",
    type=Choice(["contract", "original", "canonical"]),
    default="contract",
    show_default=True,
    help="Motion vectors of the files themselves (original), of our own encoding of their "
    "frames (canonical), or as in the model's training (contract). For models that see "
    "motion vectors, and for --annotate of `training predict`.",
)
RUNTIME = click.option(
    "--runtime",
    type=Choice(["auto", "onnx", "torch"]),
    default="auto",
    show_default=True,
    help="ONNX Runtime or PyTorch. auto: ONNX where the model folder has it.",
)
