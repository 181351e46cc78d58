"""Behaviour on held-out posts: comment perplexity and percent-liked error.

Paper Table 9 tracks both ("perplexity of comments", "R2 of likes/views"); the unit of percent
liked is 100 * likes / views. Heavy imports stay inside the functions: `--help` is immediate.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer.evaluation.protocols.parse import parse_percent
from trainer.evaluation.results import Measure, Source, write_results
from trainer.provenance import code_commit, model_revision

METRICS = Path(__file__).parent / "metrics"
VERSION = 1
COMMENTS_TASK = "blift_comments"
LIKES_TASK = "blift_percent_liked"
BOOTSTRAP_SEED = 0
# said in full: a model folder's own generation settings must not move a measured number
GREEDY = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": 24}

EXAMPLE = """example:
  python -m trainer.evaluation behavior --model out/demo --dataset build/release \\
      --split test --out results.json
"""


def add_command(commands: Any) -> None:
    """Add `behavior` to the evaluation's commands."""
    parser = commands.add_parser(
        "behavior",
        help="comment perplexity and percent-liked error on held-out posts",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="model folder or Hub id")
    parser.add_argument("--model-revision", help="commit of a Hub model")
    parser.add_argument("--dataset", required=True, help="release folder or Hub id")
    parser.add_argument("--dataset-revision", help="commit of a Hub dataset")
    parser.add_argument("--split", default="test", help="held-out split (default: test)")
    parser.add_argument("--baseline-split", default="train", help="its mean is the baseline")
    parser.add_argument("--out", required=True, type=Path, help="results.json to write")
    parser.add_argument("--limit", type=positive, help="measure only the first N posts")
    parser.add_argument("--batch-size", type=positive, default=4, help="posts per forward pass")
    parser.add_argument("--max-tokens", type=positive, help="error above this many tokens per post")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, not a table")
    parser.set_defaults(run=run)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least 1")
    return int(text)


def run(options: argparse.Namespace) -> None:
    """Measure one model on one split; writes results.json and the items beside it."""
    from trainer.checkpoint import load_model
    from trainer.data.rows import DatasetProblem, dataset_revision, load_rows

    rows = load_rows(
        options.dataset, None, options.split, options.dataset_revision, streaming=False
    )
    rows = rows.select(range(min(options.limit or len(rows), len(rows))))
    model, processor = load_model(options.model, options.model_revision)
    comments = list(comment_items(model, processor, rows, options.batch_size, options.max_tokens))
    likes = list(likes_items(model, processor, rows, options.batch_size))
    measures = comment_measures(comments)
    if likes:
        baseline = train_mean(options)
        measures += likes_measures(likes, baseline)
    source = Source(
        dataset_revision=dataset_revision(options.dataset, options.dataset_revision),
        model_revision=model_revision(options.model, options.model_revision),
        code_commit=code_commit(),
        run_id=uuid.uuid4().hex,
    )
    if not measures:
        raise DatasetProblem(
            f"dataset {options.dataset!r}, split {options.split!r}: no post has a comments or "
            "likes turn, so there is nothing to measure"
        )
    written = write_results(options.out, measures, source)
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in [*comments, *likes]]
    options.out.with_suffix(".items.jsonl").write_text("".join(lines), encoding="utf-8")
    if options.json:
        print(json.dumps(written, ensure_ascii=False))
    else:
        print_table(measures)


def comment_items(
    model: Any, processor: Any, rows: Any, batch_size: int, max_tokens: int | None
) -> Iterator[dict[str, Any]]:
    """Yield {id, task, nll, tokens} of every post's comments, given media and question.

    The tokens are the answer's, its numbering and end-of-turn token included; nll in nats.
    """
    import torch

    from trainer.data.collator import IGNORED, Collator

    collator = Collator(processor, {"comments": 1.0}, 0, max_tokens, "error")
    for chunk in _chunks(rows, "comments", batch_size, "comment perplexity"):
        batch = {name: value.to(model.device) for name, value in collator(chunk).items()}
        labels = batch.pop("labels")[:, 1:]  # (B, T-1)
        answer = labels != IGNORED
        with torch.inference_mode():
            logits = model(**batch, use_cache=False).logits[:, :-1][answer]  # (answer tokens, V)
            nll = torch.nn.functional.cross_entropy(
                logits.float(), labels[answer], reduction="none"
            )
        total = nll.new_zeros(len(chunk)).index_add_(0, answer.nonzero()[:, 0], nll)
        for row, loss, mask in zip(chunk, total, answer, strict=True):
            yield {
                "id": row["json"]["id"],
                "task": COMMENTS_TASK,
                "nll": float(loss),
                "tokens": int(mask.sum()),
            }


