"""MSRVTT-QA (Xu et al. 2017). Table 3 is on test (72,821 questions); val is another task.

The test file was not at hand: its form is that of val. The two are never mixed.
"""

from dataclasses import replace
from functools import partial

from trainer.evaluation.task import File, Task
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.qa import msvd_style, question_task

URL = "https://github.com/xudejing/video-question-answering"
TEST = File("msrvtt_qa/msrvtt_qa_test.json.gz", None, URL)
VAL = File("msrvtt_qa/msrvtt_qa_val.json.gz", CHECKSUMS["msrvtt_qa/msrvtt_qa_val.json.gz"], URL)


def _task(split: str, file: File, n: int, constant: float | None) -> Task:
    return question_task(
        f"msrvtt_qa/{split}",
        "msrvtt",
        partial(msvd_style, file=file),
        constant,
        version=1,
        files=(file,),
        split=split,
        n=n,
        checked=split == "val",
        licence="MIT (copy's repository); clips belong to their uploaders",
        access="questions on GitHub; clips from the MSR-VTT download",
        media="msrvtt_qa/videos",
        paper="doi:10.1145/3123266.3123427",
    )


_test = _task("test", TEST, 72821, None)
_val = _task("val", VAL, 12278, 1171 / 12278)
TASKS = (
    _test,
    # val is not the split of Table 3: its cells stand outside the paper's 49
    replace(
        _val,
        cells=tuple(replace(c, table=0, column="", count_i=0, count_ii=0) for c in _val.cells),
    ),
)
