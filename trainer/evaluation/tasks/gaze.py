"""Region ranking against gaze (SALICON, OSIE): nine regions in order of fixations.

Outside the paper's 49 cells: it asks the training turn Salicon[Region] of held-out pictures.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainer.evaluation.inputs.files import read_bytes, read_json
from trainer.evaluation.task import Cell, Example, File, Task
from trainer.evaluation.tasks.checksums import CHECKSUMS

REGIONS = tuple(
    f"{row}-{column}"
    for row in ("upper", "middle", "bottom")
    for column in ("left", "center", "right")
)
SALICON_PATH = "salicon/fixations_train2014examples.json"
SALICON = File(
    SALICON_PATH, CHECKSUMS[SALICON_PATH], "https://github.com/NUS-VIP/salicon-evaluation"
)
OSIE = File(
    "osie/fixations.mat",
    CHECKSUMS["osie/fixations.mat"],
    "https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
)
OSIE_SIZE = (800, 600)
QUESTION = (
    "Imagine the image divided into a 3x3 grid with the regions {options}. List the nine regions "
    "in decreasing order of saliency, one per line, without any other word."
)


def grid_counts(x: np.ndarray, y: np.ndarray, width: int, height: int) -> list[int]:
    """Fixations per region in reading order; x, y are one-based pixels."""
    column = np.clip(np.floor(3 * (x - 1) / width), 0, 2).astype(int)
    row = np.clip(np.floor(3 * (y - 1) / height), 0, 2).astype(int)
    return np.bincount(3 * row + column, minlength=9).tolist()


def true_order(counts: list[int]) -> list[str]:
    """Regions by count, ties in reading order."""
    return [REGIONS[i] for i in sorted(range(9), key=lambda i: (-counts[i], i))]


def salicon(root: Path) -> list[Example]:
    """Pictures of the SALICON file; a fixation is [row, column]."""
    data = read_json(root, SALICON)
    points: dict[int, list[list[int]]] = {}
    for record in data["annotations"]:
        points.setdefault(record["image_id"], []).extend(record["fixations"])
    items = []
    for image in data["images"]:
        fixations = np.asarray(points[image["id"]], float)
        counts = grid_counts(fixations[:, 1], fixations[:, 0], image["width"], image["height"])
        name = image["file_name"]
        items.append(Example(name, name, tuple(counts), name, choices=REGIONS))
    return items


def osie(root: Path) -> list[Example]:
    """Pictures of the OSIE file, 800 x 600, fix_x and fix_y of every subject."""
    import scipy.io

    data = scipy.io.loadmat(io.BytesIO(read_bytes(root, OSIE)), squeeze_me=True)
    items = []
    for entry in np.atleast_1d(data["fixations"]):
        record = entry.item() if hasattr(entry, "item") and entry.dtype.names is None else entry
        x, y = (
            np.concatenate(
                [np.atleast_1d(s[axis].item()).ravel() for s in record["subjects"].item()]
            )
            for axis in ("fix_x", "fix_y")
        )
        name = str(record["img"])
        counts = grid_counts(x.astype(float), y.astype(float), *OSIE_SIZE)
        items.append(Example(name, name, tuple(counts), name, choices=REGIONS))
    return items


def _task(name: str, file: File, n: int, examples: Callable[[Path], list[Example]]) -> Task:
    return Task(
        name=f"{name}/regions",
        version=1,
        files=(file,),
        split="all",
        n=n,
        examples=examples,
        protocol="regions",
        scorer="regions",
        metric="Spearman rho of fixation counts against predicted order, mean over pictures",
        kind="image",
        cells=(Cell("rho", 0, "", chance=0.0), Cell("top1", 0, "", chance=1 / 9)),
        licence="MIT (OSIE gaze); COCO pictures keep their terms",
        access=file.url,
        media=f"{name}/{'images' if name == 'salicon' else 'stimuli'}",
        questions=(QUESTION,),
    )


TASKS = (_task("salicon", SALICON, 10, salicon), _task("osie", OSIE, 700, osie))
