"""Persuasion strategies (Kumar et al. 2023; Singla et al. 2022): right if in the set.

The paper's 1,002 videos have no public list: that task reads a list in the form below. Ad texts
and ad pictures are public and are tasks of their own.
"""

from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_json, read_sheet
from trainer.evaluation.task import Cell, Example, File, Task
from trainer.evaluation.tasks.checksums import CHECKSUMS

URL = "https://github.com/midas-research/persuasion-advertisements"
VIDEOS = File("persuasion/video_strategies.json", None, URL)
TEXTS = File("persuasion/test_persuasion.xlsx", CHECKSUMS["persuasion/test_persuasion.xlsx"], URL)
PICTURES = File(
    "persuasion/data_annotations_test_set.json",
    CHECKSUMS["persuasion/data_annotations_test_set.json"],
    URL,
)
VIDEO_LABELS = (
    *("social identity", "concreteness", "anchoring and comparison", "overcoming reactance"),
    *("reciprocity", "foot-in-the-door", "authority", "social impact", "anthropomorphism"),
    *("scarcity", "social proof", "unclear"),
)
# the columns of the workbook, in its order and its spelling
TEXT_LABELS = (
    *("none", "social identity", "social proof", "authority", "concreteness", "foot in the door"),
    *("overcoming reactance", "reciprocity", "anchoring and comparison", "social impact"),
    *("scarcity", "anthromorphism"),
)
# the 16 spellings before the first colon, of which several are feelings
PICTURE_LABELS = (
    "Active (energetic/adventurous/vibrant/enthusiastic/playful)",
    "Amazed (surprised/astonished/awed/fascinated/intrigued)",
    "Authority/Expert Approval/Third-party approval/Credentials and Awards",
    "Cheerful (delighted/happy/joyful/carefree/optimistic)",
    "Concreteness",
    "Creative (inventive/productive)",
    "Eager (hungry/thirsty/passionate)",
    "Emotion",
    "Fashionable (trendy/elegant/beautiful/attractive/sexy)",
    "Feminine (womanly/girlish)",
    "Others",
    "Reciprocity",
    "Social Identity",
    "Social Impact",
    "Trustworthiness",
    "Unclear",
)
NAMED = ("First Persuasion", "Second Persuasion", "Third Persuasion")
ASK = "Which persuasion strategy does this advertisement use? Answer with one of: {options}."


def videos(root: Path) -> list[Example]:
    """Form: {YouTube id: [strategy, ...]}."""
    items = []
    for video, names in read_json(root, VIDEOS).items():
        known = frozenset(name.lower() for name in names)
        if not known or not known <= set(VIDEO_LABELS):
            raise AnnotationProblem(f"{VIDEOS.path}: {names} of {video}: expected {VIDEO_LABELS}")
        items.append(Example(video, video, known, video))
    return items


def texts(root: Path) -> list[Example]:
    """Rows of the workbook; the id is the row number, the header not counted."""
    header, rows = read_sheet(root, TEXTS)
    columns = [header.index(name) for name in TEXT_LABELS]
    words = next(i for i in range(len(header)) if isinstance(rows[0][i], str))
    return [
        Example(
            str(number),
            None,
            frozenset(n for n, c in zip(TEXT_LABELS, columns, strict=True) if row[c]),
            str(number),
            str(row[words]),
        )
        for number, row in enumerate(rows)
    ]


def pictures(root: Path) -> list[Example]:
    """Pictures with one to three strategies, each the text before its first colon."""
    return [
        Example(
            name,
            name,
            frozenset(row[key].split(":")[0].strip() for key in NAMED if row.get(key)),
            name,
        )
        for name, row in read_json(root, PICTURES).items()
    ]


def _task(name: str, cell: Cell, file: File, **rest: object) -> Task:
    return Task(
        name=f"persuasion/{name}",
        version=1,
        files=(file,),
        cells=(cell,),
        protocol="labels",
        scorer="labels",
        metric="accuracy: top-1 is one of the annotated strategies",
        licence="CC BY-NC-SA 4.0 (annotations)",
        access=URL,
        paper="arXiv:2208.09626",
        **rest,  # type: ignore[arg-type]
    )


TASKS = (
    _task(
        "video",
        Cell("accuracy", 4, "persuasion", 1, 1, 1 / 12),
        VIDEOS,
        split="test",
        n=1002,
        checked=False,
        examples=videos,
        labels=VIDEO_LABELS,
        media="persuasion/videos",
        questions=(ASK,),
        note="no public list of the 1,002 videos: give {YouTube id: [strategies]}",
    ),
    _task(
        "text",
        Cell("text_accuracy", 0, "", 0, 0, 1 / 12, 267 / 2185),
        TEXTS,
        split="test",
        n=2185,
        examples=texts,
        labels=TEXT_LABELS,
        media="",
        kind="text",
        questions=("{question}\n" + ASK,),
    ),
    _task(
        "image",
        Cell("image_accuracy", 0, "", 0, 0, None, 72 / 250),
        PICTURES,
        split="test",
        n=250,
        examples=pictures,
        labels=PICTURE_LABELS,
        media="persuasion/images",
        kind="image",
        questions=(ASK,),
        note="16 raw spellings; several are feelings, not strategies",
    ),
)
