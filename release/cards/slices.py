"""Slices of a data set by platform, year, length and popularity; each sums to the total."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

LENGTHS = (
    (10, "under 10 s"),
    (30, "10 to 30 s"),
    (60, "30 to 60 s"),
    (float("inf"), "60 s and more"),
)
VIEWS = ((1e4, "under 10,000"), (1e5, "10,000 to 100,000"), (1e6, "100,000 to 1 million"),
         (float("inf"), "1 million and more"))  # fmt: skip
SCORES = (
    (100, "under 100"),
    (1000, "100 to 1,000"),
    (10_000, "1,000 to 10,000"),
    (float("inf"), "10,000 and more"),
)


@dataclass
class Survey:
    """One pass over the rows of a release: what its card counts, and one row to show."""

    total: int = 0
    sources: set[str] = field(default_factory=set)
    empty: Counter[str] = field(default_factory=Counter)
    slices: dict[str, Counter[str]] = field(default_factory=dict)
    example: dict[str, Any] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        self.total += 1
        self.sources.add(row["source"])
        self.empty.update(name for name, value in row.items() if value is None or value == [])
        for name, value in {
            "platform": row["source"],
            "year": (row["created"] or "unknown")[:4] if row["created"] else "unknown",
            "length": _length(row),
            "popularity": _popularity(row),
            "language": row.get("language") or "unknown",
        }.items():
            self.slices.setdefault(name, Counter())[value] += 1
        if not self.example or _rank(row) < _rank(self.example):
            self.example = row


def survey(rows: Iterable[dict[str, Any]]) -> Survey:
    """Count every row once; the same rows in any order give the same survey."""
    found = Survey()
    for row in rows:
        found.add(row)
    found.slices = {name: Counter(dict(sorted(v.items()))) for name, v in found.slices.items()}
    return found


def _rank(row: dict[str, Any]) -> tuple[int, str]:
    """The example shown is the sample with most comments, the first of them by id."""
    return -len(row.get("comments") or []), row["id"]


def _length(row: dict[str, Any]) -> str:
    if row["media_type"] == "image":
        return "picture"
    return _bin(row["duration"], LENGTHS, "")


def _popularity(row: dict[str, Any]) -> str:
    if row["views"] is not None:
        return _bin(row["views"], VIEWS, "views ")
    return _bin(row["score"], SCORES, "score ")


def _bin(value: float | None, edges: tuple[tuple[float, str], ...], before: str) -> str:
    if value is None:
        return "unknown"
    return before + next(name for edge, name in edges if value < edge)


def metadata_rows(folder: Path, columns: list[str] | None = None) -> Iterable[dict[str, Any]]:
    """Rows of every metadata file of a release folder, a batch in memory at a time."""
    for path in sorted((folder / "metadata").rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            wanted = None if columns is None else [c for c in columns if c in known]
            for batch in file.iter_batches(batch_size=4096, columns=wanted):
                yield from batch.to_pylist()
