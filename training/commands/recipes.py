"""The command `training recipes`."""

import json

import click

from ..catalogue import check_name, recipe_lines, recipe_names
from .options import CODE, JSON, SET


@click.command()
@click.argument("name", required=False)
@click.option(
    "--classes",
    default=101,
    show_default=True,
    help="Number of classes for which parameters are counted.",
)
@SET
@CODE
@click.option(
    "--toml", is_flag=True, help="Print the recipe as a TOML file to start from."
)
@JSON
def recipes(
    name: str | None,
    classes: int,
    changes: tuple[str, ...],
    toml: bool,
    as_json: bool,
) -> None:
    """List the recipes, or show all settings of one.

    For the recipe NAME, it also shows what its paper says of each setting. With --set,
    the recipe is shown as it would run. Every system of a paper has two smaller sizes:
    NAME_small for the demo data set, NAME_medium for real clips without a large GPU.
    r3d, r3d_small, demo and tiny are for any pair of modalities.
    """
    if not name:
        if changes or toml:
            option = "--set" if changes else "--toml"
            raise click.UsageError(f"expected the NAME of a recipe with {option}")
        names = recipe_names()
        click.echo(json.dumps(names) if as_json else "\n".join(recipe_lines()))
        return
    check_name(name)
    from . import recipe_page, recipe_record  # here, because torch takes two seconds

    if toml:
        click.echo(recipe_record.recipe_toml(name, changes), nl=False)
        return
    if as_json:
        click.echo(json.dumps(recipe_record.recipe_json(name, changes)))
        return
    click.echo(recipe_page.recipe_text(name, classes, changes))
