"""Which ids, titles and texts the benchmarks hold, from the annotation files at hand."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.evaluation.contamination.keys import long_title, title_key, word_runs
from trainer.evaluation.inputs.files import AnnotationProblem, read_columns, read_json
from trainer.evaluation.task import Example, File
from trainer.evaluation.tasks import find
from trainer.evaluation.tasks.checksums import CHECKSUMS
from trainer.evaluation.tasks.lambda_ads import FOLDER, title
from trainer.evaluation.tasks.lvu import CLASSES
from trainer.evaluation.tasks.msvd_qa import youtube_id as msvd_id

LVU_TASKS = (*CLASSES, "like_ratio", "view_count")
LVU_SPLITS = ("train", "val", "test")
CONTENT_TITLE = re.compile(r'advertisement titled "(.*?)" for the brand', re.DOTALL)
Item = tuple[str, str]


@dataclass
class Index:
    """Key -> (benchmark, item id, split) of every benchmark item with that key."""

    ids: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    titles: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    runs: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    coco: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add_title(self, text: str, entry: tuple[str, str, str]) -> None:
        """An empty or short title is no key of its own."""
        key = title_key(text)
        if long_title(key):
            self.titles.setdefault(key, []).append(entry)

    def add_text(self, text: str, entry: tuple[str, str, str]) -> None:
        """Every run of 13 words."""
        for run in dict.fromkeys(word_runs(text)):
            self.runs.setdefault(run, []).append(entry)


def build_index(root: Path) -> Index:
    """Index every benchmark whose files are there; the others are listed as missing."""
    index = Index()
    readers: dict[str, Callable[[Path, Index], None]] = {
        "pitt_video_ads": _pitt,
        "lvu_1.0": _lvu,
        "hvu": _hvu,
        "activitynet_qa": _activitynet,
        "msvd_qa": _msvd,
        FOLDER: _lambda,
        "memcat": _memcat,
        "persuasion": _persuasion,
    }
    for name, read in readers.items():
        try:
            read(root, index)
            index.read.append(name)
        except AnnotationProblem:
            index.missing.append(name)
    return index


def _put(index: Index, benchmark: str, split: str, pairs: Iterator[Item] | list[Item]) -> None:
    for video, item in dict.fromkeys(pairs):
        index.ids.setdefault(video, []).append((benchmark, item, split))


@lru_cache(maxsize=16)
def _examples(name: str, root: Path) -> tuple[Example, ...]:
    (task,) = find(name)
    return tuple(task.examples(root))


def _pitt(root: Path, index: Index) -> None:
    _put(index, "pitt_video_ads", "all", [(e.id, e.id) for e in _examples("pitt/topic", root)])


def _lvu(root: Path, index: Index) -> None:
    found = False
    for task in LVU_TASKS:
        for split in LVU_SPLITS:
            path = f"lvu_1.0/{task}_{split}.csv"
            if not (root / path).is_file():
                continue
            rows = list(read_columns(root, File(path, CHECKSUMS.get(path))))[1:]
            _put(index, "lvu_1.0", split, [(fields[-2], fields[-2]) for fields in rows])
            found = True
    if not found:
        raise AnnotationProblem("no lvu_1.0 file")


def _hvu(root: Path, index: Index) -> None:
    _put(index, "hvu", "val", [(e.cluster, e.id) for e in _examples("hvu/hvu_map", root)])


def _activitynet(root: Path, index: Index) -> None:
    items = _examples("activitynet_qa/test", root)
    _put(index, "activitynet_qa", "test", [(e.cluster, e.id) for e in items])


def _msvd(root: Path, index: Index) -> None:
    items = _examples("msvd_qa/test", root)
    _put(index, "msvd_qa", "test", [(msvd_id(e.cluster), e.id) for e in items])


def _lambda(root: Path, index: Index) -> None:
    """No file of this set holds an id: titles and texts are its keys."""
    for example in _examples("lambda_ads", root):
        entry = (FOLDER, example.id, "bs_test")
        index.add_title(title(example.question), entry)
        index.add_text(example.question, entry)
    names = (f"{FOLDER}/cs_test_q.json", f"{FOLDER}/cs_test_a.json")
    if not (root / names[0]).is_file():
        return
    questions: list[dict[str, Any]] = read_json(root, File(names[0]))
    for row in questions:
        found = CONTENT_TITLE.search(row["question"])
        index.add_title(
            found.group(1) if found else "", (FOLDER, str(row["question_id"]), "cs_test")
        )
    if (root / names[1]).is_file():
        for row in read_json(root, File(names[1])):
            index.add_text(row["answer"], (FOLDER, str(row["question_id"]), "cs_test"))


def _memcat(root: Path, index: Index) -> None:
    for example in _examples("memcat/rho", root):
        if example.facts["source"] == "coco":
            number = example.id.split(".")[0]
            index.coco.setdefault(number, []).append(("memcat", example.id, "all"))


def _persuasion(root: Path, index: Index) -> None:
    items = _examples("persuasion/video", root)
    _put(index, "persuasion", "test", [(e.id, e.id) for e in items])
