"""One figure: every cell's difference with its interval, better to the right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.evaluation.compare import Difference

GOOD, BAD, OPEN = "#1b7837", "#b2182b", "#777777"


@dataclass(frozen=True)
class Point:
    """One line of the plot: a signed difference, positive is better."""

    name: str
    value: float
    low: float
    high: float
    n: int


def from_differences(found: Sequence[Difference]) -> list[Point]:
    """A minus B, in percent of B where that is an error, else times 100."""
    return [
        _signed(
            short_name(d.task, d.cell),
            d.difference,
            d.interval,
            d.higher_is_better,
            d.n,
            _scale(d.b, d),
        )
        for d in found
        if d.interval is not None
    ]


def short_name(task: str, cell: str) -> str:
    """A task's name, with the cell where the task has several."""
    return task if cell in ("accuracy", "rho", task.split("/")[-1]) else f"{task} {cell}"


def _scale(base: float, row: Any) -> float:
    return 100 if row.higher_is_better else 100 / abs(base or 1)


def from_constants(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Measured values against the best constant answer, for one run alone."""
    points = []
    for row in rows:
        if row["interval"] is None or row["constant"] is None or not row["table"]:
            continue
        gain = row["value"] - row["constant"]
        edges = [edge - row["constant"] for edge in row["interval"]]
        scale = 100 if row["higher_is_better"] else 100 / abs(row["constant"] or 1)
        name = short_name(row["task"], row["cell"])
        points.append(_signed(name, gain, edges, row["higher_is_better"], row["n"], scale))
    return points


def _signed(
    name: str, value: float, edges: Sequence[float] | None, higher: bool, n: int, scale: float
) -> Point:
    sign = scale if higher else -scale
    low, high = sorted(sign * edge for edge in edges or (value, value))
    return Point(name, sign * value, low, high, n)


def forest_plot(points: Sequence[Point], title: str, path: Path) -> None:
    """Draw the points to a PNG; green and red intervals leave zero out, gray ones hold it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    height = 1.6 + 0.3 * max(len(points), 1)
    figure, axes = pyplot.subplots(figsize=(9, height), layout="constrained")
    for place, point in enumerate(reversed(points)):
        colour = GOOD if point.low > 0 else BAD if point.high < 0 else OPEN
        axes.plot([point.low, point.high], [place, place], color=colour, linewidth=2.4)
        axes.plot(point.value, place, "o", color=colour, markersize=6)
    if not points:
        axes.text(
            0.5, 0.5, "no cell has an interval to show", transform=axes.transAxes, ha="center"
        )
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(
        range(len(points)), [f"{p.name}  (n={p.n})" for p in reversed(points)], fontsize=8
    )
    axes.set_xlabel("worse  ←  points (errors: percent of the other's)  →  better", fontsize=9)
    axes.set_title(title, fontsize=11, loc="left")
    axes.grid(axis="x", alpha=0.3)
    clear = sum(p.low > 0 for p in points), sum(p.high < 0 for p in points)
    axes.text(
        1,
        1.01,
        f"{clear[0]} clearly better · {len(points) - sum(clear)} open · {clear[1]} clearly worse",
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=9,
    )
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
