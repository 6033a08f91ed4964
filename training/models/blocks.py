"""The blocks of a network, from its first layer to its last, whatever it is called."""

from collections.abc import Iterator

from torch import nn


def blocks_of(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Name and module of every block, in the order in which they were defined.

    A block is a child with parameters; of a sequence of these (`nn.Sequential`,
    `nn.ModuleList`), and of a sequence in it, each entry is one. A child that holds
    nearly the whole network, as `net` or `trunk`, is looked into.
    """
    return list(_blocks(network, ""))


def _blocks(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    whole = _count(module)
    for name, child in module.named_children():
        if not _count(child):
            continue
        path = f"{prefix}{name}"
        sequence = isinstance(child, nn.Sequential | nn.ModuleList)
        entries = [c for c in child.children() if _count(c)]
        if (sequence and len(entries) > 1 and not _plain(entries)) or (
            len(entries) > 1 and not sequence and _count(child) > 0.9 * whole
        ):
            yield from _blocks(child, f"{path}.")
        else:
            yield path, child


def _plain(entries: list[nn.Module]) -> bool:
    """Whether a sequence is one block itself: a layer with its norm or its slopes."""
    layers = nn.Conv2d | nn.Conv3d | nn.Linear
    return not any(list(entry.children()) for entry in entries) and not all(
        isinstance(entry, layers) for entry in entries
    )


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
