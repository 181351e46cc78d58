"""HVU (Diba et al. 2020): the paper's tag picking (hvu_4096) and multi-label mAP (hvu_map).

The two never share a row: picking 5 of 30 random tags scores the *category* of a pick.
"""

import random
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.files import read_table, read_zipped_table
from trainer.evaluation.task import Cell, Example, File, Task
from trainer.evaluation.tasks.checksums import CHECKSUMS

URL = "https://github.com/holistic-video-understanding/HVU-Dataset"
SEGMENTS = File("hvu/HVU_Val_V1.0.zip", CHECKSUMS["hvu/HVU_Val_V1.0.zip"], URL)
TAGS = File("hvu/HVU_Tags_Categories_V1.0.csv", CHECKSUMS["hvu/HVU_Tags_Categories_V1.0.csv"], URL)
CATEGORIES = ("scene", "object", "action", "event", "attribute", "concept")
PER_CATEGORY = 5
PICKS = 5
CANDIDATE_SEED = "hvu_4096/1"
# of the lines "id, candidates..." (tab separated) on the official files
CANDIDATES_SHA256 = "64de9e4d1da00005d6d4a963af8004044707814f139b9aab7039c73fa2552405"
QUESTION = (
    "Which 5 of these tags describe the video best? Answer with the 5 tags only, separated by "
    "commas: {options}"
)


def categories(root: Path) -> dict[str, str]:
    """Tag -> category of the 3,142 tags."""
    return {row["Tag"]: row["Category"] for row in read_table(root, TAGS)}


def segments(root: Path) -> list[Example]:
    """The validation segments; the id is id_start_end, because 806 videos have several."""
    return list(_segments(root))


@lru_cache(maxsize=2)
def _segments(root: Path) -> tuple[Example, ...]:
    found = []
    for row in read_zipped_table(root, SEGMENTS):
        video = row["youtube_id"]
        name = f"{video}_{row['time_start']}_{row['time_end']}"
        found.append(Example(name, name, frozenset(row["Tags"].split("|")), video))
    return tuple(found)


def picking(root: Path) -> list[Example]:
    """The segments with their 30 candidates: 5 tags of each category, drawn by segment id."""
    of_category: dict[str, list[str]] = {name: [] for name in CATEGORIES}
    for tag, category in sorted(categories(root).items()):
        of_category[category].append(tag)
    return [_with_candidates(example, of_category) for example in segments(root)]


def _with_candidates(example: Example, of_category: dict[str, list[str]]) -> Example:
    draw = random.Random(f"{CANDIDATE_SEED}/{example.id}")
    chosen = [
        tag
        for tags in of_category.values()
        for tag in draw.sample(tags, min(PER_CATEGORY, len(tags)))
    ]
    draw.shuffle(chosen)
    return Example(example.id, example.media, example.truth, example.cluster, choices=tuple(chosen))


_COMMON: dict[str, Any] = {
    "version": 1,
    "files": (SEGMENTS, TAGS),
    "split": "val",
    "n": 31171,
    "cluster": "video",
    "licence": "not stated (tags)",
    "access": "tags on GitHub; segments from YouTube by id and times",
    "media": "hvu/val",
    "paper": "arXiv:1904.11451",
}
TASKS = (
    Task(
        name="hvu/hvu_4096",
        examples=picking,
        protocol="tags",
        scorer="hvu_4096",
        metric="share of segments with a pick of the category",
        questions=(QUESTION,),
        cells=(
            *(Cell(name, 2, name, 1, 1) for name in CATEGORIES),
            Cell("overall", 2, "overall", 1, 0),
        ),
        note="5 of 30 random candidates; the category of a pick is what counts",
        **_COMMON,
    ),
    Task(
        name="hvu/hvu_map",
        examples=segments,
        protocol="labels",
        scorer="hvu_map",
        metric="mAP over segments with a tag of the category",
        questions=("Which tags describe the video?",),
        cells=tuple(Cell(f"map_{name}", 0, "") for name in (*CATEGORIES, "overall")),
        note="scores of all 3,142 tags are expected in `labels`",
        **_COMMON,
    ),
)
