"""Memento10k (Newman et al. 2020), development set: the 1,500 test truths are closed."""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import need_columns, read_table
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.memorability import memorability_task, scored

FOLDER = "memorability_video"
URL = "https://multimediaeval.github.io/editions/2021/tasks/memorability/"
# the published file name is spelled so
NAMES = {"dev": "developemnt_set_dev", "train": "training_set_train"}
HEADLINE = "scores_normalized_short_term"


def _file(split: str) -> File:
    path = f"{FOLDER}/2021_memento_{NAMES[split]}_scores.csv"
    return File(path, CHECKSUMS[path], URL)


def examples(root: Path, split: str, column: str) -> list[Example]:
    """Clips of one split; media named by the last part of its address."""
    rows = read_table(root, _file(split))
    need_columns(rows, ("video_id", "video_url", column), _file(split).path)
    return [
        scored(
            row["video_id"],
            float(row[column]),
            "memento10k/1",
            media=row["video_url"].strip().rsplit("/", 1)[-1],
        )
        for row in rows
    ]


TASKS = tuple(
    memorability_task(
        f"memento10k/{name}",
        "memento10k",
        partial(examples, split="dev", column=column),
        counts=counts,
        table=8 if counts[0] else 0,
        train=partial(examples, split="train", column=column),
        files=(_file("dev"), _file("train")),
        split="dev",
        n=1500,
        licence="research use (MIT CSAIL)",
        access="http://memento.csail.mit.edu; MediaEval 2021",
        media="memento10k/videos",
        paper="arXiv:2009.02568",
        note=f"dev stands for the closed test; truth: {column}",
    )
    for name, column, counts in (
        ("rho", HEADLINE, (1, 1)),
        ("rho_raw", "scores_raw_short_term", (0, 0)),
    )
)
