"""What a run has done so far, over all its launches and processes."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accelerate.utils import gather_object


@dataclass
class Counts:
    """One process' counts of this launch, on top of what earlier launches of the run counted.

    Only batches that a step took are counted: workers run ahead.
    """

    earlier: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 0
    mix_samples: int = 0
    dropped: int = 0
    tokens: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    waited: float = 0.0
    started: float = field(default_factory=time.monotonic)
    bookmarks: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def take(self, about: Mapping[str, Any], micro: int) -> None:
        """Count one batch that a step is about to take."""
        self.samples += micro
        self.mix_samples += about["mix"]
        self.dropped += about["dropped"]
        self.tokens += about["tokens"]
        self.broken.update(about["broken"])
        self.tasks.update(f"{kind} {task}" for kind, task in about["tasks"])
        for lane, *mark in about["bookmarks"]:
            self.bookmarks[lane] = tuple(mark)

    def total(self) -> dict[str, Any]:
        """Return the sums over launches and processes; collective: every process calls it."""
        mine = {
            "samples": self.samples,
            "mix_samples": self.mix_samples,
            "dropped": self.dropped,
            "tokens": self.tokens,
            "waited": self.waited,
        }
        every: Sequence[Any] = gather_object(
            [(mine, dict(self.broken), dict(self.tasks), self.bookmarks)]
        )
        found: dict[str, Any] = {
            name: self.earlier.get(name, 0) + sum(part[0][name] for part in every) for name in mine
        }
        broken = Counter(self.earlier.get("broken", {}))
        tasks = Counter(self.earlier.get("tasks", {}))
        marks = dict(self.earlier.get("bookmarks", {}))
        for _, names, taught, lanes in every:
            broken.update(names)
            tasks.update(taught)
            marks |= {str(lane): list(mark) for lane, mark in lanes.items()}
        seconds = self.earlier.get("seconds", 0.0) + time.monotonic() - self.started
        found |= {"broken": dict(broken), "tasks": dict(tasks), "bookmarks": marks}
        found["seconds"] = seconds
        return found | {"launches": self.earlier.get("launches", 0) + 1}
