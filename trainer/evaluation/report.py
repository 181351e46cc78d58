"""`report`: results.json of one or more models to tables, a figure, a page to browse and cards."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trainer.evaluation.compare import Difference, differences, read_items
from trainer.evaluation.inputs.media import index_media
from trainer.evaluation.inputs.predictions import json_lines, path_of
from trainer.evaluation.reporting.figure import forest_plot, from_constants, from_differences
from trainer.evaluation.reporting.hub import model_index, write_eval_results
from trainer.evaluation.reporting.page import page, thumbnail
from trainer.evaluation.reporting.paper import audit
from trainer.evaluation.reporting.tables import build_tables
from trainer.evaluation.reporting.text import markdown, terminal
from trainer.evaluation.results import items_path, read_results, write_json, write_text
from trainer.evaluation.tasks import TASKS

SAMPLES_PER_TASK = 24
EXAMPLE = """example:
  python -m trainer.evaluation report --results ours=ours.json base=base.json --out report
  python -m trainer.evaluation report --results ours.json --out report --predictions preds \\
      --annotations annotations --media media              # with samples to browse
"""


def add_command(commands: Any) -> None:
    """Add `report` to the evaluation's commands."""
    parser = commands.add_parser(
        "report",
        help="tables beside the paper's, figure, page, cards",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", required=True, nargs="+", help="[NAME=]results.json …")
    parser.add_argument("--out", required=True, type=Path, help="folder of the report")
    parser.add_argument("--clean", nargs="*", default=[], help="[NAME=]results on the clean subset")
    parser.add_argument("--predictions", type=Path, help="of the first model: samples to browse")
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--media", type=Path)
    parser.add_argument("--samples", type=int, default=SAMPLES_PER_TASK, help="per task")
    parser.add_argument("--json", action="store_true", help="print the files and flags as JSON")
    parser.set_defaults(run=run)


def named(texts: Sequence[str], mark: str = "") -> dict[str, Path]:
    """NAME=path or path -> name (the file's stem without one) and path; ValueError if twice."""
    found: dict[str, Path] = {}
    for text in texts:
        name, sign, rest = text.partition("=")
        path = Path(rest if sign else text)
        name = (name if sign else path.stem) + mark
        if name in found:
            raise ValueError(f"two results are named {name!r}: write NAME=path")
        found[name] = path
    return found


def run(options: argparse.Namespace) -> None:
    """Write report.md, differences.png, index.html, results.json, .eval_results/, model-index."""
    paths = named(options.results) | named(options.clean, " (clean)")
    runs = {name: read_results(path) for name, path in paths.items()}
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    tables = build_tables(runs)
    found, pair = compared(named(options.results))
    points = from_differences(found) if found else from_constants(next(iter(runs.values())))
    first = next(iter(paths))
    title = f"{pair[0]} minus {pair[1]}" if pair else f"{first} against the best constant answer"
    figure = out / "differences.png"
    forest_plot(points, title, figure)
    samples = browse(options) if options.predictions else []
    write_text(out / "report.md", markdown(tables, found, pair))
    write_text(out / "index.html", page(tables, figure, samples))
    write_json(out / "results.json", [row | {"run": n} for n, rows in runs.items() for row in rows])
    write_text(
        out / "model-index.yaml",
        yaml.safe_dump({"model-index": model_index(first, runs[first])}, sort_keys=False),
    )
    write_eval_results(out, runs[first])
    wrong = [item for item in audit() if item.verdict == "wrong"]
    if options.json:
        names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
        flags = [f"{i.table}/{i.row}/{i.column}" for i in wrong]
        print(json.dumps({"files": names, "wrong_improvements": flags}))
        return
    print(terminal(tables))
    print(f"{len(wrong)} printed improvements are not what the paper's own cells give:")
    for item in wrong:
        print(f"  {item.table} {item.row} {item.column}: {item.printed}, is {item.recomputed:.2f}")
    print(f"wrote {out}/report.md, differences.png, index.html, results.json, model-index.yaml")


def compared(paths: Mapping[str, Path]) -> tuple[list[Difference], tuple[str, str] | None]:
    """Differences of the first two results; none where there is one, or items are not kept."""
    names = list(paths)
    if len(names) < 2 or not all(items_path(paths[n]).is_file() for n in names[:2]):
        return [], None
    return differences(paths[names[0]], paths[names[1]]), (names[0], names[1])


def browse(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Samples of the first model: question, truth, answer and a small picture of the media."""
    if options.annotations is None:
        raise ValueError("--predictions needs --annotations (and --media for pictures)")
    items = read_items(items_path(next(iter(named(options.results).values()))))
    samples = []
    for task in TASKS:
        path = path_of(options.predictions, task)
        if not path.is_file():
            continue
        scored = {r["id"]: r for r in items.get((task.name, task.cells[0].name), [])}
        media = index_media(options.media, task) if options.media else None
        rows = {row["id"]: row for _, row in json_lines(path)}
        chosen = [e for e in task.examples(options.annotations) if e.id in rows]
        for example in chosen[: options.samples]:
            row, item = rows[example.id], scored.get(example.id, {})
            found = media.find(example.media) if media and example.media else None
            truth = example.truth
            samples.append(
                {
                    "task": task.name,
                    "id": example.id,
                    "question": task.question(example)[:600],
                    "truth": ", ".join(sorted(truth)) if isinstance(truth, frozenset) else truth,
                    "said": said(row),
                    "score": item.get("guess") if item.get("how") == "mean" else None,
                    "picture": thumbnail(found),
                }
            )
    return samples


def said(row: Mapping[str, Any]) -> str:
    """What the model answered, in words: an answer, its best three labels, or a score."""
    if row.get("answer") is not None:
        return str(row["answer"])
    if row.get("digits"):
        return f"{row['digits']['argmax']:02d} (expectation {row['digits']['expectation']})"
    entries = row.get("labels") or {}
    best = sorted(entries, key=lambda name: -entries[name]["logprob"])[:3]
    return ", ".join(f"{name} ({entries[name]['logprob']:.2f})" for name in best)
