"""LAMBDA (SI et al. 2023): long-term memorability of 220 ads; question texts are the authors'."""

import re
from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_json
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.memorability import memorability_task

URL = "https://github.com/behavior-in-the-wild/ad-memorability"
FOLDER = "lambda_ad_memorability"
QUESTIONS = File(f"{FOLDER}/bs_test_q.json", CHECKSUMS[f"{FOLDER}/bs_test_q.json"], URL)
ANSWERS = File(f"{FOLDER}/bs_test_a.json", CHECKSUMS[f"{FOLDER}/bs_test_a.json"], URL)
TITLE = re.compile(r'The title of the advertisement is "(.*?)"\.', re.DOTALL)


def title(question: str) -> str:
    """The title inside a question; "" where there is none."""
    found = TITLE.search(question)
    return found.group(1) if found else ""


def examples(root: Path) -> list[Example]:
    """Questions joined with answers "00".."99" by question_id."""
    answers = {row["question_id"]: row["answer"] for row in read_json(root, ANSWERS)}
    items = []
    for row in read_json(root, QUESTIONS):
        number = row["question_id"]
        if number not in answers:
            raise AnnotationProblem(f"{ANSWERS.path} has no answer for question_id {number}")
        question = row["question"].replace("<image>", "").strip()
        media, name = row["video_name"].removeprefix("video_scenes/"), str(number)
        facts = {"title": title(question)}
        items.append(Example(name, media, float(answers[number]), name, question, facts=facts))
    return items


TASKS = (
    memorability_task(
        "lambda_ads/rho",
        "lambda",
        examples,
        term="long term",
        questions=("{question}",),
        files=(QUESTIONS, ANSWERS),
        split="test",
        n=220,
        licence="MIT (repository), research use only",
        access="texts on GitHub; features video_scenes/{id}.npy from the authors",
        media="lambda_ad_memorability/video_scenes",
        paper="arXiv:2309.00378",
        note="19 distinct truths, 99 in 82 of 220: ties count",
    ),
)
