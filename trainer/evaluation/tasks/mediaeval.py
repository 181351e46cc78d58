"""MediaEval memorability (TRECVid clips): development set of 2021, which holds that of 2020.

Short-term scores rest on 22 annotators on average, long-term on 8.
"""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import need_columns, read_table
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.memorability import memorability_task, scored

URL = "https://multimediaeval.github.io/editions/2021/tasks/memorability/"
# the published file name is spelled so
NAMES = {"dev": "developemnt_set_dev", "train": "training_set_train"}


def _file(split: str) -> File:
    path = f"memorability_video/2021_trecvid_{NAMES[split]}_scores.csv"
    return File(path, CHECKSUMS[path], URL)


def examples(root: Path, split: str, term: str) -> list[Example]:
    """Clips of one split; addresses start with a blank in dev."""
    rows, column = read_table(root, _file(split)), f"scores_raw_{term}_term"
    need_columns(rows, ("video_id", "video_url", column), _file(split).path)
    return [
        scored(
            row["video_id"],
            float(row[column]),
            "mediaeval/1",
            media=row["video_url"].strip().rsplit("/", 1)[-1],
        )
        for row in rows
    ]


TASKS = tuple(
    memorability_task(
        f"mediaeval/{term}",
        "mediaeval",
        partial(examples, split="dev", term=term),
        term=f"{term} term",
        counts=(1, 1) if term == "short" else (0, 0),
        train=partial(examples, split="train", term=term),
        files=(_file("dev"), _file("train")),
        split="dev",
        n=1116,
        licence="MediaEval usage agreement",
        access="from the MediaEval organisers; clips from Vine",
        media="mediaeval/videos",
        paper="arXiv:2112.05982",
        note="test truths are closed; short-term stands in Table 8, long-term beside it",
    )
    for term in ("short", "long")
)
