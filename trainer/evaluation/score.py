"""`score`: prediction files and annotations to results.json. No torch, no accelerator, seconds."""

import argparse
import json
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.evaluation.inputs.files import fixture_sums, sha256
from trainer.evaluation.inputs.predictions import read_predictions
from trainer.evaluation.protocols.labels import NORMALISATIONS
from trainer.evaluation.results import (
    Measure,
    Source,
    digest,
    items_path,
    write_results,
    write_text,
)
from trainer.evaluation.scoring.annotators import score_clubbed, score_sentiment
from trainer.evaluation.scoring.answers import score_answers, score_captions
from trainer.evaluation.scoring.choices import Predictions, score_labels, score_retrieval
from trainer.evaluation.scoring.numbers import (
    score_comments,
    score_likes,
    score_lvu_regression,
    score_rank,
    score_regions,
)
from trainer.evaluation.scoring.outcome import Outcome, point, statistic
from trainer.evaluation.scoring.tags import score_map, score_picking
from trainer.evaluation.stats.bootstrap import RESAMPLES, Interval, interval
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks import find
from trainer.provenance import code_commit

Scorer = Callable[[Task, Path, Sequence[Example], Predictions, str], list[Outcome]]
SCORERS: dict[str, Scorer] = {
    "labels": score_labels,
    "retrieval": score_retrieval,
    "lvu_regression": score_lvu_regression,
    "hvu_4096": score_picking,
    "hvu_map": score_map,
    "answers": score_answers,
    "captions": score_captions,
    "pitt_sentiment": score_sentiment,
    "pitt_clubbed": score_clubbed,
    "rank": score_rank,
    "likes": score_likes,
    "comments": score_comments,
    "regions": score_regions,
}
UNPARSED_MARK = 0.05
# cells outside the paper's 49 are context: fewer resamples keep scoring to seconds
CONTEXT_RESAMPLES = 1_000
EXAMPLE = """example:
  python -m trainer.evaluation score --predictions preds --annotations annotations \\
      --out results.json
"""


