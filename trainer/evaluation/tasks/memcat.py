"""MemCat (Goetschalckx and Wagemans 2019): 10,000 pictures; two truths, no official split."""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import need_columns, read_table
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.memorability import memorability_task, scored

PATH = "memcat/memcat_image_data.csv"
FILE = File(PATH, CHECKSUMS[PATH], "https://osf.io/2vkn4/")
HEADLINE = "memorability_w_fa_correction"
OTHER = "memorability_wo_fa_correction"


def examples(root: Path, truth: str) -> list[Example]:
    """Every picture; media as category/subcategory/file."""
    rows = read_table(root, FILE)
    need_columns(rows, ("image_file", HEADLINE, OTHER), FILE.path)
    return [
        scored(
            row["image_file"],
            float(row[truth]),
            "memcat/1",
            media=f"{row['category']}/{row['subcategory']}/{row['image_file']}",
            source=row["source"],
        )
        for row in rows
    ]


TASKS = tuple(
    memorability_task(
        f"memcat/{name}",
        "memcat",
        partial(examples, truth=truth),
        kind="image",
        counts=counts,
        table=8 if counts[0] else 0,
        files=(FILE,),
        split="all",
        n=10000,
        licence="CC BY 4.0 scores; pictures keep their sources' terms",
        access="https://osf.io/2vkn4",
        media="memcat/images",
        paper="doi:10.7717/peerj.8169",
        note=f"truth: {truth}",
    )
    for name, truth, counts in (("rho", HEADLINE, (1, 1)), ("rho_without_fa", OTHER, (0, 0)))
)
