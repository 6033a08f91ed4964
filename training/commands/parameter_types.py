"""Types of arguments and options, which check a value before anything slow is loaded."""

from pathlib import Path
from typing import Any

import click

from motion_shards.choices import MODALITIES
from motion_shards.near import near

from ..catalogue import check_name, is_file, recipe_names

ExistingFolder = click.Path(path_type=Path, exists=True, file_okay=False)
ExistingFile = click.Path(path_type=Path, exists=True, dir_okay=False)
Folder = click.Path(path_type=Path, file_okay=False)


class Choice(click.Choice):
    """One of several names; an error suggests a similar one."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            meant = near(str(value), map(str, self.choices))
            if not meant:
                raise
            told = error.message.removesuffix(".")
            self.fail(f"{told}{meant}", param, ctx)


class RecipeName(click.ParamType):
    """The name of a recipe or its file, looked up before anything slow is loaded."""

    name = "NAME|FILE"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        check_name(value)
        return value


class Setting(click.ParamType):
    """A setting and its value: PATH=VALUE. Paths are looked up with the recipe."""

    name = "PATH=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        path, equals, _ = value.partition("=")
        if not equals or not path:
            self.fail(f"expected PATH=VALUE, as epochs=40, got {value}")
        return value


class TwoSystems(click.ParamType):
    """Names of two different systems of a report with a comma between; a name may have some."""

    name = "A,B"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        names = [name.strip() for name in value.split(",")]
        if len(names) < 2 or not all(names) or (len(names) == 2 and len({*names}) == 1):
            self.fail(
                f"expected two systems with a comma between, as grid,dtmv, got {value}"
            )
        return str(value)


Modality = Choice(MODALITIES)
Size = Choice(["small", "medium", "paper"])
Device = Choice(["auto", "cpu", "cuda"])


class TeacherNames(click.ParamType):
    """A modality or a recipe, or several with commas between."""

    name = "MODALITY|RECIPE,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(value.split(","))
        seen = [name for name in names if name in MODALITIES]
        if len(set(seen)) != len(seen):
            self.fail(f"expected each modality once, got {value}")
        known = (*MODALITIES, *recipe_names())
        for name in names:
            if is_file(name):
                check_name(name)
            elif name not in known:
                self.fail(
                    f"expected modalities ({', '.join(MODALITIES)}) or recipes, got {name!r}"
                    f"{near(name, known)}"
                )
        return names


class TeacherRun(click.ParamType):
    """The folder of a run, with the name of the teacher that it is before it."""

    name = "[NAME=]RUN"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Path]:
        if isinstance(value, tuple):
            return value
        name, equals, folder = value.partition("=")
        if not equals or Path(value).is_dir():
            name, folder = "", value
        return name, ExistingFolder.convert(folder, param, ctx)


class Numbers(click.ParamType):
    """Numbers with commas between."""

    name = "NUMBER,NUMBER"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"expected comma-separated numbers, got {value}")
