"""CAER (Lee et al. 2019): 13,201 clips in folders split/class/NNNN.avi; seven classes."""

from functools import partial
from pathlib import Path

from trainer.evaluation.task import Example
from trainer.evaluation.tasks.emotion import class_folders, emotion_task

LABELS = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def examples(root: Path, split: str) -> list[Example]:
    """Clips of one split; the id is class/number, since numbers start at 1 in every folder."""
    return [
        Example(e.id, f"{split}/{e.id}", e.truth, e.cluster)
        for e in class_folders(root, f"caer/{split}", LABELS)
    ]


TASKS = (
    emotion_task(
        "caer/accuracy",
        5,
        "caer",
        LABELS,
        partial(examples, split="test"),
        "video",
        synonyms={"joy": "happy", "happiness": "happy", "sadness": "sad", "angry": "anger"},
        train=partial(examples, split="train"),
        constant_from="train",
        files=(),
        split="test",
        n=None,
        licence="CC BY-NC 4.0, research use",
        access="https://caer-dataset.github.io, on request",
        media="caer",
        paper="arXiv:1908.05913",
        note="seven classes (neutral included); CAER-S is another set",
    ),
)
