"""LVU (Wu and Krahenbuhl 2021): nine tasks on MovieClips; protocol of Video-4096 (Table 1).

Class ids have gaps, so a label is looked up, never used as an index. Regression is in the units
of the official code: ln(views) and 10 * likes / (likes + dislikes), both shifted.
"""

import math
from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_columns
from trainer.evaluation.task import Cell, Example, File, Task
from trainer.evaluation.tasks.checksums import CHECKSUMS

URL = "https://github.com/chaoyuaw/lvu"
LOG_VIEWS_SHIFT = 11.76425435683139
LIKE_RATIO_SHIFT = 9.138220535629456
UNKNOWN = r"\N"
# first names from the json twins of the set, family names looked up by IMDb person id
NAMES = {
    "nm0000229": "Steven Spielberg",
    "nm0000217": "Martin Scorsese",
    "nm0000165": "Ron Howard",
    "nm0001675": "Robert Rodriguez",
    "nm0040630": "Mark Atkins",
    "nm0001392": "Peter Jackson",
    "nm0000631": "Ridley Scott",
    "nm0000233": "Quentin Tarantino",
    "nm0001220": "Ian Fleming",
    "nm0000175": "Stephen King",
    "nm0000455": "John Hughes",
    "nm0462895": "David Koepp",
    "nm0000230": "Sylvester Stallone",
    "nm0326040": "Akiva Goldsman",
    UNKNOWN: "unknown",
}
DIRECTORS = (
    *("nm0000229", "nm0000217", "nm0000165", "nm0001675"),
    *("nm0040630", "nm0001392", "nm0000631", "nm0000233"),
)
WRITERS = (UNKNOWN, "nm0001220", "nm0000175", "nm0000455", "nm0462895", "nm0000230", "nm0326040")
CLASSES: dict[str, tuple[str, ...]] = {
    "relationship": (
        *("friend", "ex_boyfriend_ex_girlfriend", "husband_wife", "boyfriend_girlfriend"),
    ),
    "way_speaking": ("explains", "confronts", "discuss", "teaches", "threatens"),
    "scene": ("office", "airport", "school", "hotel", "prison", "restaurant"),
    "director": DIRECTORS,
    "genre": ("Comedy", "Action-Crime-Adventure", "Romance", "Thriller-Horror"),
    "writer": WRITERS,
    "year": tuple(str(year) for year in range(1930, 2020, 10)),
}
# test items; constant: the largest train class, or the train mean, measured on test
FACTS = {
    "relationship": (42, 22 / 42),
    "way_speaking": (201, 54 / 201),
    "scene": (86, 23 / 86),
    "director": (107, 44 / 107),
    "genre": (647, 137 / 647),
    "writer": (168, 9 / 168),
    "year": (143, 12 / 143),
    "like_ratio": (140, 0.6061552500425959),
    "view_count": (126, 4.083947434930576),
}
QUESTIONS = {
    "relationship": "What is the relationship between the people in this video?",
    "way_speaking": "How do the people in this video speak?",
    "scene": "Where does this video take place?",
    "director": "Who directed the film this clip is from?",
    "genre": "What is the genre of the film this clip is from?",
    "writer": "Who wrote the film this clip is from?",
    "year": "In which decade was the film of this clip released?",
    "like_ratio": "What percentage of the people who rated this video liked it? Give a percentage.",
    "view_count": "How many times was this video viewed? Give one whole number.",
}


def official_views(views: float) -> float:
    """Views to official units: ln(views) - 11.764."""
    return math.log(views) - LOG_VIEWS_SHIFT


def official_like_ratio(ratio: float) -> float:
    """likes / (likes + dislikes) to official units: 10 * ratio - 9.138."""
    return 10 * ratio - LIKE_RATIO_SHIFT


def display(name: str) -> str:
    """The words a model is asked for: people by name, underscores as blanks."""
    return NAMES.get(name, name.replace("_", " "))


def examples(root: Path, task: str, split: str) -> list[Example]:
    """The items of one csv; truth is a label in words, or a number in official units."""
    file = _file(task, split)
    items = []
    for fields in list(read_columns(root, file))[1:]:
        *values, video, film = fields
        truth: str | float
        if task == "view_count":
            truth = official_views(int(values[0]))
        elif task == "like_ratio":
            likes, dislikes = int(values[0]), int(values[1])
            truth = official_like_ratio(likes / (likes + dislikes))
        else:
            name = " ".join(values[1:])
            if name not in CLASSES[task]:
                raise AnnotationProblem(
                    f"{file.path}: class {name!r} of {video} is unknown; expected {CLASSES[task]}"
                )
            truth = display(name)
        items.append(Example(video, video, truth, video, facts={"film": film}))
    return items


def _file(task: str, split: str) -> File:
    path = f"lvu_1.0/{task}_{split}.csv"
    return File(path, CHECKSUMS[path], URL)


def _task(name: str) -> Task:
    regression = name not in CLASSES
    names = CLASSES.get(name, ())
    n, constant = FACTS[name]
    ask = QUESTIONS[name] + ("" if regression else " Answer with one of: {options}.")
    return Task(
        name=f"lvu/{name}",
        version=1,
        files=tuple(_file(name, split) for split in ("test", "train")),
        split="test",
        n=n,
        examples=partial(examples, task=name, split="test"),
        train=partial(examples, task=name, split="train"),
        constant_from="train",
        protocol="number" if regression else "labels",
        scorer="lvu_regression" if regression else "labels",
        metric="mse" if regression else "accuracy",
        labels=tuple(map(display, names)),
        synonyms={name.lower(): display(name) for name in names},
        cells=(Cell(name, 1, name, 1, 1, None if regression else 1 / len(names), constant),),
        licence="not stated (labels); clips belong to MovieClips",
        access="labels on GitHub; clips from YouTube by id, part of them gone",
        media="lvu_1.0/videos",
        cluster="video",
        questions=(ask,),
        higher_is_better=not regression,
        paper="arXiv:2106.11310",
        note="official units; val and test are never pooled" if regression else "",
    )


TASKS = tuple(_task(name) for name in (*CLASSES, "like_ratio", "view_count"))