def add_command(commands: Any) -> None:
    """Add `score` to the evaluation's commands."""
    parser = commands.add_parser(
        "score",
        help="prediction files to results.json (no torch)",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--predictions", required=True, type=Path, help="folder of predictions")
    parser.add_argument("--annotations", required=True, type=Path, help="official annotation files")
    parser.add_argument("--out", required=True, type=Path, help="results.json to write")
    parser.add_argument("--tasks", default="all", help="comma list of tasks or benchmarks")
    parser.add_argument("--normalisation", default="auto", choices=("auto", *NORMALISATIONS))
    parser.add_argument("--fold", type=int, choices=range(5), help="only this seeded fold")
    parser.add_argument("--clean", type=Path, help="overlap.json: leave its test items out")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--seed", type=int, default=0, help="of the resamples")
    parser.add_argument("--model-revision", help="where the predictions do not name it")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Score every task that has predictions; ValueError when none has."""
    left_out = overlapping(options.clean) if options.clean else {}
    measures: list[Measure] = []
    outcomes: list[tuple[Task, Outcome]] = []
    models: Counter[str | None] = Counter()
    used: list[Task] = []
    wanted = find(options.tasks)
    for task in wanted:
        if not (options.predictions / f"{task.name}.jsonl").is_file():
            continue
        examples = chosen_examples(task, options.annotations, options.fold, {})
        found = read_predictions(options.predictions, task, examples) or {}
        banned = left_out.get(folder_of(task), set())
        kept = [e for e in examples if e.id not in banned]
        models.update(row.get("model") for rows in found.values() for row in rows)
        made = SCORERS[task.scorer](task, options.annotations, kept, found, options.normalisation)
        synthetic = bool(fixture_sums(options.annotations))
        measures += [measure(task, o, options.resamples, options.seed, synthetic) for o in made]
        outcomes += [(task, outcome) for outcome in made]
        used.append(task)
    if not used:
        raise ValueError(
            f"{options.predictions} holds no predictions of {len(wanted)} tasks: expected files "
            f"such as {wanted[0].name}.jsonl"
        )
    revision = options.model_revision or the_model(models)
    source = Source(
        annotations_revision(options.annotations, used), revision, code_commit(), uuid.uuid4().hex
    )
    rows = write_results(options.out, measures, source)
    write_text(items_path(options.out), "".join(item_lines(outcomes)))
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print_measures(measures)


def chosen_examples(
    task: Task, root: Path, fold: int | None, banned: dict[str, set[str]]
) -> list[Example]:
    """The task's items, or those of one seeded fold; ValueError for a task without folds."""
    examples = task.examples(root)
    if fold is None:
        return examples
    kept = [example for example in examples if example.facts.get("fold") == fold]
    if not kept:
        raise ValueError(f"{task.name} has an official split: leave --fold out")
    return kept


def overlapping(path: Path) -> dict[str, set[str]]:
    """Official folder -> item ids that overlap.json names."""
    found: dict[str, set[str]] = {}
    for hit in json.loads(path.read_text("utf-8"))["hits"]:
        found.setdefault(hit["benchmark"], set()).add(hit["item"])
    return found


def folder_of(task: Task) -> str:
    """The official folder of a task's files: how overlap.json names its benchmark."""
    return task.files[0].path.split("/")[0] if task.files else task.benchmark


def the_model(models: Counter[str | None]) -> str | None:
    """The one model revision of all predictions; ValueError when they come from several."""
    known = [name for name in models if name is not None]
    if len(known) > 1:
        raise ValueError(
            f"the predictions come from {len(known)} models ({', '.join(sorted(known)[:3])}): one "
            "folder per model"
        )
    return known[0] if known else None


def annotations_revision(root: Path, tasks: Sequence[Task]) -> str:
    """A digest of the annotation files that were used, `fixture:` before synthetic ones."""
    files = sorted({file.path for task in tasks for file in task.files})
    text = digest(*(f"{p} {sha256(root / p)}" for p in files if (root / p).is_file()))
    return f"{'fixture' if fixture_sums(root) else 'sha256'}:{text}"


def measure(task: Task, outcome: Outcome, resamples: int, seed: int, synthetic: bool) -> Measure:
    """One row: value, value with unparsed wrong, interval over clusters, and what stands beside."""
    cell = next((c for c in task.cells if c.name == outcome.cell), None)
    value, flags = point(outcome)
    n = len(outcome.ids)
    unparsed = n - int(outcome.parsed.sum())
    if cell is None or not cell.table:
        resamples = min(resamples, CONTEXT_RESAMPLES)
    spread = _spread(outcome, resamples, seed) if value is not None else None
    if n and unparsed / n > UNPARSED_MARK:
        flags += ("over 5 % unparsed",)
    if synthetic:
        flags += ("synthetic",)
    whole = None
    if outcome.unparsed_is_wrong and n:
        whole = float(np.nan_to_num(outcome.guess, nan=0.0).mean())
    return Measure(
        task=task.name,
        version=task.version,
        n=n,
        unparsed=unparsed,
        metric=task.metric if len(task.cells) == 1 else outcome.cell,
        value=value,
        interval=[spread.low, spread.high] if spread else None,
        chance=cell.chance if cell else None,
        cell=outcome.cell,
        table=cell.table if cell else 0,
        column=cell.column if cell else "",
        value_all=whole,
        constant=cell.constant if cell else None,
        unit=outcome.unit,
        higher_is_better=task.higher_is_better,
        split=task.split,
        clusters=len(set(outcome.clusters)),
        resamples=resamples if spread else None,
        seed=seed if spread else None,
        redrawn=spread.redrawn if spread else None,
        beside=outcome.beside,
        flags=flags,
    )


def _spread(outcome: Outcome, resamples: int, seed: int) -> Interval | None:
    if not outcome.with_interval or not resamples:
        return None
    made, clusters, items = statistic(outcome)
    return interval(made, clusters, resamples=resamples, seed=seed, items=items)


def item_lines(outcomes: Sequence[tuple[Task, Outcome]]) -> Iterable[str]:
    """One JSON line per cell and item: what `compare` and the sample page read."""
    for task, outcome in outcomes:
        head = {
            "task": task.name,
            "version": task.version,
            "cell": outcome.cell,
            "how": outcome.how,
        }
        head["unparsed_is_wrong"] = outcome.unparsed_is_wrong
        start = json.dumps(head)[:-1]
        truth = outcome.truth if outcome.truth is not None else [None] * len(outcome.ids)
        splits: Sequence[Any] = outcome.splits or [None] * len(outcome.ids)
        for name, cluster, guess, true, split in zip(
            outcome.ids, outcome.clusters, outcome.guess, truth, splits, strict=True
        ):
            row: dict[str, Any] = {
                "id": name,
                "cluster": cluster,
                "guess": None if np.isnan(guess) else float(guess),
                "truth": None if true is None else float(true),
            }
            if split is not None:
                row["splits"] = list(split)
            yield start + ", " + json.dumps(row, ensure_ascii=False)[1:] + "\n"


def print_measures(measures: Sequence[Measure]) -> None:
    """Print the rows to stdout, one line each."""
    head = f"{'task':<24}{'cell':<16}{'value':>9}{'all':>9}{'interval':>19}{'chance':>8}"
    print(f"{head}{'constant':>9}{'n':>7}  unparsed")

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    for row in measures:
        spread = "" if row.interval is None else "{:.4f}…{:.4f}".format(*row.interval)
        print(
            f"{row.task:<24}{row.cell:<16}{number(row.value):>9}{number(row.value_all):>9}"
            f"{spread:>19}{number(row.chance):>8}{number(row.constant):>9}{row.n:>7}"
            f"  {row.unparsed}{' !' if row.flags else ''}"
        )
    if any(row.flags for row in measures):
        flagged = sorted({flag for row in measures for flag in row.flags})
        print(f"! = {', '.join(flagged)}", file=sys.stderr)
