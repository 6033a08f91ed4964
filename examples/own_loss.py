"""Teach a student with a loss of your own, and with a teacher that `training` trained.

    training teach --modality flow --out runs/flow
    python examples/own_loss.py STORE runs/flow

The teacher sees flow. The student is the same network and sees motion vectors; it learns
the labels, and pooled features that point where the teacher's do. The loss is a `Term`:
a frozen dataclass that takes the outputs of both networks.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data import StoreClips
from training.losses.terms import Outputs, Term, pairs
from training.models.backbones import NETS, BackboneConfig, build_backbone
from training.models.taps import Taps
from training.runs.record import Run
from training.runs.trained import clip_of, trained_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Term):
    """1 - cosine of the angle between features, averaged over taps and clips."""

    weight: float = 1.0
    taps: tuple[str, ...] = ()

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        angles = [
            1 - F.cosine_similarity(ours.flatten(1), theirs.flatten(1)).mean()
            for ours, theirs in pairs(student, teacher, self.taps)
        ]
        return torch.stack(angles).mean()


def main(store: str, teacher: str, epochs: int = 2) -> None:
    torch.manual_seed(0)
    run = Run(Path(teacher))
    expert, config = trained_model(run)
    clips = StoreClips(store, modalities=["flow", "mv"], config=clip_of(run))
    sees = BackboneConfig(net=config.net, sees="mv", frames=config.frames)
    term = Cosine(taps=NETS[config.net].taps[-1:])
    theirs = Taps(expert, term.taps)
    ours = Taps(build_backbone(sees, len(clips.classes)), term.taps)
    optimizer = torch.optim.AdamW(ours.model.parameters(), lr=1e-3)
    loader = clips.loader(8)
    for epoch in range(epochs):
        clips.set_epoch(epoch)
        for batch in loader:
            with torch.no_grad():
                logits, features, _ = theirs(batch["flow"])
            told = Outputs(logits, features)
            logits, features, _ = ours(batch["mv"])
            loss = F.cross_entropy(logits, batch["label"])
            angle = term(Outputs(logits, features), told)
            optimizer.zero_grad()
            (loss + term.weight * angle).backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: labels {loss:.3f}, cosine {angle:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
