"""`export lmms-eval|lm-eval DIR`: our tasks as task files of other harnesses, with their items.

An exported folder stands alone: items as JSONL, one YAML and one Python file. Scores are ours:
top-1 of summed log-likelihoods for lm-eval (text conditions), exact labels from generation for
lmms-eval (media).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from trainer.evaluation.inputs.media import index_media
from trainer.evaluation.results import write_text
from trainer.evaluation.task import Example, Task
from trainer.evaluation.tasks import find

HARNESSES = ("lmms-eval", "lm-eval")
EXPORTED = ("labels", "choices")
EXAMPLE = """example:
  python -m trainer.evaluation export lm-eval exported --tasks persuasion/text \\
      --annotations annotations
  lm_eval --include_path exported --tasks blift_persuasion_text --model hf …
"""
UTILS = '''"""Written by `python -m trainer.evaluation export`; scores as that package does."""

import json
import re
from pathlib import Path

LABELS = json.loads((Path(__file__).parent / "labels_{name}.json").read_text("utf-8"))
OUTSIDE = " \\t\\r\\n.,!?;:'\\""


def normalised(text):
    return re.sub(r"\\s+", " ", text.lower()).strip(OUTSIDE)


def visual(doc):
    if doc["media"].lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")):
        from PIL import Image

        return [Image.open(doc["media"]).convert("RGB")]
    return [doc["media"]]


def question(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def process(doc, results):
    said = {{normalised(label): label for label in doc["choices"]}}.get(normalised(results[0]))
    return {{"accuracy": float(said in doc["accepted"])}}
'''


def add_command(commands: Any) -> None:
    """Add `export` to the evaluation's commands."""
    parser = commands.add_parser(
        "export",
        help="our tasks for lmms-eval or lm-eval",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("harness", choices=HARNESSES)
    parser.add_argument("out", type=Path, metavar="DIR")
    parser.add_argument("--tasks", default="all")
    parser.add_argument("--annotations", required=True, type=Path)
    parser.add_argument("--media", type=Path, help="absolute media paths (lmms-eval needs them)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write one exported task per label task whose annotations are there."""
    written = []
    for task in find(options.tasks):
        if task.protocol not in EXPORTED or task.scorer == "hvu_map":
            continue
        try:
            examples = task.examples(options.annotations)
        except ValueError:
            if options.tasks != "all":
                raise
            continue
        written.append(export(task, examples, options))
    if not written:
        raise ValueError("no label task was exported: only tasks with a vocabulary or choices are")
    print(f"{len(written)} tasks for {options.harness} in {options.out}: {', '.join(written)}")


def export(task: Task, examples: list[Example], options: argparse.Namespace) -> str:
    """Write one task; returns its name there."""
    name = "blift_" + task.name.replace("/", "_")
    media = index_media(options.media, task) if options.media else None
    lines = []
    for example in examples:
        found = media.find(example.media) if media and example.media else None
        accepted = example.truth if isinstance(example.truth, frozenset) else {example.truth}
        choices = list(example.choices or task.labels)
        row = {
            "id": example.id,
            "question": task.question(example),
            "choices": choices,
            "accepted": sorted(accepted),
            # lm-eval knows one right answer: an item of several is exported with its first
            "gold": choices.index(min(accepted)),
            "media": str(found.resolve()) if found else "",
        }
        if options.harness == "lm-eval" or found:
            lines.append(json.dumps(row, ensure_ascii=False))
    if not lines:
        raise ValueError(f"{task.name}: no media below {options.media}: lmms-eval needs them")
    write_text(options.out / f"{name}.jsonl", "\n".join(lines) + "\n")
    made = (_lm_eval if options.harness == "lm-eval" else _lmms_eval)(name, task, options.out)
    write_text(options.out / f"{name}.yaml", made)
    return name


def _head(name: str, task: Task, out: Path) -> dict[str, Any]:
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str((out / f"{name}.jsonl").resolve())}},
        "test_split": "test",
        "metadata": {"version": task.version},
    }


def _lm_eval(name: str, task: Task, out: Path) -> str:
    body = _head(name, task, out) | {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": " ",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    return str(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))


def _lmms_eval(name: str, task: Task, out: Path) -> str:
    write_text(out / f"labels_{name}.json", json.dumps(list(task.labels)))
    write_text(out / f"utils_{name}.py", UTILS.format(name=name))
    body = _head(name, task, out) | {
        "output_type": "generate_until",
        "doc_to_target": "gold",
        "generation_kwargs": {"max_new_tokens": 32, "temperature": 0, "do_sample": False},
        "metric_list": [{"metric": "accuracy", "aggregation": "mean", "higher_is_better": True}],
    }
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    calls = {"doc_to_visual": "visual", "doc_to_text": "question", "process_results": "process"}
    return str(text) + "".join(
        f"{key}: !function utils_{name}.{value}\n" for key, value in calls.items()
    )
