"""What the seven emotion sets share: vocabularies, one task form, parser synonyms, seeded folds."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.files import AnnotationProblem
from trainer.evaluation.task import Cell, Example, Task

EKMAN = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
PLUTCHIK = (*("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust"),)
# the order of EmoSet's label2idx: not alphabetical
MIKELS = (
    *("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"),
)
# read by the parser of written answers only, never by the scorer
SYNONYMS = {
    "happy": "joy",
    "happiness": "joy",
    "joyful": "joy",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "disgusting": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "surprised": "surprise",
    "amused": "amusement",
    "content": "contentment",
    "contented": "contentment",
    "excited": "excitement",
}
FOLDS = 5
ASK = "Which emotion does this {kind} evoke? Answer with one of: {options}."


def fold(seed: str, example: str) -> int:
    """The fold, 0 to 4, of an item of a set without an official split; depends on its id alone."""
    digest = hashlib.sha256(f"{seed}/{example}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS


def labelled(name: str, label: str, labels: tuple[str, ...], where: str) -> Example:
    """An item with one label of the vocabulary; AnnotationProblem for another."""
    if label not in labels:
        raise AnnotationProblem(f"{where}: label {label!r} of {name!r} is not one of {labels}")
    return Example(name, name, label, name)


def class_folders(
    root: Path, folder: str, labels: tuple[str, ...], synonyms: dict[str, str] | None = None
) -> list[Example]:
    """Items of a tree class/file: the id is class/name, because names repeat in every folder."""
    top = root / folder
    if not top.is_dir():
        raise AnnotationProblem(
            f"{top} is not there: this set has no annotation file, its folders are the labels"
        )
    items = []
    for path in sorted(top.glob("*/*")):
        if not path.is_file():
            continue
        word = path.parent.name.lower()
        label = (synonyms or {}).get(word, word)
        name = f"{path.parent.name}/{path.stem}"
        items.append(labelled(name, label, labels, folder))
    return items


def emotion_task(
    name: str,
    table: int,
    column: str,
    labels: tuple[str, ...],
    examples: Callable[[Path], list[Example]],
    kind: str,
    constant: float | None = None,
    counted: bool = True,
    **rest: Any,
) -> Task:
    """One emotion task: label scoring over the vocabulary, top-1 accuracy."""
    ask = ASK.replace("{kind}", kind)
    known = {word: label for word, label in SYNONYMS.items() if label in labels}
    part = 1 if counted else 0
    return Task(
        name=name,
        version=1,
        examples=examples,
        protocol="labels",
        scorer="labels",
        metric="accuracy",
        labels=labels,
        synonyms=rest.pop("synonyms", {}) | known,
        questions=(ask, f"Name the emotion of this {kind}. Choose from: {{options}}."),
        kind=kind,
        cells=(
            Cell(
                "accuracy", table if counted else 0, column, part, part, 1 / len(labels), constant
            ),
        ),
        checked=rest.pop("checked", False),
        **rest,
    )
