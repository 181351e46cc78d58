"""Emotion6 (Peng et al. 2015): 1,980 pictures, 330 per search keyword; keyword is the headline."""

from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import parse_table, read_text
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.abstract import unique_maximum
from trainer.evaluation.tasks.emotion import EKMAN, SYNONYMS, emotion_task, labelled

FILE = File("emotion6/ground_truth.txt", None, "http://chenlab.ece.cornell.edu/downloads.html")


def rows(text: str) -> list[tuple[str, str, str | None]]:
    """(picture, keyword label, vote label): neutral is no candidate, a tie has no vote label."""
    found = []
    for row in parse_table(text, delimiter="\t"):
        shares = {
            name.removeprefix("[prob. ").removesuffix("]"): float(value)
            for name, value in row.items()
            if name.startswith("[prob. ")
        }
        votes = {SYNONYMS.get(n, n): v for n, v in shares.items() if n != "neutral"}
        picture = row["[image_filename]"]
        word = picture.split("/")[0].lower()
        found.append((picture, SYNONYMS.get(word, word), unique_maximum(votes)))
    return found


def examples(root: Path, by_vote: bool) -> list[Example]:
    """Pictures with the wanted kind of label."""
    return [
        labelled(name, label, EKMAN, FILE.path)
        for name, keyword, vote in rows(read_text(root, FILE))
        if (label := vote if by_vote else keyword) is not None
    ]


TASKS = tuple(
    emotion_task(
        f"emotion6/{name}",
        6,
        "emotion6",
        EKMAN,
        partial(examples, by_vote=name == "vote"),
        "image",
        constant=1 / 6 if name == "keyword" else None,
        counted=name == "keyword",
        files=(FILE,),
        split="all",
        n=1980 if name == "keyword" else None,
        licence="research use, by the authors",
        access="from the authors (Cornell)",
        media="emotion6/images",
        paper="CVPR 2015, A Mixed Bag of Emotions",
        note="label = search keyword" if name == "keyword" else "label = unique vote maximum",
    )
    for name in ("keyword", "vote")
)
