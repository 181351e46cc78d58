"""Pitt video ads (Hussain et al. 2017): topic, sentiment (30 and clubbed 7), action, reason.

Clean labels are 1-based. Which label counts is part of a cell's name: clean (headline), any or
two annotators. Action and reason are retrieval of one statement among 30.
"""

import random
from functools import partial
from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_json
from trainer.evaluation.task import Cell, Example, File, Task
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.pitt_labels import CLUB, CLUBS, SENTIMENTS, TOPICS

URL = "https://people.cs.pitt.edu/~kovashka/ads/"
STATEMENT_SEED = "pitt/1"
CANDIDATES = 30
# of the lines "id, candidates..." (tab separated) on the official files
ACTION_SHA256 = "08ec2f838a67bad5b885572acb489a79d2278fe716ced274d6f4ed308458b58f"
REASON_SHA256 = "f63300fe9e6bbbaab7cba0665c293371daea0f48259d758a02d84ba103470a2d"


def _file(name: str) -> File:
    path = f"pitt_video_ads/{name}"
    return File(path, CHECKSUMS[path], URL)


TOPIC_FILE = _file("video_Topics_clean.json")
SENTIMENT_FILE = _file("video_Sentiments_clean.json")
RAW_SENTIMENTS = _file("video_Sentiments_raw.json")
SENTIMENT_WORDS = _file("Sentiments_List.txt")


def clean(root: Path, file: File, labels: tuple[str, ...]) -> list[Example]:
    """One label per video: annotation 1 is the first line of the vocabulary file."""
    items = []
    for video, value in read_json(root, file).items():
        if not 1 <= int(value) <= len(labels):
            raise AnnotationProblem(
                f"{file.path}: label {value!r} of {video} is outside 1..{len(labels)}"
            )
        items.append(Example(video, video, labels[int(value) - 1], video))
    return items


def sentiments(root: Path) -> list[Example]:
    """Clean sentiment, with the raw replies of the annotators in `facts`."""
    raw = read_json(root, RAW_SENTIMENTS)
    return [
        Example(e.id, e.media, e.truth, e.cluster, facts={"raw": tuple(raw.get(e.id, ()))})
        for e in clean(root, SENTIMENT_FILE, SENTIMENTS)
    ]


def clubbed(root: Path) -> list[Example]:
    """The clean sentiments under club map v1 (ours: the paper prints none)."""
    return [
        Example(e.id, e.media, CLUB[e.truth], e.cluster, facts=e.facts) for e in sentiments(root)
    ]


def statements(root: Path, name: str) -> list[Example]:
    """1 of 30: one seeded statement of the video among 29 of others, none equal to its own."""
    rows = {
        video: [text.strip() for text in texts if text.strip()]
        for video, texts in read_json(root, _file(f"video_QA_{name}_raw.json")).items()
    }
    pool = sorted({text for texts in rows.values() for text in texts})
    items = []
    for video, own in rows.items():
        if not own:
            continue
        draw = random.Random(f"{STATEMENT_SEED}/{name}/{video}")
        truth = draw.choice(own)
        others = [t for t in draw.sample(pool, min(len(pool), 2 * CANDIDATES)) if t not in own]
        candidates = others[: CANDIDATES - 1]
        candidates.insert(draw.randrange(len(candidates) + 1), truth)
        items.append(Example(video, video, truth, video, choices=tuple(candidates)))
    return items


def _task(name: str, cells: tuple[Cell, ...], files: tuple[File, ...], **rest: object) -> Task:
    return Task(
        name=f"pitt/{name}",
        version=1,
        split="all",
        n=3477,
        files=files,
        cells=cells,
        metric="top-1 accuracy",
        licence="not stated (labels); ads belong to their brands",
        access="labels from the authors' page; ads from YouTube by id, about half gone",
        media="pitt_video_ads/videos",
        paper="arXiv:1707.03067",
        **rest,  # type: ignore[arg-type]
    )


def _statement_task(name: str, question: str) -> Task:
    return _task(
        name.lower(),
        (Cell("accuracy", 4, name.lower(), 1, 1, 1 / CANDIDATES),),
        (_file(f"video_QA_{name}_raw.json"),),
        examples=partial(statements, name=name),
        protocol="choices",
        scorer="retrieval",
        constant_from="none",
        questions=(question,),
    )


ONE_OF = " Answer with one of: {options}."
TASKS = (
    _task(
        "topic",
        (Cell("accuracy", 4, "topic", 1, 1, 1 / len(TOPICS), 311 / 3477),),
        (TOPIC_FILE,),
        examples=partial(clean, file=TOPIC_FILE, labels=TOPICS),
        protocol="labels",
        scorer="labels",
        labels=TOPICS,
        questions=("What is the topic of this advertisement?" + ONE_OF,),
    ),
    _task(
        "sentiment_30",
        (
            Cell("accuracy", 4, "sentiment_30_all", 1, 1, 1 / 30, 806 / 3477),
            *(Cell(f"accuracy_{rule}", 0, "") for rule in ("any", "two")),
            *(Cell(f"map_{kind}", 0, "") for kind in ("any_macro", "two_macro")),
        ),
        (SENTIMENT_FILE, RAW_SENTIMENTS, SENTIMENT_WORDS),
        examples=sentiments,
        protocol="labels",
        scorer="pitt_sentiment",
        labels=SENTIMENTS,
        questions=("Which sentiment does this advertisement evoke in viewers?" + ONE_OF,),
    ),
    _task(
        "sentiment_7",
        (
            Cell("accuracy", 4, "sentiment_7_clubbed", 1, 0, 1 / 7, 1941 / 3477),
            Cell("accuracy_any", 0, ""),
        ),
        (SENTIMENT_FILE, RAW_SENTIMENTS, SENTIMENT_WORDS),
        examples=clubbed,
        protocol="labels",
        scorer="pitt_clubbed",
        labels=CLUBS,
        synonyms=CLUB,
        questions=("Which sentiment does this advertisement evoke in viewers?" + ONE_OF,),
        note="clean label under club map v1; the any-annotator reading stands beside it",
    ),
    _statement_task("Action", "What should the viewer do, according to this advertisement?"),
    _statement_task("Reason", "Why should the viewer do it, according to this advertisement?"),
)
