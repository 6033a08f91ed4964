"""Train a network on a store in a loop of your own: plain PyTorch, no recipe.

    python examples/own_training.py STORE

A small network of torchvision's kind learns the classes from frames. `StoreClips` reads
the clips; everything else is yours to change.
"""

import sys

import torch
from torch import nn
from torch.nn import functional as F

from training.data import StoreClips


def accuracy(model: nn.Module, clips: StoreClips) -> float:
    """Share of the clips whose most likely class is right."""
    right = 0
    with torch.no_grad():
        for batch in clips.loader(16):
            right += int((model(batch["rgb"]).argmax(1) == batch["label"]).sum())
    return right / len(clips)


def main(store: str, epochs: int = 3) -> None:
    torch.manual_seed(0)
    settings = {"modalities": ["rgb"], "length": 4, "crop_px": (32, 40), "short_px": 36}
    train = StoreClips(store, part="train", seed=0, **settings)
    test = StoreClips(store, part="test", **settings)
    model = nn.Sequential(
        nn.Conv3d(3, 16, 3, stride=(1, 2, 2), padding=1),
        nn.BatchNorm3d(16),
        nn.ReLU(),
        nn.Conv3d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(32, len(train.classes)),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = train.loader(8, workers=1)
    for epoch in range(epochs):
        train.set_epoch(epoch)
        losses = []
        for batch in loader:
            loss = F.cross_entropy(model.train()(batch["rgb"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.3f}")
    print(f"test clips: {accuracy(model.eval(), test):.0%} of {len(test)} right")


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
