"""`judge`: replies of a judge beside predictions; recorded, replayed, priced, never asked for ever.

Exact match stays beside it (`score` gives both). A malformed reply or an outage is unparsed.
"""

import argparse
import base64
import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.media import index_media
from trainer.evaluation.inputs.predictions import json_lines, path_of, read_predictions
from trainer.evaluation.judging.cassette import Cassette, Messages, exchange_key
from trainer.evaluation.judging.endpoints import Ask, Outage, Price, endpoint, local
from trainer.evaluation.judging.prompts import caption_prompt, question_prompt
from trainer.evaluation.results import write_text
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks import find
from trainer.evaluation.tasks.captioning import CRITERIA

# outages in a row after which the judge is taken for gone: the rest stays unparsed
GIVE_UP = 5
EXAMPLE = """example:
  python -m trainer.evaluation judge --predictions preds --annotations annotations \\
      --tasks msvd_qa --endpoint http://127.0.0.1:8000/v1 --judge-model gpt-3.5-turbo \\
      --price-in 0.5 --price-out 1.5 --max-cost 5 --cassette judge.jsonl
  python -m trainer.evaluation judge … --cassette judge.jsonl --replay     # network off
"""
Exchange = tuple[Example, str, Messages]


def add_command(commands: Any) -> None:
    """Add `judge` to the evaluation's commands."""
    parser = commands.add_parser(
        "judge",
        help="a judge's replies beside predictions",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--predictions", required=True, type=Path)
    parser.add_argument("--annotations", required=True, type=Path)
    parser.add_argument("--tasks", required=True, help="question sets or captioning")
    parser.add_argument(
        "--judge-model", required=True, help="model id at the endpoint, or a folder"
    )
    parser.add_argument("--endpoint", help="OpenAI-compatible …/v1; without it a local model")
    parser.add_argument("--key-variable", default="JUDGE_API_KEY", help="environment variable")
    parser.add_argument("--cassette", required=True, type=Path, help="JSONL of every exchange")
    parser.add_argument("--replay", action="store_true", help="cassette only, nothing is asked")
    parser.add_argument("--media", type=Path, help="pictures for captions")
    parser.add_argument("--price-in", type=float, default=0.0, help="dollars per million tokens")
    parser.add_argument("--price-out", type=float, default=0.0)
    parser.add_argument("--max-cost", type=float, help="dollars; refused before the first call")
    parser.add_argument("--dry-run", action="store_true", help="print calls and cost")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Judge every prediction of the tasks; ValueError above --max-cost."""
    cassette, price = Cassette(options.cassette), Price(options.price_in, options.price_out)
    plans = [(task, list(exchanges(task, options))) for task in find(options.tasks)]
    pending = [
        messages
        for _, asked in plans
        for _, _, messages in asked
        if cassette.reply(exchange_key(options.judge_model, messages)) is None
    ]
    cost = 0.0 if options.replay else sum(map(price.of, pending))
    calls = 0 if options.replay else len(pending)
    print(f"{calls} calls, about ${cost:.2f}", file=sys.stderr)
    if options.max_cost is not None and cost > options.max_cost:
        raise ValueError(f"about ${cost:.2f} is above --max-cost {options.max_cost}: nothing asked")
    if options.dry_run:
        return
    ask = None if options.replay or not pending else judge_of(options)
    for task, asked in plans:
        write_judged(task, asked, Judge(ask, cassette, options.judge_model, price), options)


def judge_of(options: argparse.Namespace) -> Ask:
    """The endpoint, or a local model."""
    if options.endpoint:
        return endpoint(options.endpoint, options.judge_model, options.key_variable)
    return local(options.judge_model, None)


def exchanges(task: Task, options: argparse.Namespace) -> Iterator[Exchange]:
    """(example, criterion, messages) of every prediction with an answer; ValueError otherwise."""
    if task.scorer not in ("answers", "captions"):
        raise ValueError(f"{task.name} needs no judge: its metric is {task.metric}")
    examples = task.examples(options.annotations)
    found = read_predictions(options.predictions, task, examples)
    if found is None:
        raise ValueError(f"{path_of(options.predictions, task)} is not there: run `generate`")
    media = index_media(options.media, task) if options.media else None
    for example in examples:
        rows = found.get(example.id, [])
        answer = rows[0].get("answer") if rows else None
        if not answer:
            continue
        if task.scorer == "answers":
            yield example, "reply", question_prompt(example.question, example.truth, answer)
            continue
        picture = media.find(example.media or "") if media else None
        for criterion in CRITERIA:
            yield example, criterion, with_picture(caption_prompt(criterion, answer), picture)


def with_picture(messages: Messages, picture: Path | None) -> Messages:
    """The last message with the picture as a data address; ValueError without one."""
    if picture is None:
        raise ValueError("a judge of captions must see the picture: give --media")
    data = base64.b64encode(picture.read_bytes()).decode()
    kind = "png" if picture.suffix.lower() == ".png" else "jpeg"
    parts = [
        {"type": "text", "text": messages[-1]["content"]},
        {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}},
    ]
    return [*messages[:-1], {"role": "user", "content": parts}]


class Judge:
    """Asks what the cassette does not hold; gives up after several outages in a row."""

    def __init__(self, ask: Ask | None, cassette: Cassette, model: str, price: Price) -> None:
        self.ask, self.cassette, self.model, self.price = ask, cassette, model, price
        self.outages = 0

    def reply(self, messages: Messages) -> str | None:
        """The reply as it came; None for an outage, or in replay without a record."""
        key = exchange_key(self.model, messages)
        known = self.cassette.reply(key)
        if known is not None or self.ask is None or self.outages >= GIVE_UP:
            return known
        try:
            text: str | None = self.ask(messages)
            self.outages = 0
        except Outage as error:
            text = None
            self.outages += 1
            print(f"{error}; unparsed", file=sys.stderr)
        self.cassette.record(
            {
                "key": key,
                "model": self.model,
                "messages": messages,
                "reply": text,
                "dollars": self.price.of(messages) if text is not None else 0.0,
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            }
        )
        return text


def write_judged(
    task: Task, asked: list[Exchange], judge: Judge, options: argparse.Namespace
) -> None:
    """Put the replies into the prediction file, field `judged`."""
    from tqdm import tqdm

    replies: dict[str, dict[str, Any]] = {}
    for example, criterion, messages in tqdm(asked, desc=f"judge {task.name}", file=sys.stderr):
        reply = judge.reply(messages)
        replies.setdefault(example.id, {"model": judge.model})[criterion] = reply
    path = path_of(options.predictions, task)
    rows = [row for _, row in json_lines(path)]
    lines = [
        json.dumps(
            row | {"judged": replies.get(row["id"], {"model": judge.model})}, ensure_ascii=False
        )
        for row in rows
    ]
    write_text(path, "".join(line + "\n" for line in lines))
