"""`generate`: a model and media to prediction files; resumable per item, sharded over processes.

Every process writes finished items to a journal of its own; when all are there, one process writes
the file in the task's order. Killed at any moment, a second run goes on and gives the same file.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.evaluation.inputs.files import sha256
from trainer.evaluation.inputs.journal import (
    by_media,
    cut_half_line,
    read_texts,
    wait_for_all,
    whole_lines,
)
from trainer.evaluation.inputs.media import Media
from trainer.evaluation.inputs.plan import NEW_TOKENS, plan, print_plan
from trainer.evaluation.inputs.predictions import PredictionProblem, json_lines, path_of
from trainer.evaluation.protocols.labels import (
    first_token_collisions,
    joint_digits,
    prefix_pairs,
)
from trainer.evaluation.results import digest, write_text
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks import find

if TYPE_CHECKING:
    from trainer.evaluation.protocols.asking import Asker

CONDITIONS = ("video", "verbalization", "story")
DIGITS = tuple(f"{number:02d}" for number in range(100))
EXAMPLE = """example:
  python -m trainer.evaluation generate --model out/demo --tasks pitt,lvu/scene \\
      --annotations annotations --media media --out preds
  accelerate launch -m trainer.evaluation generate …        # one shard of the items per process
"""


def add_command(commands: Any) -> None:
    """Add `generate` to the evaluation's commands."""
    parser = commands.add_parser(
        "generate",
        help="a model's predictions, resumable and sharded",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="model folder or Hub id")
    parser.add_argument("--model-revision", help="commit of a Hub model")
    parser.add_argument("--tasks", required=True, help="comma list of tasks or benchmarks")
    parser.add_argument("--annotations", required=True, type=Path)
    parser.add_argument("--media", required=True, type=Path, help="laid out as the downloads")
    parser.add_argument("--out", required=True, type=Path, help="folder of predictions")
    parser.add_argument("--condition", choices=CONDITIONS, default="video", help="model's input")
    parser.add_argument("--texts", type=Path, help="JSONL {media, verbalization, story}")
    parser.add_argument("--paraphrase", type=int, default=0, help="which wording of the question")
    parser.add_argument("--label-order", type=int, default=0, help="seed of the order in prompts")
    parser.add_argument("--limit", type=int, help="only the first N items of every task")
    parser.add_argument("--skip-missing-media", action="store_true", help="count them as missing")
    parser.add_argument("--dry-run", action="store_true", help="print items and tokens, no model")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Predict every task; ValueError where media are missing and may not be skipped."""
    texts = read_texts(options.texts) if options.texts else {}
    if options.condition != "video" and not texts:
        raise ValueError(f"--condition {options.condition} needs --texts FILE")
    plans = [plan(task, options) for task in find(options.tasks)]
    if options.dry_run:
        print_plan(plans)
        return
    from trainer.evaluation.protocols.asking import load
    from trainer.provenance import model_revision

    asker = load(options.model, options.model_revision)
    revision = model_revision(options.model, options.model_revision)
    for task, examples, media in plans:
        job = Job(asker, task, media, options, texts, revision)
        job.run(examples)


class Job:
    """One task of one model, in one process of several."""

    def __init__(
        self,
        asker: "Asker",
        task: Task,
        media: Media,
        options: argparse.Namespace,
        texts: dict[str, Any],
        revision: str | None,
    ) -> None:
        self.asker, self.task, self.media = asker, task, media
        self.options, self.texts, self.revision = options, texts, revision
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.path = path_of(options.out, task)
        self._known: dict[tuple[str, ...], Any] = {}

    def run(self, examples: Sequence[Example]) -> None:
        """Predict what is not yet predicted; write the file when everything is."""
        from tqdm import tqdm

        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._journal(self.rank).is_file():
            cut_half_line(self._journal(self.rank))
        done = self._finished({example.id for example in examples})
        groups = by_media(examples)
        mine = [group for number, group in enumerate(groups) if number % self.world == self.rank]
        todo = [[e for e in group if e.id not in done] for group in mine]
        count = sum(map(len, todo))
        journal = self._journal(self.rank)
        with (
            journal.open("a", encoding="utf-8") as stream,
            tqdm(total=count, desc=self.task.name, unit="item", file=sys.stderr) as bar,
        ):
            for group in todo:
                with self.asker.one_vision_pass():
                    for example in group:
                        stream.write(json.dumps(self.predict(example), ensure_ascii=False) + "\n")
                        stream.flush()
                        bar.update()
        self._merge(examples)

    def _journal(self, rank: int) -> Path:
        return self.path.with_name(f".{self.path.stem}.{rank}.journal")

    def _journals(self) -> list[Path]:
        return sorted(self.path.parent.glob(f".{self.path.stem}.*.journal"))

    def _finished(self, wanted: set[str]) -> set[str]:
        return {row["id"] for row in self._rows()} & wanted

    def _rows(self) -> list[dict[str, Any]]:
        """Finished items of the file and of every journal; a line cut by a kill is no item."""
        rows: list[dict[str, Any]] = []
        if self.path.is_file():
            rows += [row for _, row in json_lines(self.path)]
        for journal in self._journals():
            rows += whole_lines(journal)
        for row in rows:
            self._check_same(row)
        return rows

    def _check_same(self, row: dict[str, Any]) -> None:
        here = {"model": self.revision, "condition": self.options.condition}
        for name, value in here.items():
            if row.get(name) != value:
                raise PredictionProblem(
                    f"{self.path} holds predictions with {name} {row.get(name)!r}, this run has "
                    f"{value!r}: give another --out"
                )

    def _merge(self, examples: Sequence[Example]) -> None:
        """Write the file in the task's order once every item is there; then drop the journals."""
        if self.world > 1:
            wait_for_all()
            if self.rank:
                return
        rows = {row["id"]: row for row in self._rows()}
        missing = [example.id for example in examples if example.id not in rows]
        if missing:
            raise RuntimeError(f"{self.task.name}: {len(missing)} items have no prediction")
        order = [example.id for example in examples]
        kept = [rows[name] for name in order] + [
            row for name, row in rows.items() if name not in set(order)
        ]
        write_text(self.path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))
        for journal in self._journals():
            journal.unlink()

    # -- one item -------------------------------------------------------------------------------

    def predict(self, example: Example) -> dict[str, Any]:
        """One prediction line."""
        media = None
        if self.options.condition == "video" and example.media is not None:
            media = self.media.find(example.media)
        question = self._question(example)
        inputs = self.asker.inputs(self.asker.messages(question, media))
        row: dict[str, Any] = {
            "id": example.id,
            "task": self.task.name,
            "version": self.task.version,
            "protocol": self.task.protocol,
            "answer": None,
            "labels": None,
            "digits": None,
            "media": sha256(media) if media else None,
            "model": self.revision,
            "prompt": digest(question),
            "condition": self.options.condition,
        }
        if self.task.protocol in ("labels", "choices"):
            row["labels"] = self._labels(inputs, example.choices or self.task.labels)
        elif self.task.protocol == "digits":
            row["digits"] = self._digits(inputs)
        elif self.task.scorer == "comments":
            row["labels"] = {"comments": self._comments(inputs, example.truth)}
        else:
            row["answer"] = self.asker.answer(inputs, NEW_TOKENS[self.task.protocol])
        return row

    def _question(self, example: Example) -> str:
        from random import Random

        asked = example
        if self.options.label_order:
            options = list(example.choices or self.task.labels)
            Random(f"{self.options.label_order}/{example.id}").shuffle(options)
            asked = Example(
                example.id, example.media, None, example.cluster, example.question, tuple(options)
            )
        question = self.task.question(asked, self.options.paraphrase)
        if self.options.condition == "video":
            return question
        text = self.texts.get(example.media or example.id, {}).get(self.options.condition)
        if text is None:
            raise ValueError(
                f"{self.task.name}: {self.options.texts} has no {self.options.condition} of "
                f"{example.media or example.id!r}"
            )
        return f"{text}\n{question}"

    def _labels(self, inputs: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
        from trainer.evaluation.protocols.packed import label_entries

        ids, end, shared, ends = self._vocabulary(tuple(names))
        tokens = [[*label, *end] for label in ids] if ends else ids
        values = self.asker.logprobs(inputs, tokens)
        priors = self._priors(tuple(names), tokens)
        return label_entries(names, ids, values, priors, ends, shared)

    def _vocabulary(self, names: tuple[str, ...]) -> tuple[Any, list[int], bool, bool]:
        if names not in self._known:
            ids, end = self.asker.label_ids(names)
            collisions, prefixes = first_token_collisions(ids), prefix_pairs(ids)
            if collisions and not self._known:
                groups = [[names[i] for i in group] for group in collisions[:3]]
                tqdm_write(
                    f"{self.task.name}: labels share their first token in this prompt, such as "
                    f"{groups}: `first` is refused, sums are used"
                )
            self._known[names] = (ids, end, bool(collisions), bool(prefixes))
        return self._known[names]  # type: ignore[no-any-return]

    def _priors(self, names: tuple[str, ...], tokens: list[list[int]]) -> list[list[float]]:
        """After the unconditional prompt: the same template, no media, no question."""
        key = ("prior", *names)
        if key not in self._known:
            empty = self.asker.inputs(self.asker.messages("", None))
            self._known[key] = self.asker.logprobs(empty, tokens)
        return self._known[key]  # type: ignore[no-any-return]

    def _digits(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ids, _, _, _ = self._vocabulary(DIGITS)
        sums = [sum(values) for values in self.asker.logprobs(inputs, ids)]
        joint = joint_digits([0.0] * 10, [sums[10 * d : 10 * d + 10] for d in range(10)])
        return {"argmax": joint["argmax"], "expectation": round(joint["expectation"], 4)}

    def _comments(self, inputs: dict[str, Any], text: str) -> dict[str, Any]:
        (ids,), end = self.asker.label_ids([text])
        (values,) = self.asker.logprobs(inputs, [[*ids, *end]])
        return {
            "logprob": round(sum(values), 5),
            "tokens": len(values),
            "bytes": len(text.encode()),
        }


def tqdm_write(text: str) -> None:
    """A line on stderr that does not break the progress bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)
