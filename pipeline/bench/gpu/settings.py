"""Settings that every stage gets, as text between processes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the process of a stage."""

    seconds: float
    """Time limit of the stage. It is stopped then, and rows reported so far are kept."""
    clips_folder: Path | None = None
    """Real clips and Middlebury's pairs; None: drawn ones."""
    store: str | None = None
    """Store or its address to train on; None: one is made of the clips."""
    height: int = 256
    width: int = 340
    """Size of the frames of speeds and answers, px."""

    def to_text(self) -> str:
        """The settings for the command line of a process."""
        values = asdict(self)
        folder = values.pop("clips_folder")
        return json.dumps(values | ({"clips_folder": str(folder)} if folder else {}))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The settings of a text that `to_text` made."""
        values = json.loads(text)
        if folder := values.pop("clips_folder", None):
            values["clips_folder"] = Path(folder)
        return cls(**values)
