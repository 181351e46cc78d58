"""The row of results.json, the only form in which a measured number leaves this package."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """What every row of one run has in common: data, model and code, each pinned."""

    dataset_revision: str | None
    model_revision: str | None
    code_commit: str | None
    run_id: str


@dataclass(frozen=True)
class Measure:
    """One measured number: n items counted, `unparsed` answers left out of the value.

    value_all: unparsed counted as wrong (accuracies), the figure two models are compared on.
    chance: a predictor that does not look at the item; constant: the best constant answer.
    unit: `share` is 0..1. clusters, resamples, seed, redrawn: how the interval was made.
    beside: what must be read with the value. flags: `constant`, `over 5 % unparsed`, `synthetic`.
    """

    task: str
    version: int
    n: int
    unparsed: int
    metric: str
    value: float | None
    interval: list[float] | None
    chance: float | None
    cell: str = ""
    table: int = 0
    column: str = ""
    value_all: float | None = None
    constant: float | None = None
    unit: str = ""
    higher_is_better: bool = True
    split: str = ""
    clusters: int | None = None
    resamples: int | None = None
    seed: int | None = None
    redrawn: int | None = None
    beside: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def write_results(path: Path, measures: Sequence[Measure], source: Source) -> list[dict[str, Any]]:
    """Write the rows, a JSON list, one object per measure; return them."""
    rows = [asdict(measure) | asdict(source) for measure in measures]
    write_json(path, rows)
    return rows


def read_results(path: Path) -> list[dict[str, Any]]:
    """The rows of a results.json; ValueError when it is not one."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(rows, list) or any("task" not in row or "value" not in row for row in rows):
        raise ValueError(f"{path} is no results.json: expected the list that `score` writes")
    return rows


def items_path(results: Path) -> Path:
    """Where the items behind a results.json stand."""
    return results.with_suffix(".items.jsonl")


def write_json(path: Path, value: object) -> None:
    """Write JSON in one step: a reader sees the old file or the whole new one."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def digest(*texts: str) -> str:
    """SHA-256 of texts, kept apart by a zero byte."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
