"""LaMem (Khosla et al. 2015): 58,741 pictures; the cell is the mean of rho over 5 test splits."""

from pathlib import Path

from trainer.evaluation.inputs.files import read_columns
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.memorability import memorability_task, scored

URL = "http://memorability.csail.mit.edu/download.html"
SPLITS = tuple(File(f"lamem/splits/test_{number}.txt", None, URL) for number in range(1, 6))


def examples(root: Path) -> list[Example]:
    """Every picture of a test split once; `splits` says which of the five hold it."""
    scores: dict[str, float] = {}
    member: dict[str, list[int]] = {}
    for number, file in enumerate(SPLITS, 1):
        for name, score in read_columns(root, file):
            scores[name] = float(score)
            member.setdefault(name, []).append(number)
    return [
        scored(name, score, "lamem/1", splits=tuple(member[name])) for name, score in scores.items()
    ]


TASKS = (
    memorability_task(
        "lamem/rho",
        "lamem",
        examples,
        kind="image",
        files=SPLITS,
        split="test 1-5",
        n=None,
        checked=False,
        licence="research use (MIT CSAIL)",
        access=URL,
        media="lamem/images",
        paper="ICCV 2015, Understanding and Predicting Image Memorability at a Large Scale",
        note="mean over the five test splits of 10,000",
    ),
)
