"""The nouns of an evaluation: an annotation file, an example, a cell of the paper, a task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROTOCOLS = ("labels", "choices", "digits", "number", "answer", "tags", "caption", "regions")


@dataclass(frozen=True)
class File:
    """One official annotation file, below the annotations folder.

    sha256: None where no copy was at hand to take it from (`list` then says so).
    """

    path: str
    sha256: str | None = None
    url: str = ""


@dataclass(frozen=True)
class Example:
    """One item of a task.

    media: path below the task's media folder, with or without suffix; None for a text task.
    truth: what the task's scorer expects (a label, a set of labels, a number, ...).
    cluster: items that share it are resampled together. choices: this item's own candidates.
    """

    id: str
    media: str | None
    truth: Any
    cluster: str
    question: str = ""
    choices: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One number of the paper's tables. count_i, count_ii: its part in the two counts of 40.

    chance: a predictor that draws at random; constant: the best constant answer, chosen on the
    train split where there is one (Task.constant_from) and measured on the test split.
    """

    name: str
    table: int
    column: str
    count_i: int = 0
    count_ii: int = 0
    chance: float | None = None
    constant: float | None = None


@dataclass(frozen=True)
class Task:
    """One task: where its items come from, how a model is asked, how it is scored.

    examples, train: annotations folder -> items; pure, no media is read. labels: the vocabulary,
    in the order that breaks ties; synonyms: only the parser of written answers reads them.
    scorer: a key of `score.SCORERS`. checked: the loader ran on the real files.
    """

    name: str
    version: int
    files: tuple[File, ...]
    split: str
    n: int | None
    examples: Callable[[Path], list[Example]]
    protocol: str
    scorer: str
    cells: tuple[Cell, ...]
    licence: str
    access: str
    media: str
    questions: tuple[str, ...]
    metric: str
    labels: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)
    train: Callable[[Path], list[Example]] | None = None
    constant_from: str = "same split"
    cluster: str = "item"
    higher_is_better: bool = True
    kind: str = "video"
    checked: bool = True
    note: str = ""
    paper: str = ""

    @property
    def benchmark(self) -> str:
        """The part of the name before the slash."""
        return self.name.split("/")[0]

    def question(self, example: Example, paraphrase: int = 0) -> str:
        """The text put to the model for one item, in one of the task's wordings."""
        asked = self.questions[paraphrase % len(self.questions)]
        options = example.choices or self.labels
        return asked.replace("{question}", example.question).replace(
            "{options}", ", ".join(options)
        )


def split_rows(rows: Sequence[Any], wanted: set[int]) -> list[Any]:
    """The rows whose position is wanted, in order."""
    return [row for index, row in enumerate(rows) if index in wanted]
