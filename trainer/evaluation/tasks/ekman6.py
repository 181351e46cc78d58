"""Ekman-6 (Xu et al. 2016): 1,637 videos in folders class/number; zero-shot on all of them."""

from pathlib import Path

from trainer.evaluation.task import Example
from trainer.evaluation.tasks.emotion import EKMAN, SYNONYMS, class_folders, emotion_task


def examples(root: Path) -> list[Example]:
    """Every video; folders are class names in any case."""
    return class_folders(root, "ekman6", EKMAN, SYNONYMS)


TASKS = (
    emotion_task(
        "ekman6/accuracy",
        5,
        "ekman6",
        EKMAN,
        examples,
        "video",
        files=(),
        split="all",
        n=1637,
        licence="research use, by the authors",
        access="on request from the authors (Fudan)",
        media="ekman6",
        paper="arXiv:1511.04798",
        note="819 + 818 in the literature; no public list, five seeded folds",
    ),
)
