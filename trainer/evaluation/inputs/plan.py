"""What `generate` will ask: items whose media are there, and a rough count of tokens."""

import argparse
from collections.abc import Sequence

from trainer.evaluation.inputs.media import Media, index_media, missing_media
from trainer.evaluation.task import Example, Task

NEW_TOKENS = {"number": 24, "answer": 64, "tags": 64, "caption": 256, "regions": 96}
TOKENS_PER_ITEM = 600


def plan(task: Task, options: argparse.Namespace) -> tuple[Task, list[Example], Media]:
    """(task, items to ask, media index); ValueError names media that are not there."""
    if task.scorer == "hvu_map":
        raise ValueError(
            f"{task.name} scores 3,142 tags of every segment: write its predictions by your own "
            "model (see `check`), and choose hvu/hvu_4096 here"
        )
    examples = task.examples(options.annotations)[: options.limit]
    media = index_media(options.media, task)
    if options.condition == "video":
        missing = set(missing_media(media, examples))
        if missing and not options.skip_missing_media:
            raise ValueError(
                f"{task.name}: {len(missing)} of {len(examples)} media are not below "
                f"{options.media / task.media}, such as {min(missing)!r}; get them ({task.access}) "
                "or leave them out with --skip-missing-media"
            )
        examples = [example for example in examples if example.media not in missing]
    return task, examples, media


def print_plan(plans: Sequence[tuple[Task, list[Example], Media]]) -> None:
    """Items, media items and a rough count of tokens; nothing is run."""
    items = tokens = 0
    for task, examples, _ in plans:
        labels = sum(len(e.choices or task.labels) or 1 for e in examples)
        need = sum(len(task.question(e)) // 4 + TOKENS_PER_ITEM for e in examples)
        need += NEW_TOKENS.get(task.protocol, 0) * len(examples) or 2 * labels
        media = len({e.media for e in examples})
        print(f"{task.name}: {len(examples)} items, {media} media, about {need:,} tokens")
        items, tokens = items + len(examples), tokens + need
    print(f"{items} items, about {tokens:,} tokens ({TOKENS_PER_ITEM} of each are media)")
