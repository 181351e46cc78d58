"""Table 9: what each selection's model predicts on held-out posts, beside the paper's numbers."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.loop.report import table
from trainer.provenance import write_json

# (comment perplexity, R2 of likes/views), as printed; the paper names no ranking or predicting,
# no controls and no ratio here
PAPER: dict[str, tuple[float, float]] = {
    "base": (6.22, -0.1),
    "salicon_region_ranking": (6.25, -0.07),
    "salicon_object_ranking": (6.12, 0.05),
    "likes": (6.15, 0.38),
    "comments": (3.02, 0.19),
    "behavior": (3.05, 0.4),
}
MEASURES = {"perplexity": "comment perplexity", "r2": "R² of percent liked"}


def write_table(
    out: Path, cells: Sequence[tuple[str, str]], absent: Mapping[str, str]
) -> dict[str, Any]:
    """Write table9.json, .md and .png from the results that are there; return the JSON."""
    rows = []
    for name in dict.fromkeys(name for name, _ in cells):
        folders = [folder for cell, folder in cells if cell == name]
        values: dict[str, list[float]] = {measure: [] for measure in MEASURES}
        for folder in folders:
            path = out / "results" / f"{folder}.json"
            for row in json.loads(path.read_text(encoding="utf-8")) if path.is_file() else ():
                if row["metric"] in values and row["value"] is not None:
                    values[row["metric"]].append(row["value"])
        paper = dict(zip(MEASURES, PAPER.get(name, (None, None)), strict=True))
        rows.append({"cell": name, "measured": values, "paper": paper, "why": absent.get(name)})
    found = {"table": 9, "rows": rows}
    write_json(out / "table9.json", found)
    (out / "table9.md").write_text(markdown(rows), encoding="utf-8")
    draw(rows, out / "table9.png")
    return found


def shown(values: Sequence[float], why: str | None) -> str:
    """Return a mean with its range over seeds, or that nothing was measured, and why."""
    if not values:
        return f"not measured ({why})" if why else "not measured"
    mean = f"{statistics.fmean(values):.2f}"
    spread = f" ({min(values):.2f} to {max(values):.2f}, {len(values)} seeds)"
    return mean + (spread if len(values) > 1 else "")


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as text: ours and the paper's side by side."""
    heads = ["trained on", *(f"{title}{whose}" for title in MEASURES.values()
                             for whose in ("", ", paper"))]  # fmt: skip
    body = [
        [row["cell"], *(text for name in MEASURES for text in (
            shown(row["measured"][name], row["why"]), row["paper"][name]))]
        for row in rows
    ]  # fmt: skip
    note = "Measured on the held-out split by `python -m trainer.evaluation behavior`."
    return f"# Table 9\n\n{note}\n\n{table(heads, body)}\n"


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw a panel per measure with a bar per measured cell."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(MEASURES), figsize=(10, 0.35 * len(rows) + 1.5))
    for panel, (name, title) in zip(panels, MEASURES.items(), strict=True):
        known = [row for row in rows if row["measured"][name]]
        means = [statistics.fmean(row["measured"][name]) for row in known]
        panel.barh([row["cell"] for row in known], means)
        panel.invert_yaxis()
        panel.set_title(title, fontsize=10)
        panel.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
