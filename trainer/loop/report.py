"""run.md and run.png beside a trained model: curves, mix, counts, settings, environment."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CURVES = (
    ("loss", "training loss"),
    ("eval_comment_perplexity", "comment perplexity, held out"),
    ("eval_liked_r2", "R² of percent liked, held out"),
    ("tokens_per_second", "tokens/s"),
)
TASK_LOSSES = ("scenes", "likes", "comments", "mix")


def write_report(folder: Path, summary: dict[str, Any]) -> None:
    """Write both files; the picture has a panel per curve that the run has."""
    history = [*summary["loss_curve"], *summary["evaluations"]]
    draw(history, folder / "run.png")
    (folder / "run.md").write_text(markdown(summary), encoding="utf-8")


def markdown(summary: dict[str, Any]) -> str:
    """Return the report as text; every number in it was measured by this run."""
    counted = (
        *("steps", "epochs", "samples_seen", "samples_dropped", "tokens_seen", "launches"),
        *("world_size", "seconds", "tokens_per_second", "data_wait_share", "peak_memory_bytes"),
        *("best_step", "mix_unusable", "mix_broken"),
    )
    sources = [
        (name, size, summary["source_epochs"][name])
        for name, size in summary["source_samples"].items()
    ]
    parts = [(row["part"], row["total"], row["trained"]) for row in summary["parameter_table"]]
    pinned = ("dataset", "dataset_revision", "base_model", "base_revision", "code_commit", "seed")
    return "\n\n".join(
        [
            "# Training run",
            "![curves](run.png)",
            table(("what", "value"), [(name, summary[name]) for name in pinned]),
            "## Counts\n\n" + table(("what", "value"), [(name, summary[name]) for name in counted]),
            "## Mix\n\n" + table(("source", "samples", "epochs"), sources),
            "## Held-out posts\n\n" + evaluations(summary["evaluations"]),
            "## Parameters\n\n" + table(("part", "parameters", "trained"), parts),
            "## Environment\n\n" + table(("library", "version"), summary["versions"].items()),
            "## Settings\n\n```json\n"
            + json.dumps(summary["settings"], indent=1, default=str, ensure_ascii=False)
            + "\n```\n",
        ]
    )


def evaluations(entries: Sequence[dict[str, Any]]) -> str:
    """Return a row per evaluation; a sentence where none was made."""
    if not entries:
        return "Not measured: the recipe has no eval_strategy."
    names = sorted({name for entry in entries for name in entry if name.startswith("eval_")})
    heads = ["step", *(name.removeprefix("eval_") for name in names)]
    rows = [[entry["step"], *(entry.get(name) for name in names)] for entry in entries]
    return table(heads, rows)


def table(heads: Sequence[str], rows: Any) -> str:
    """Return a Markdown table; a bar in a cell is escaped, None is left empty."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def draw(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the curves that the history has, and the held-out loss of every task in one panel."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = [(key, title) for key, title in CURVES if any(key in entry for entry in history)]
    figure, axes = pyplot.subplots(1, len(found) + 1, figsize=(4 * (len(found) + 1), 3.2))
    panels = [axes] if not found else list(axes)
    for panel, (key, title) in zip(panels, found, strict=False):
        _line(panel, history, key)
        panel.set_title(title, fontsize=10)
    for task in TASK_LOSSES:
        _line(panels[-1], history, f"eval_{task}_loss", task)
    panels[-1].set_title("held-out loss by task", fontsize=10)
    if panels[-1].lines:
        panels[-1].legend(fontsize=8)
    for panel in panels:
        panel.set_xlabel("step", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _line(panel: Any, history: Sequence[dict[str, Any]], key: str, label: str = "") -> None:
    points = [(entry["step"], entry[key]) for entry in history if key in entry]
    if points:
        panel.plot(*zip(*points, strict=True), marker=".", label=label)
