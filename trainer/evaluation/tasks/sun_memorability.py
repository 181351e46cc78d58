"""SUN memorability (Isola et al. 2011): 2,222 pictures; lines `file score`."""

from pathlib import Path

from trainer.evaluation.inputs.files import read_columns
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.memorability import memorability_task, scored

URL = "http://web.mit.edu/phillipi/Public/WhatMakesAnImageMemorable/"
FILE = File("sun_memorability/scores.txt", None, URL)


def examples(root: Path) -> list[Example]:
    """Every picture; zero-shot on all of them, seeded folds for the rest."""
    return [scored(name, float(score), "sun/1") for name, score in read_columns(root, FILE)]


TASKS = (
    memorability_task(
        "sun_memorability/rho",
        "sun",
        examples,
        kind="image",
        files=(FILE,),
        split="all",
        n=2222,
        checked=False,
        licence="research use (MIT)",
        access=URL,
        media="sun_memorability/images",
        paper="CVPR 2011, What makes an image memorable?",
    ),
)
