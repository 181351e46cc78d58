"""EmoSet (Yang et al. 2023): 118,102 labelled pictures, 8 emotions, official test list (15 %)."""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import read_json
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.emotion import MIKELS, emotion_task, labelled

URL = "https://github.com/JingyuanYY/EmoSet"
INFO = File("emoset/info.json", CHECKSUMS["emoset/info.json"], URL)


def vocabulary(root: Path) -> tuple[str, ...]:
    """The emotions in the order of label2idx."""
    numbers = read_json(root, INFO)["emotion"]["label2idx"]
    return tuple(sorted(numbers, key=numbers.__getitem__))


def examples(root: Path, split: str) -> list[Example]:
    """Rows [emotion, id, image, annotation], or three columns in an older release."""
    return [
        labelled(row[-2], row[0], MIKELS, _list(split).path)
        for row in read_json(root, _list(split))
    ]


def _list(split: str) -> File:
    return File(f"emoset/{split}.json", None, URL)


TASKS = (
    emotion_task(
        "emoset/accuracy",
        6,
        "emoset",
        MIKELS,
        partial(examples, split="test"),
        "image",
        train=partial(examples, split="train"),
        constant_from="train",
        files=(INFO, _list("test"), _list("train")),
        split="test",
        n=None,
        licence="MIT (repository); pictures for research",
        access="https://vcc.tech/EmoSet, on request",
        media="emoset",
        paper="arXiv:2307.07961",
    ),
)
