"""The batches of one process, from any step of the run on and without end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader, Dataset

from trainer.data.collator import Collator
from trainer.data.mixture import BEHAVIOR, Draw, MicroBatches, Mixture, TooFewSamples
from trainer.data.stream import Bookmark


@dataclass
class MixedRows(Dataset):  # type: ignore[type-arg]
    """The rows of both sources by draw; workers hold copies, and need no word of the epoch."""

    behavior: Any  # BehaviorRows, or StreamedRows
    mix: Any | None

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        """Return one row for the collator, with the pass it belongs to."""
        if draw.source != BEHAVIOR:
            assert self.mix is not None
            return {**self.mix[draw.place], "turn": draw.turn}
        if draw.lane >= 0:
            return dict(self.behavior(draw.lane, draw.place))
        return {**self.behavior[draw.place], "turn": draw.turn}


@dataclass
class RunData:
    """All that a run trains on: rows and their order."""

    rows: MixedRows
    mixture: Mixture
    samples: tuple[int, ...]  # of each source, of one pass

    @property
    def stand_in(self) -> Any:
        """A data set for the library's trainer, which wants one that has a length."""
        return datasets.Dataset.from_dict({"json": ["the rows come from get_batch_samples"]})

    def check(self, processes: int) -> None:
        """Raise TooFewSamples when the processes take more samples at once than there are."""
        taken, held = processes * self.mixture.micro, sum(self.samples)
        if self.mixture.share in (0, 1):
            held = self.samples[int(1 - self.mixture.share)]
        if held < taken:
            raise TooFewSamples(
                f"{held} samples for {processes} processes that take "
                f"{self.mixture.micro} each: use fewer processes, a smaller "
                "per_device_train_batch_size, or more data"
            )

    def batches(
        self,
        collator: Collator,
        process: int,
        processes: int,
        step: int,
        options: Mapping[str, Any],
        bookmarks: Mapping[int, Bookmark],
    ) -> Iterator[dict[str, Any]]:
        """Yield this process' batches from a step on; one loader for the whole run.

        Its workers start once, so epochs have no gap, and what they should do comes with every
        index: nothing in them can be out of date.
        """
        if self.mixture.lanes:
            self.rows.behavior.bookmarks = bookmarks
        sampler = MicroBatches(self.mixture, self.mixture.micro, process, processes, step)
        loader = DataLoader(
            self.rows,
            batch_sampler=sampler,
            collate_fn=collator.counted,
            # of its own: a draw from the run's generator when it starts would come in another
            # place of a resumed run, and change every dropout after it
            generator=torch.Generator().manual_seed(self.mixture.seed),
            **options,
        )
        return iter(loader)
