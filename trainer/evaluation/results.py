"""The row of results.json, the only form in which a measured number leaves this package."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.provenance import write_json


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

    `chance` is the value of a predictor that does not look at the item; None where there is none.
    """

    task: str
    version: int
    n: int
    unparsed: int
    metric: str
    value: float | None
    interval: list[float] | None
    chance: float | None


def write_results(path: Path, measures: Sequence[Measure], source: Source) -> list[dict[str, Any]]:
    """Write the rows, a JSON list, one object per measure; return them."""
    rows = [asdict(measure) | asdict(source) for measure in measures]
    write_json(path, rows)
    return rows
