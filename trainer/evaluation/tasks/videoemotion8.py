"""VideoEmotion-8 (Jiang et al. 2014): 1,101 videos, 8 Plutchik emotions; public list 01."""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_columns
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.emotion import PLUTCHIK, emotion_task, labelled

URL = "https://github.com/maysonma/VAANet"
CLASSES = File("videoemotion8/classInd.txt", None, URL)


def examples(root: Path, split: str) -> list[Example]:
    """Lines `Class/name`; the class is checked against classInd.txt, whose numbers start at 1."""
    numbers = {name: int(number) for number, name in read_columns(root, CLASSES)}
    items = []
    for fields in read_columns(root, _list(split)):
        name = fields[0].rsplit(".", 1)[0]
        word = name.split("/")[0]
        if word not in numbers or (len(fields) > 1 and int(fields[1]) != numbers[word]):
            raise AnnotationProblem(
                f"{_list(split).path}: {' '.join(fields)!r} does not agree with {CLASSES.path}"
            )
        items.append(labelled(name, word.lower(), PLUTCHIK, CLASSES.path))
    return items


def _list(split: str) -> File:
    return File(f"videoemotion8/{split}list01.txt", None, URL)


TASKS = (
    emotion_task(
        "videoemotion8/accuracy",
        5,
        "videoemotion8",
        PLUTCHIK,
        partial(examples, split="test"),
        "video",
        constant=70 / 367,
        train=partial(examples, split="train"),
        constant_from="train",
        files=(CLASSES, _list("test"), _list("train")),
        split="test, list 01",
        n=367,
        licence="research use, by the authors",
        access="on request from the authors (Fudan)",
        media="videoemotion8/videos",
        paper="AAAI 2014, Predicting Emotions in User-Generated Videos",
        note="list 01 alone; the literature averages 10 splits",
    ),
)
