"""The list of tasks: a new benchmark is one file here and one line below."""

import difflib

from trainer.evaluation.task import Task
from trainer.evaluation.tasks import (
    abstract,
    activitynet_qa,
    blift,
    caer,
    captioning,
    ekman6,
    emoset,
    emotion6,
    gaze,
    hvu,
    iapsa8,
    lambda_ads,
    lamem,
    lvu,
    mediaeval,
    memcat,
    memento10k,
    msrvtt_qa,
    msvd_qa,
    persuasion,
    pitt,
    sun_memorability,
    videoemotion8,
    videomem,
)

TASKS: tuple[Task, ...] = (
    *lvu.TASKS,
    *hvu.TASKS,
    *msvd_qa.TASKS,
    *msrvtt_qa.TASKS,
    *activitynet_qa.TASKS,
    *pitt.TASKS,
    *persuasion.TASKS,
    *videoemotion8.TASKS,
    *caer.TASKS,
    *ekman6.TASKS,
    *iapsa8.TASKS,
    *abstract.TASKS,
    *emotion6.TASKS,
    *emoset.TASKS,
    *captioning.TASKS,
    *lamem.TASKS,
    *memcat.TASKS,
    *sun_memorability.TASKS,
    *memento10k.TASKS,
    *lambda_ads.TASKS,
    *videomem.TASKS,
    *mediaeval.TASKS,
    *blift.TASKS,
    *gaze.TASKS,
)


def find(names: str) -> list[Task]:
    """The tasks of a comma list of names or benchmarks, `all` for every one; ValueError if none."""
    chosen: dict[str, Task] = {}
    for name in (part.strip() for part in names.split(",")):
        found = [t for t in TASKS if name in ("all", t.name, t.benchmark)]
        if not found:
            known = [t.name for t in TASKS] + sorted({t.benchmark for t in TASKS})
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"unknown task {name!r}{hint} (`python -m trainer.evaluation list` names them)"
            )
        chosen.update((t.name, t) for t in found)
    return list(chosen.values())
