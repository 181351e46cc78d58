"""The funnel as a picture: remaining posts per step, the paper's beside ours, as waterfalls."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dataset_builder.work.whole_files import whole

SHOWN = 2  # reasons named beside a bar
PAPER_COLUMN = 1.85
KEPT, DROPPED, PAPER = "#2f6f9f", "#d9dee3", "#c8553d"


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write the picture; columns of the ledger without a step are left out."""
    columns = sorted({(row["source"], row["media_type"]) for row in found["steps"]})
    height = 1.2 + 0.42 * len(found["steps"]) + 0.9 * max(1, len(columns))
    figure = Figure(figsize=(13, height), layout="constrained")
    FigureCanvasAgg(figure)
    if not columns:
        figure.text(0.5, 0.5, "no posts were read", ha="center", va="center")
    else:
        sizes = [sum(_of(row, column) for row in found["steps"]) for column in columns]
        axes = figure.subplots(len(columns), 1, height_ratios=sizes, squeeze=False)
        for axis, column in zip(axes[:, 0], columns, strict=True):
            _panel(axis, column, [row for row in found["steps"] if _of(row, column)])
        figure.suptitle("What each step of the paper leaves: ours and the paper's", fontsize=12)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    with whole(path) as name:
        # no date, no library version: the same funnel gives the same bytes
        figure.savefig(name, format="png", dpi=110, metadata={"Software": None})


def _of(row: Mapping[str, Any], column: tuple[str, str]) -> bool:
    return (row["source"], row["media_type"]) == column


def _panel(axis: Axes, column: tuple[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    start = max(1, rows[0]["in"])
    paper_start = next((row["paper"] for row in rows if row["paper"]), None)
    places = range(len(rows))
    ours = [row["out"] / start for row in rows]
    before = [row["in"] / start for row in rows]
    axis.barh(places, before, height=0.7, color=DROPPED, label="dropped at this step")
    axis.barh(places, ours, height=0.7, color=KEPT, label="left (ours)")
    for place, row in zip(places, rows, strict=True):
        text = f"{row['out']:,}"
        if row["dropped"]:
            top = sorted(row["dropped"].items(), key=lambda item: (-item[1], item[0]))
            rest = ", …" if len(top) > SHOWN else ""
            why = ", ".join(f"{reason} -{count:,}" for reason, count in top[:SHOWN])
            text += f"   ({why}{rest})"
        share = row["paper"] / paper_start if row["paper"] and paper_start else 0.0
        axis.text(max(before[place], share) + 0.015, place, text, va="center", fontsize=8.5)
        if share:
            label = "left (paper, of its first count)" if place == _first_paper(rows) else None
            axis.plot(
                [share, share], [place - 0.42, place + 0.42], color=PAPER, lw=2.5, label=label
            )
            axis.text(
                PAPER_COLUMN, place, f"{row['paper']:,}", va="center", fontsize=8.5, color=PAPER
            )
    axis.set_yticks(list(places), [row["step"] for row in rows])
    axis.invert_yaxis()
    axis.set_xlim(0, PAPER_COLUMN + 0.15)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25 %", "50 %", "75 %", "100 %"])
    axis.set_title(f"{column[0]} {column[1]}s: {rows[0]['in']:,} read", loc="left", fontsize=11)
    axis.text(PAPER_COLUMN, -0.85, "paper", fontsize=8.5, color=PAPER)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _first_paper(rows: Sequence[Mapping[str, Any]]) -> int:
    return next(place for place, row in enumerate(rows) if row["paper"])
