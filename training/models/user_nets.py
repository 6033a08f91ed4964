"""Networks of the user's own: FILE.py:function, named on the command line.

Importing a file runs it, so nothing here is called for a name that a run's folder, a store
or a recipe's file has: those names are looked up among what the command has registered.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from motion_shards.plain_text import first_line

from ..errors import RecipeError
from .net import Net
from .user_files import FILES, OWNERS, imported, running

REGISTERED: dict[str, Net] = {}
"""Name -> a network that this process has registered."""


def register_net(
    name: str,
    build: Callable[[int, int], nn.Module],
    *,
    dim: int = 3,
    taps: tuple[str, ...] | None = None,
    head: str | None = None,
    smallest: tuple[int, int, int] = (1, 1, 1),
) -> None:
    """Make a network known by name, for recipes of this process.

    Args:
        name: FILE.py:function; a later network of the name replaces it.
        build: channels, classes -> a network that takes (B, C, T, H, W) and gives
            (B, classes) logits.
        dim: 3 takes any number of frames; 2 takes all entries of a clip as (B, C, T, H, W)
            with a fixed T, and channels are those of all of them.
        taps: submodules that a distillation may name; None: the children.
        head: the layer that knows the classes; None: the last linear layer.
        smallest: frames, height and width.

    Raises:
        RecipeError: the function builds no network of 3 channels and 2 classes, or one
            that ends in no linear layer.
    """
    if dim not in (2, 3):
        raise RecipeError(f"{name}: expected dim 2 or 3, got {dim}")
    try:
        with torch.device("meta"):
            model = build(3, 2)
    except Exception as error:
        raise RecipeError(
            f"{name}: expected a function (channels, classes) that builds a network:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(model, nn.Module):
        raise RecipeError(
            f"{name}: expected a torch.nn.Module of (channels, classes), got"
            f" {type(model).__name__}"
        )
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n]
    if head is None and not linear:
        raise RecipeError(
            f"{name}: expected a network that ends in a linear layer, or its `head`"
        )
    children = tuple(n for n, _ in model.named_children())
    last = head or linear[-1]
    known = taps if taps is not None else tuple(n for n in children if n != last)
    for each in (*known, last):
        if each not in dict(model.named_modules()):
            raise RecipeError(
                f"{name}: expected submodules as taps and head, got {each}"
            )
    options = ("frames",) if dim == 2 else ()
    if owner := running():
        OWNERS[name] = owner
    REGISTERED[name] = Net(build, dim, known, last, options, smallest=smallest)  # type: ignore[arg-type]


def registered_net(name: str) -> Net | None:
    """A network that is registered, or FILE.py:function of a file that was run.

    Raises:
        RecipeError: the file has no such function, or it builds no network.
    """
    file, _, function = name.rpartition(":")
    if name not in REGISTERED and file in FILES:
        _register(FILES[file].path, FILES[file].module, function)
    return REGISTERED.get(name)


def load_net(text: str) -> str:
    """Import a file that the command line names, register its network, return its name.

    The function may have the attributes `dim`, `taps`, `head` and `smallest`: see
    `register_net`.

    Args:
        text: FILE.py:function. The name is that of the file without its folder.

    Raises:
        RecipeError: there is no such file or function, or it builds no network.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not name:
        raise RecipeError(f"expected FILE.py:function, got {text}")
    return _register(path, imported(path), name)


def _register(path: Path, module: ModuleType, name: str) -> str:
    build = getattr(module, name, None)
    if not callable(build):
        raise RecipeError(f"{path}: expected a function {name}, found none")
    given = {
        key: getattr(build, key)
        for key in ("dim", "taps", "head", "smallest")
        if hasattr(build, key)
    }
    register_net(f"{path.name}:{name}", build, **given)
    return f"{path.name}:{name}"
