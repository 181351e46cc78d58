"""VideoMem (Cohendet et al. 2019), development set: the 2,000 test truths were never released.

Every published number rests on a private part of these 8,000 rows. Zero-shot is on all of them;
a fine-tuned model is scored on one seeded fold (`score --fold 0`), trained on the others.
"""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import need_columns, read_table
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.memorability import memorability_task, scored

PATH = "memorability_video/2019_ground-truth_dev-set.csv"
FILE = File(
    PATH, CHECKSUMS[PATH], "https://www.interdigital.com/data_sets/video-memorability-dataset"
)


def examples(root: Path, term: str) -> list[Example]:
    """Every row; the file starts with a byte order mark and has CRLF line ends."""
    rows, column = read_table(root, FILE), f"{term}-term_memorability"
    need_columns(rows, ("video", column), FILE.path)
    return [scored(row["video"], float(row[column]), "videomem/1") for row in rows]


TASKS = tuple(
    memorability_task(
        f"videomem/{term}",
        "videomem",
        partial(examples, term=term),
        term=f"{term} term",
        counts=(1, 1) if term == "short" else (0, 0),
        files=(FILE,),
        split="dev",
        n=8000,
        licence="research use (InterDigital)",
        access="on request from InterDigital",
        media="videomem/videos",
        paper="arXiv:1812.01973",
        note="all of dev; five seeded folds for fine-tuned models",
    )
    for term in ("short", "long")
)
