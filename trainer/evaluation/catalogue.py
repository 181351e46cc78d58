"""`list` and `check`: what there is to measure, what is at hand, where to get the rest."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.files import AnnotationProblem, read_bytes
from trainer.evaluation.inputs.media import index_media, missing_media
from trainer.evaluation.stats.families import detectable
from trainer.evaluation.task import Task
from trainer.evaluation.tasks import TASKS, find

SHOWN = 5
UNCHECKED = "form not checked against the real file"
LIST_EXAMPLE = """example:
  python -m trainer.evaluation list
  python -m trainer.evaluation list --json | jq '.[].name'
"""
CHECK_EXAMPLE = """example:
  python -m trainer.evaluation check --task lvu --annotations annotations --media media
"""


def add_commands(commands: Any) -> None:
    """Add `list` and `check` to the evaluation's commands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "list", help="every task with its facts", epilog=LIST_EXAMPLE, formatter_class=raw
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument("--candidates", metavar="TASK", help="print a task's seeded candidates")
    parser.add_argument("--annotations", type=Path, help="with --candidates")
    parser.set_defaults(run=run_list)
    parser = commands.add_parser(
        "check",
        help="what is there, what is missing, where to get it",
        epilog=CHECK_EXAMPLE,
        formatter_class=raw,
    )
    parser.add_argument("--task", default="all", help="comma list of tasks or benchmarks")
    parser.add_argument("--annotations", required=True, type=Path)
    parser.add_argument("--media", type=Path, help="folder laid out as the official downloads")
    parser.add_argument("--json", action="store_true", help="print JSON, not text")
    parser.set_defaults(run=run_check)


def facts(task: Task) -> list[dict[str, Any]]:
    """One object per cell of a task."""
    shown = detectable(task.n) if task.n else None
    return [
        {
            "name": task.name,
            "cell": cell.name,
            "version": task.version,
            "n": task.n,
            "split": task.split,
            "cluster": task.cluster,
            "protocol": task.protocol,
            "metric": task.metric,
            "higher_is_better": task.higher_is_better,
            "chance": cell.chance,
            "constant": cell.constant,
            "constant_from": task.constant_from,
            "smallest_difference": shown,
            "table": cell.table,
            "count_i": cell.count_i,
            "count_ii": cell.count_ii,
            "labels": list(task.labels),
            "licence": task.licence,
            "access": task.access,
            "paper": task.paper,
            "files": [file.path for file in task.files],
            "media": task.media,
            "note": "; ".join(filter(None, (task.note, "" if task.checked else UNCHECKED))),
        }
        for cell in task.cells
    ]


def run_list(options: argparse.Namespace) -> None:
    """Print every task, or the candidates of one as lines "id, candidates..." (tab separated)."""
    if options.candidates:
        if options.annotations is None:
            raise ValueError("--candidates needs --annotations DIR")
        for task in find(options.candidates):
            for example in task.examples(options.annotations):
                print("\t".join((example.id, *example.choices)))
        return
    rows = [row for task in TASKS for row in facts(task)]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    print(
        f"{'task':<24}{'cell':<14}{'n':>7}{'chance':>8}{'constant':>9}{'2 SE':>7}  "
        f"{'protocol':<9}{'metric':<40}licence; note"
    )
    for row in rows:
        shown = row["smallest_difference"]
        ranked = row["metric"] == "Spearman rho"
        least = "" if shown is None else f"{shown['rho' if ranked else 'two_errors']:.3f}"
        print(
            f"{row['name']:<24}{row['cell']:<14}{row['n'] or '?':>7}{_number(row['chance']):>8}"
            f"{_number(row['constant']):>9}{least:>7}  {row['protocol']:<9}"
            f"{row['metric'][:38]:<40}{row['licence']}{'; ' if row['note'] else ''}{row['note']}"
        )
    one, two = (sum(row[key] for row in rows) for key in ("count_i", "count_ii"))
    cells = sum(row["table"] > 0 for row in rows)
    print(f"{cells} cells of the paper; {one} tasks in count (i), {two} in count (ii)")
    print(
        "2 SE: twice the standard error of one accuracy of 50 % (or of a rho near 0) at this n; "
        "`--json` has the smallest difference of two models. constant: best constant answer.",
        file=sys.stderr,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def check(task: Task, annotations: Path, media: Path | None) -> dict[str, Any]:
    """What one task has and lacks."""
    report: dict[str, Any] = {"task": task.name, "files": {}, "items": None, "problem": None}
    for file in task.files:
        try:
            read_bytes(annotations, file)
            report["files"][file.path] = "there" if file.sha256 else "there, checksum not known"
        except AnnotationProblem as error:
            report["files"][file.path] = str(error)
    try:
        examples = task.examples(annotations)
    except AnnotationProblem as error:
        return report | {"problem": str(error), "access": task.access, "licence": task.licence}
    report["items"], report["expected"] = len(examples), task.n
    report["first_ids"] = [example.id for example in examples[:SHOWN]]
    if media is not None and any(example.media for example in examples):
        missing = missing_media(index_media(media, task), examples)
        total = len({example.media for example in examples})
        report["media"] = {"there": total - len(missing), "missing": len(missing)}
        report["missing_media"] = missing[:SHOWN]
        report["media_folder"] = str(media / task.media)
    return report | {"access": task.access, "licence": task.licence}


def run_check(options: argparse.Namespace) -> None:
    """Print what the tasks have and lack; ValueError when no task can be loaded."""
    reports = [check(t, options.annotations, options.media) for t in find(options.task)]
    if options.json:
        print(json.dumps(reports, ensure_ascii=False, indent=1))
    else:
        for report in reports:
            _print(report)
    if all(report["problem"] for report in reports):
        raise ValueError(
            f"none of {len(reports)} tasks can be loaded from {options.annotations}: see above"
        )


def _print(report: dict[str, Any]) -> None:
    if report["problem"]:
        print(f"{report['task']}: MISSING  {report['problem']}")
        print(f"    get it: {report['access']}; terms: {report['licence']}")
        return
    count = f"{report['items']} items"
    if report["expected"] not in (None, report["items"]):
        count += f", expected {report['expected']}"
    print(f"{report['task']}: {count}; ids such as {report['first_ids'][0]!r}")
    for path, state in report["files"].items():
        if state != "there":
            print(f"    {path}: {state}")
    if "media" in report and report["media"]["missing"]:
        print(
            f"    media: {report['media']['there']} there, {report['media']['missing']} missing "
            f"below {report['media_folder']}, such as {report['missing_media']}"
        )
        print(f"    get it: {report['access']}; terms: {report['licence']}")
