"""The corpus' idf table, where `comments.idf` asks for it: one per source, over all candidates."""

import json
import math
from collections import Counter
from pathlib import Path

from dataset_builder.text.near_duplicates import TOKEN
from dataset_builder.work.partitions import TextBuild
from dataset_builder.work.whole_files import write_text


def counts_file(build: TextBuild, part: int) -> Path:
    """Where one partition leaves its document frequencies."""
    return build.layout.parts / "idf" / f"{part:05d}.json"


def count_tokens(build: TextBuild, part: int, texts: dict[str, list[str]]) -> None:
    """Write how many candidate comments of each source hold each token."""
    table = {}
    for source, rows in texts.items():
        seen = Counter(token for text in rows for token in set(TOKEN.findall(text.lower())))
        table[source] = {"documents": len(rows), "tokens": dict(sorted(seen.items()))}
    write_text(counts_file(build, part), json.dumps(table, ensure_ascii=False))


def corpus_idf(build: TextBuild, source: str) -> dict[str, float] | None:
    """Smooth idf of every token of the source, or None where each post has its own."""
    if build.settings.comments.idf != "corpus":
        return None
    documents, frequency = 0, Counter[str]()
    for part in range(build.partitions):
        table = json.loads(counts_file(build, part).read_text(encoding="utf-8"))[source]
        documents += table["documents"]
        frequency.update(table["tokens"])
    return {
        token: math.log((1 + documents) / (1 + count)) + 1 for token, count in frequency.items()
    }
