"""Where a build keeps its files."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Layout:
    """Paths of one build folder."""

    root: Path

    @property
    def work(self) -> Path:
        """Intermediate files of every stage."""
        return self.root / "work"

    @property
    def text(self) -> Path:
        """What the media stage reads: posts.parquet and comments.parquet."""
        return self.work / "text"

    @property
    def parts(self) -> Path:
        """Partitions and verdicts of the text stage; removed after success."""
        return self.work / "parts"

    @property
    def ledger(self) -> Path:
        """Ledger parts, Parquet."""
        return self.root / "ledger"

    @property
    def quarantine(self) -> Path:
        """Lines set apart, JSON lines per input."""
        return self.root / "quarantine"

    @property
    def logs(self) -> Path:
        """The executor's logs and completion markers."""
        return self.work / "logs"

    @property
    def key_file(self) -> Path:
        """Secret of the author hashes; stays here, never in the release."""
        return self.work / "author.key"

    def forget_intermediate(self) -> None:
        """Remove what only a build that goes on would need."""
        for folder in (self.parts, self.work / "spill"):
            shutil.rmtree(folder, ignore_errors=True)


def state_text(state: Mapping[str, Any]) -> str:
    """The content of work/state.json, by which a build knows its own files again."""
    return json.dumps(state, indent=1, sort_keys=True) + "\n"
