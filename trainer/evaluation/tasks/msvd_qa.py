"""MSVD-QA (Xu et al. 2017), test split: 13,157 one-word questions on 504 clips of 377 videos."""

from functools import partial

from trainer.evaluation.task import File
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.qa import msvd_style, question_task

FILE = File(
    "msvd_qa/msvd_qa_test.json.gz",
    CHECKSUMS["msvd_qa/msvd_qa_test.json.gz"],
    "https://github.com/xudejing/video-question-answering",
)


def youtube_id(video: str) -> str:
    """The YouTube id of a clip name: without its last two number parts (ids may hold `_`)."""
    return video.rsplit("_", 2)[0]


TASKS = (
    question_task(
        "msvd_qa/test",
        "msvd",
        partial(msvd_style, file=FILE),
        constant=1852 / 13157,
        version=1,
        files=(FILE,),
        split="test",
        n=13157,
        licence="MIT (copy's repository); clips belong to their uploaders",
        access="questions on GitHub; clips from the MSVD download (YouTubeClips)",
        media="msvd_qa/YouTubeClips",
        paper="doi:10.1145/3123266.3123427",
    ),
)
