"""A streamed release read in lanes: sequential and shuffled, the same order for any processes.

The shards of a pass are dealt to L lanes; micro-batch m of a run takes its rows from lane m mod L,
so with processes x workers dividing L no shard is read twice, and with any other number the order
is still the same. Inside a lane rows are shuffled in windows. A `Bookmark` says where a window
begins: it saves reading on resume, it never decides what comes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from trainer.data.behavior import usable
from trainer.data.mixture import fingerprint
from trainer.data.rows import DatasetProblem
from trainer.data.selections import Selection, of_form, with_comments_of


class Bookmark(NamedTuple):
    """Where a lane's window begins: its first rank, pass, shard of the pass, rows before it."""

    rank: int
    turn: int
    shard: int
    skipped: int


@dataclass
class StreamedRows:
    """Rows of a streamed release by (lane, rank); ranks of a lane are asked for in order."""

    stream: Any  # datasets.IterableDataset
    chosen: Selection
    mix: Mapping[str, float]
    seed: int
    lanes: int
    window: int
    shuffled: bool
    bookmarks: Mapping[int, Bookmark] = field(default_factory=dict)
    _readers: dict[int, Iterator[dict[str, Any]]] = field(default_factory=dict)
    _next: dict[int, int] = field(default_factory=dict)

    def __call__(self, lane: int, rank: int) -> dict[str, Any]:
        """Return the row of a lane; earlier ones are read over."""
        if lane not in self._readers or self._next[lane] > rank:
            mark = self.bookmarks.get(lane)
            mark = mark if mark and mark.rank <= rank else Bookmark(0, 0, 0, 0)
            self._readers[lane] = self._lane(lane, mark)
            self._next[lane] = mark.rank
        row: dict[str, Any] = {}
        while self._next[lane] <= rank:
            row = next(self._readers[lane])
            self._next[lane] += 1
        return row

    def shards(self, lane: int, turn: int) -> list[int]:
        """Return the lane's shards of one pass, in their order."""
        every = list(range(self.stream.num_shards))
        if self.shuffled:
            every.sort(key=lambda shard: fingerprint(self.seed, "shard", turn, shard))
        return every[lane :: self.lanes]

    def _lane(self, lane: int, mark: Bookmark) -> Iterator[dict[str, Any]]:
        """Yield a lane's rows from a bookmark on, pass after pass, without end."""
        rank = mark.rank
        while True:
            first = rank
            for start, rows in self._windows(lane, mark):
                here = Bookmark(rank, mark.turn, *start)
                for row in self._shuffled(rows, mark.turn):
                    yield {**row, "turn": mark.turn, "bookmark": (lane, *here)}
                    rank += 1
            if rank == first and not (mark.shard or mark.skipped):
                raise DatasetProblem(
                    f"a whole pass over shards {self.shards(lane, mark.turn)} has no sample with a "
                    f"turn of task_mix {','.join(self.mix)!r}: choose another selection"
                )
            mark = Bookmark(rank, mark.turn + 1, 0, 0)

    def _windows(
        self, lane: int, mark: Bookmark
    ) -> Iterator[tuple[tuple[int, int], list[dict[str, Any]]]]:
        """Yield ((shard, rows before it), usable rows) of each window of the rest of a pass."""
        start, rows = (mark.shard, mark.skipped), []
        for place, shard in enumerate(self.shards(lane, mark.turn)):
            if place < mark.shard:
                continue
            skipped = mark.skipped if place == mark.shard else 0
            for raw, row in enumerate(self._read(shard, skipped), skipped):
                if usable(row["json"], self.mix, self.chosen.form):
                    rows.append(row)
                if len(rows) == self.window:
                    yield start, rows
                    start, rows = (place, raw + 1), []
        if rows:
            yield start, rows

    def _read(self, shard: int, skipped: int) -> Iterator[dict[str, Any]]:
        """Yield one shard's rows. `iter` and not the iterator: that one deals shards to workers."""
        one = self.stream.shard(self.stream.num_shards, shard)
        for batch in (one.skip(skipped) if skipped else one).iter(batch_size=1):
            yield {name: values[0] for name, values in batch.items()}

    def _shuffled(self, rows: list[dict[str, Any]], turn: int) -> list[dict[str, Any]]:
        if self.shuffled:
            rows.sort(key=lambda row: fingerprint(self.seed, turn, row["json"]["id"]))
        samples = [row["json"] for row in rows]
        if self.chosen.shuffled:
            samples = wrong_comments(samples)
        form = self.chosen.form
        return [
            {**row, "json": {**sample, "turns": of_form(sample["turns"], form)}}
            for row, sample in zip(rows, samples, strict=True)
        ]


def wrong_comments(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each sample of a window the comments of the one before it of its kind of media."""
    last: dict[str, dict[str, Any]] = {str(s.get("media_type")): s for s in samples}
    counts = Counter(str(sample.get("media_type")) for sample in samples)
    found = []
    for sample in samples:
        kind = str(sample.get("media_type"))
        found.append(with_comments_of(sample, last[kind]) if counts[kind] > 1 else sample)
        last[kind] = sample
    return found