def likes_items(model: Any, processor: Any, rows: Any, batch_size: int) -> Iterator[dict[str, Any]]:
    """Yield {id, task, answer, predicted, percent_liked} of every post with views."""
    import torch

    from trainer.data.compose import conversation

    for chunk in _chunks(rows, "likes", batch_size, "percent liked"):
        questions = [
            conversation(
                row,
                [turn for turn in row["json"]["turns"] if turn["task"] == "likes"],
                with_answer=False,
            )
            for row in chunk
        ]
        batch = processor.apply_chat_template(
            questions,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_generation_prompt=True,
        ).to(model.device)
        with torch.inference_mode():
            written = model.generate(**batch, **GREEDY)
        new = written[:, batch["input_ids"].shape[1] :]
        for row, answer in zip(
            chunk, processor.batch_decode(new, skip_special_tokens=True), strict=True
        ):
            yield {
                "id": row["json"]["id"],
                "task": LIKES_TASK,
                "answer": answer,
                "predicted": parse_percent(answer),
                "percent_liked": row["json"]["percent_liked"],
            }


def _chunks(rows: Any, task: str, batch_size: int, title: str) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of the rows that have the task's turn, under a progress bar."""
    from tqdm import tqdm

    having = [
        index
        for index, sample in enumerate(rows.select_columns(["json"])["json"])
        if any(turn["task"] == task for turn in sample["turns"])
    ]
    with tqdm(total=len(having), desc=title, unit="post", file=sys.stderr) as bar:
        for start in range(0, len(having), batch_size):
            chunk = [rows[index] for index in having[start : start + batch_size]]
            yield chunk
            bar.update(len(chunk))


def train_mean(options: argparse.Namespace) -> float | None:
    """Return the mean percent-liked of the baseline split; None when it has none."""
    from trainer.data.rows import DatasetProblem, load_rows

    try:
        rows = load_rows(
            options.dataset, None, options.baseline_split, options.dataset_revision, streaming=False
        )
    except DatasetProblem:
        return None
    known = [
        sample["percent_liked"]
        for sample in rows.select_columns(["json"])["json"]
        if sample["percent_liked"] is not None
    ]
    return sum(known) / len(known) if known else None


def comment_measures(items: Sequence[dict[str, Any]]) -> list[Measure]:
    """Return the perplexity of the comments; [] without any."""
    if not items:
        return []
    result = _metric("comment_perplexity").compute(
        nll=[item["nll"] for item in items],
        tokens=[item["tokens"] for item in items],
        seed=BOOTSTRAP_SEED,
    )
    return [
        Measure(
            task=COMMENTS_TASK,
            version=VERSION,
            n=len(items),
            unparsed=0,
            metric="perplexity",
            value=result["perplexity"],
            interval=result["interval"],
            chance=None,
        )
    ]


def likes_measures(items: Sequence[dict[str, Any]], baseline: float | None) -> list[Measure]:
    """Return mean and median error and R2 of the parsed answers, beside a constant's.

    The constant is `baseline`, the mean of the training split, scored on the same posts.
    """
    metric = _metric("percent_liked_error")
    parsed = [item for item in items if item["predicted"] is not None]
    truth = [item["percent_liked"] for item in parsed]
    guesses = [item["predicted"] for item in parsed]
    result: dict[str, Any] = {}
    chance: dict[str, Any] = {}
    if parsed:
        result = metric.compute(predictions=guesses, references=truth, seed=BOOTSTRAP_SEED)
    if parsed and baseline is not None:
        constant = [baseline] * len(parsed)
        chance = metric.compute(predictions=constant, references=truth, seed=BOOTSTRAP_SEED)
    return [
        Measure(
            task=LIKES_TASK,
            version=VERSION,
            n=len(items),
            unparsed=len(items) - len(parsed),
            metric=name,
            value=result.get(name),
            interval=result.get(f"{name}_interval"),
            chance=chance.get(name),
        )
        for name in ("mae", "median_error", "r2")
    ]


def _metric(name: str) -> Any:
    """Load one of our metrics by its path: a bare name would ask the Hub for code."""
    import evaluate

    return evaluate.load(str(METRICS / name / f"{name}.py"), keep_in_memory=True)


def print_table(measures: Sequence[Measure]) -> None:
    """Print the measures to stdout, one line each."""
    print(
        f"{'task':<22}{'metric':<14}{'value':>10}{'interval':>22}{'chance':>10}{'n':>5}  unparsed"
    )
    for row in measures:
        value = "none" if row.value is None else f"{row.value:.3f}"
        spread = "" if row.interval is None else "{:.3f} … {:.3f}".format(*row.interval)
        chance = "" if row.chance is None else f"{row.chance:.3f}"
        print(
            f"{row.task:<22}{row.metric:<14}{value:>10}{spread:>22}{chance:>10}"
            f"{row.n:>5}  {row.unparsed}"
        )
