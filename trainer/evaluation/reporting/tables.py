"""Tables 1 to 9: the paper's rows, ours, chance and constant, improvements recomputed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.evaluation.reporting.paper import Improvement, audit, paper_tables
from trainer.evaluation.tasks import TASKS

NOT_MEASURED = "not measured"
TITLES = {
    "1_lvu": "Table 1: LVU (top-1 accuracy in %, MSE for like ratio and view count)",
    "2_hvu": "Table 2: HVU tag picking (%)",
    "3_videoqa": "Table 3: video questions (judge accuracy in %, score 0-5)",
    "4_ads": "Table 4: advertisements (top-1 accuracy in %)",
    "5_video_emotion": "Table 5: emotions of videos (top-1 accuracy in %)",
    "6_image_emotion": "Table 6: emotions of pictures (top-1 accuracy in %)",
    "7_captioning": "Table 7: dense captions (judge's score 1-10)",
    "8_memorability": "Table 8: memorability (Spearman's rho)",
    "9_ablation": "Table 9: behaviour and ablations",
}
Run = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One row of a table. kind: paper, claimed, chance, constant, ours. cells: column -> text."""

    name: str
    kind: str
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """One table with its columns; flagged: improvements that its own numbers do not give."""

    key: str
    title: str
    columns: list[str]
    lines: list[Line]
    improvements: list[Improvement]

    @property
    def flagged(self) -> list[Improvement]:
        """The printed improvements that are arithmetically wrong."""
        return [item for item in self.improvements if item.verdict == "wrong"]


def build_tables(runs: Mapping[str, Sequence[Run]]) -> list[Table]:
    """The nine tables with one more row per run (name -> rows of its results.json)."""
    audited = audit()
    return [_table(key, runs, audited) for key in TITLES]


def _table(key: str, runs: Mapping[str, Sequence[Run]], audited: Sequence[Improvement]) -> Table:
    known = paper_tables()[key]
    columns = list(known["columns"])
    number = int(key.split("_")[0])
    cells = {c.column: (t, c) for t in TASKS for c in t.cells if c.table == number and c.column}
    lines = []
    for name, row in known["rows"].items():
        claimed = "claimed" in name
        shown = {c: _plain(row.get(c), claimed) for c in columns}
        lines.append(Line(name, "claimed" if claimed else "paper", shown))
        if claimed:
            lines.append(_recomputed(key, name, columns, audited))
    for kind in ("chance", "constant"):
        shown = {}
        for column in columns:
            task_cell = cells.get(column)
            value = getattr(task_cell[1], kind) if task_cell else None
            unit = (
                "share" if task_cell and task_cell[0].metric not in ("mse", "Spearman rho") else ""
            )
            shown[column] = _number(value, unit)
        lines.append(Line(kind, kind, shown))
    for name, rows in runs.items():
        measured = {r["column"]: r for r in rows if r["table"] == number and r["column"]}
        shown = {c: _measured(measured.get(c)) for c in columns}
        lines.append(Line(name, "ours", shown))
    mine = [item for item in audited if item.table == key]
    return Table(key, TITLES[key], columns, lines, mine)


def _recomputed(key: str, row: str, columns: Sequence[str], audited: Sequence[Improvement]) -> Line:
    found = {i.column: i for i in audited if (i.table, i.row) == (key, row)}
    shown = {}
    for column in columns:
        item = found.get(column)
        mark = " WRONG" if item and item.verdict == "wrong" else ""
        shown[column] = f"{item.recomputed:.2f}%{mark}" if item else ""
    return Line(
        f"{row.rsplit('/', 1)[0]}/recomputed" if "/" in row else "recomputed", "claimed", shown
    )


def _plain(value: float | None, percent: bool) -> str:
    return "" if value is None else f"{value}{'%' if percent else ''}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{100 * value:.2f}" if unit == "share" else f"{value:.3f}"


def _measured(row: Run | None) -> str:
    if row is None:
        return NOT_MEASURED
    if row["value"] is None:
        return f"no value ({row['unparsed']} of {row['n']} unparsed)"
    text = _number(row["value"], row["unit"])
    if row["interval"]:
        low, high = (_number(edge, row["unit"]) for edge in row["interval"])
        text += f" [{low}, {high}]"
    marks = [f for f in row["flags"] if f != "constant"] + (
        ["constant answer"] if "constant" in row["flags"] else []
    )
    return text + (f" ({', '.join(marks)})" if marks else "")


def improvements_of(base: Sequence[Run], new: Sequence[Run]) -> list[tuple[str, str, float]]:
    """(task, cell, percent) of one measured run over another, from unrounded values."""
    first = {(r["task"], r["cell"]): r for r in base}
    found = []
    for row in new:
        other = first.get((row["task"], row["cell"]))
        if other is None or None in (row["value"], other["value"]) or not other["value"]:
            continue
        change = row["value"] - other["value"]
        sign = 1 if row["higher_is_better"] else -1
        found.append((row["task"], row["cell"], sign * 100 * change / abs(other["value"])))
    return found
