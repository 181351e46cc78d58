"""ActivityNet-QA (Yu et al. 2019), test split: 8,000 questions on 800 videos.

The official script's "Free" line divides by the wrong counts; types 3 to 8 are used here.
"""

from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_json
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.qa import question_task

URL = "https://github.com/MILVLG/activitynet-qa"
QUESTIONS = File("activitynet_qa/test_q.json", CHECKSUMS["activitynet_qa/test_q.json"], URL)
ANSWERS = File("activitynet_qa/test_a.json", CHECKSUMS["activitynet_qa/test_a.json"], URL)


def examples(root: Path) -> list[Example]:
    """Questions and answers joined by question_id; both files must hold the same ids."""
    answers = {row["question_id"]: row for row in read_json(root, ANSWERS)}
    questions = read_json(root, QUESTIONS)
    if strangers := {row["question_id"] for row in questions} ^ set(answers):
        raise AnnotationProblem(
            f"{QUESTIONS.path} and {ANSWERS.path} differ in question ids, such as "
            f"{sorted(strangers)[:3]}"
        )
    return [
        Example(
            row["question_id"],
            f"v_{row['video_name']}",
            answers[row["question_id"]]["answer"],
            row["video_name"],
            row["question"].rstrip("?") + "?",
            facts={"type": answers[row["question_id"]]["type"]},
        )
        for row in questions
    ]


TASKS = (
    question_task(
        "activitynet_qa/test",
        "anet",
        examples,
        constant=1102 / 8000,
        version=1,
        files=(QUESTIONS, ANSWERS),
        split="test",
        n=8000,
        licence="Apache-2.0 (questions)",
        access="questions on GitHub; videos from the ActivityNet download, part of them gone",
        media="activitynet_qa/videos",
        paper="arXiv:1906.02467",
    ),
)
