"""The funnel as a picture: posts left per step beside the paper's, and where the comments went."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dataset_builder.work.whole_files import whole

Rows = Sequence[Mapping[str, Any]]
NOTHING = "No posts were read"
KEPT, DROPPED, PAPER = "#2f6f9f", "#d9dee3", "#c8553d"
# columns right of the bars, in shares of their length
OURS_AT, PAPER_AT, REASONS_AT, END = 1.24, 1.55, 1.6, 3.05
LETTERS = 56  # of reasons in a line
LINE, SMALL = 0.24, 8.5  # inches of a line of reasons, size of the text


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write the picture: a row of two panels, posts and comments, for each kind of medium."""
    columns = sorted({(row["source"], row["media_type"]) for row in found["steps"]})
    panels = [(_rows(found["steps"], c), _comment_bars(found, c)) for c in columns]
    heights = [0.85 + LINE * max(_height(steps), 1.25 * len(said)) for steps, said in panels]
    figure = Figure(figsize=(16, 1.1 + (sum(heights) or 1.0)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(found.get("headline", NOTHING), fontsize=14, fontweight="bold")
    if panels:
        ratios = {"height_ratios": heights, "width_ratios": [2.2, 1]}
        axes = figure.subplots(len(panels), 2, squeeze=False, gridspec_kw=ratios)
        for (left, right), column, (steps, said) in zip(axes, columns, panels, strict=True):
            _posts_panel(left, " ".join(column), steps)
            paper = next((row["paper"] for row in _rows(found["comments"], column)), None)
            _comments_panel(right, " ".join(column), said, paper)
        handles = {label: h for a in axes[:, 0] for h, label in _legend(a)}
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower left", ncols=3, frameon=False
        )
    with whole(path) as name:
        # no date, no library version: the same funnel gives the same bytes
        figure.savefig(name, format="png", dpi=110, metadata={"Software": None})


def _rows(rows: Rows, column: tuple[str, str]) -> Rows:
    return [row for row in rows if (row["source"], row["media_type"]) == column]


def _why(row: Mapping[str, Any]) -> list[str]:
    """All reasons of a step with their counts, in lines; the most frequent first."""
    dropped = sorted(row["dropped"].items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{reason}\N{NO-BREAK SPACE}{count:,}" for reason, count in dropped)
    return textwrap.wrap(text, LETTERS, break_on_hyphens=False) or [""]


def _height(rows: Rows) -> float:
    """Lines that a panel of these steps needs."""
    return sum(0.6 + len(_why(row)) for row in rows)


def _posts_panel(axis: Axes, name: str, rows: Rows) -> None:
    """Bars in shares of what was read; the paper's marks start at our bar of its first count."""
    read = max(1, rows[0]["in"])
    first = next((row for row in rows if row["paper"]), None)
    top, places = 0.0, []
    for row in rows:
        lines = _why(row)
        tall = 0.6 + len(lines)
        place = top + tall / 2
        places.append(place)
        top += tall
        axis.barh(place, row["in"] / read, 1.0, color=DROPPED, label="dropped at this step")
        axis.barh(place, row["out"] / read, 1.0, color=KEPT, label="left")
        axis.text(OURS_AT, place, f"{row['out']:,}", va="center", ha="right", fontsize=SMALL)
        axis.text(REASONS_AT, place, "\n".join(lines), va="center", fontsize=SMALL)
        if row["paper"] and first:
            share = row["paper"] / first["paper"] * first["out"] / read
            label = "the paper's, its first count set equal to ours of the same step"
            axis.plot([share] * 2, [place - 0.6, place + 0.6], color=PAPER, lw=2.5, label=label)
            said = f"{row['paper']:,}"
            axis.text(PAPER_AT, place, said, va="center", ha="right", fontsize=SMALL, color=PAPER)
    for at, text in ((OURS_AT, "left"), (PAPER_AT, "paper")):
        axis.text(at, -0.1, text, ha="right", va="bottom", fontsize=SMALL, fontweight="bold")
    axis.text(
        REASONS_AT, -0.1, "dropped, by reason", va="bottom", fontsize=SMALL, fontweight="bold"
    )
    axis.set_yticks(places, [row["step"] for row in rows])
    axis.set_ylim(top, -0.9)
    axis.set_xlim(0, END)
    _plain(axis, f"{name}s: {rows[-1]['out']:,} of {rows[0]['in']:,} posts kept")


def _comment_bars(found: Mapping[str, Any], column: tuple[str, str]) -> list[tuple[str, int, int]]:
    """(name, before, after) of a waterfall of comments: each reason in turn, then what is kept."""
    rows = _rows(found["comments"], column)
    if not rows:
        return []
    (row,) = rows
    dropped: dict[str, int] = {}
    for reason, count in row["dropped"].items():
        name = "of dropped posts" if reason.startswith("post_dropped:") else reason
        dropped[name] = dropped.get(name, 0) + count
    left, bars = row["in"], []
    for name, count in sorted(dropped.items(), key=lambda item: (-item[1], item[0])):
        bars.append((name, left, left - count))
        left -= count
    return [*bars, ("kept", left, left)]


def _comments_panel(
    axis: Axes, name: str, bars: Sequence[tuple[str, int, int]], paper: int | None
) -> None:
    """What each reason took, the largest first; the paper tells only how many it kept."""
    read = max(1, bars[0][1] if bars else 1)
    for place, (what, before, after) in enumerate(bars):
        axis.barh(place, before / read, 0.7, color=DROPPED)
        axis.barh(place, after / read, 0.7, color=KEPT)
        said = f"{after:,}" if what == "kept" else f"\N{MINUS SIGN}{before - after:,}"
        axis.text(1.03, place, said, va="center", fontsize=SMALL)
    axis.set_yticks(range(len(bars)), [what for what, _, _ in bars])
    axis.set_ylim(len(bars) - 0.4, -0.8)
    axis.set_xlim(0, 1.25)
    kept = f"{bars[-1][2]:,} of {bars[0][1]:,}" if bars else "no"
    _plain(axis, f"{name}s: {kept} comments kept")
    if paper:
        said = f"the paper kept {paper:,}"
        axis.text(1.25, -0.75, said, ha="right", va="bottom", fontsize=SMALL, color=PAPER)


def _plain(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=11, pad=12)
    axis.set_xticks([0, 0.5, 1.0], ["0", "50 %", "100 % of what was read"])
    axis.tick_params(axis="both", length=0, labelsize=SMALL)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)


def _legend(axis: Axes) -> list[tuple[Any, str]]:
    return list(zip(*axis.get_legend_handles_labels(), strict=True))
