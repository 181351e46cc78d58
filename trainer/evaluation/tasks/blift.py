"""BLIFT held-out (Table 9): R2 of percent liked, and perplexity of the true comments.

Rows come from the release's metadata/*.parquet. `behavior` measures both in one command.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem
from trainer.evaluation.task import Cell, Example, Task

FOLDER = "blift/metadata"


def examples(root: Path, split: str, kind: str) -> list[Example]:
    """Posts of one split that have the turn; truth is percent liked, or the comments' text."""
    import pyarrow.parquet as pq

    paths = sorted((root / FOLDER).glob(f"{split}-*.parquet"))
    if not paths:
        raise AnnotationProblem(
            f"{root / FOLDER} has no {split}-*.parquet: link the release folder there as `blift`"
        )
    items = []
    for path in paths:
        for row in pq.read_table(path, columns=["id", "percent_liked", "turns"]).to_pylist():
            turns = {turn["task"]: turn for turn in row["turns"] or ()}
            if kind not in turns or (kind == "likes" and row["percent_liked"] is None):
                continue
            turn = turns[kind]
            truth = row["percent_liked"] if kind == "likes" else turn["answer"]
            items.append(Example(row["id"], row["id"], truth, row["id"], turn["question"]))
    return items


def shuffled(root: Path) -> list[Example]:
    """The control: every post with the comments of the next one, so same tokens, wrong media."""
    items = examples(root, "test", "comments")
    others = [*items[1:], *items[:1]]
    return [
        Example(e.id, e.media, o.truth, e.cluster, o.question)
        for e, o in zip(items, others, strict=True)
    ]


def _task(kind: str, metric: str, cell: Cell, protocol: str) -> Task:
    return Task(
        name=f"blift/{kind}",
        version=1,
        files=(),
        split="test",
        n=None,
        examples=partial(examples, split="test", kind=kind),
        train=partial(examples, split="train", kind=kind) if kind == "likes" else None,
        constant_from="train" if kind == "likes" else "none",
        protocol=protocol,
        scorer=kind,
        metric=metric,
        cells=(cell,),
        higher_is_better=kind == "likes",
        licence="that of the release",
        access="behavior-llava/blift",
        media="blift/media",
        questions=("{question}?",),
        paper="arXiv:2405.00942",
    )


_comments = _task(
    "comments", "perplexity per token", Cell("perplexity", 9, "comments_ppl"), "answer"
)
_likes = _task("likes", "R2 (raw; winsorised beside it)", Cell("r2", 9, "likes_views_r2"), "answer")
TASKS = (
    _comments,
    replace(
        _comments,
        name="blift/comments_shuffled",
        examples=shuffled,
        cells=(Cell("perplexity", 0, ""),),
        note="control: another post's comments; a model that looks gives them more perplexity",
    ),
    _likes,
)
