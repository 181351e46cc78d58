"""Journals of unfinished prediction files: one per process, one whole line per finished item."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.predictions import PredictionProblem, json_lines
from trainer.evaluation.task import Example


def by_media(examples: Sequence[Example]) -> list[list[Example]]:
    """Items of one media together, in order of first appearance; items without media alone."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.media or f"\0{example.id}", []).append(example)
    return list(groups.values())


def read_texts(path: Path) -> dict[str, dict[str, str]]:
    """Texts of the media: name -> {verbalization, story}; PredictionProblem without a name."""
    found = {}
    for number, row in json_lines(path):
        if not isinstance(row.get("media"), str):
            raise PredictionProblem(f"{path}, line {number}: no `media`, the name it is about")
        found[row["media"]] = row
    return found


def cut_half_line(path: Path) -> None:
    """Cut a last line that a kill left half written, before this process appends to its journal."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as stream:
            stream.truncate(end)


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a journal; a half line is no item (another process may be writing it)."""
    data = path.read_bytes()
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].decode().split("\n") if line]


def wait_for_all() -> None:
    """A barrier of the processes that accelerate started."""
    from accelerate import PartialState

    PartialState().wait_for_everyone()
