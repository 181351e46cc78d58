"""Abstract paintings (Machajdik and Hanbury 2010): the 228 with one most-voted emotion."""

from pathlib import Path

from trainer.evaluation.inputs.files import parse_table, read_text
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.emotion import MIKELS, emotion_task, labelled

FILE = File("abstract/ABSTRACT_groundTruth.csv", None, "https://www.imageemotion.org/")
COLUMNS = {"content": "contentment", "sad": "sadness"}


def unique_maximum(votes: dict[str, float]) -> str | None:
    """The name with the most votes; None when two share the maximum."""
    most = max(votes.values())
    names = [name for name, count in votes.items() if count == most]
    return names[0] if len(names) == 1 else None


def vote_labels(text: str) -> dict[str, str | None]:
    """Picture -> emotion of the unique maximum of its votes; None for a tie."""
    found = {}
    for row in parse_table(text, quote="'"):
        name = row.pop("")
        words = {COLUMNS.get(key.lower(), key.lower()): float(n) for key, n in row.items()}
        found[name] = unique_maximum(words)
    return found


def examples(root: Path) -> list[Example]:
    """Pictures without a tie (280 rated, 228 kept)."""
    labels = vote_labels(read_text(root, FILE))
    return [
        labelled(name, label, MIKELS, FILE.path)
        for name, label in labels.items()
        if label is not None
    ]


TASKS = (
    emotion_task(
        "abstract/accuracy",
        6,
        "abstract",
        MIKELS,
        examples,
        "image",
        files=(FILE,),
        split="all",
        n=228,
        licence="research use, by the authors",
        access="https://www.imageemotion.org",
        media="abstract/images",
        paper="doi:10.1145/1873951.1873965",
        note="pictures with tied votes are left out",
    ),
)
