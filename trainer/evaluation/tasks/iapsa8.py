"""IAPSa-8 (Mikels et al. 2005): 395 pictures of IAPS, 8 emotions; by request only."""

from pathlib import Path

from trainer.evaluation.inputs.files import need_columns, read_table
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.emotion import MIKELS, emotion_task, labelled

FILE = File("iapsa8/labels.csv", None, "https://csea.phhp.ufl.edu/media.html")


def examples(root: Path) -> list[Example]:
    """Rows image, emotion."""
    rows = read_table(root, FILE)
    need_columns(rows, ("image", "emotion"), FILE.path)
    return [labelled(row["image"], row["emotion"].lower(), MIKELS, FILE.path) for row in rows]


TASKS = (
    emotion_task(
        "iapsa8/accuracy",
        6,
        "iapsa8",
        MIKELS,
        examples,
        "image",
        files=(FILE,),
        split="all",
        n=395,
        licence="IAPS terms: no redistribution",
        access="by request to the Center for the Study of Emotion and Attention",
        media="iapsa8/images",
        paper="doi:10.3758/BF03192732",
    ),
)
