"""The record of a judge: JSONL, one exchange a line, keyed by model and messages."""

import json
from pathlib import Path
from typing import Any

from trainer.evaluation.inputs.predictions import json_lines
from trainer.evaluation.results import digest

Messages = list[dict[str, Any]]


def exchange_key(model: str, messages: Messages) -> str:
    """What makes two exchanges the same: the model asked and every word of the prompt."""
    return digest(model, json.dumps(messages, ensure_ascii=False, sort_keys=True))


class Cassette:
    """Replies by key. A failed exchange is recorded too (reply null) and asked again next time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        if path.is_file():
            self.entries = {row["key"]: row for _, row in json_lines(path)}

    def reply(self, key: str) -> str | None:
        """The recorded reply; None where there is none."""
        entry = self.entries.get(key)
        return entry["reply"] if entry else None

    def record(self, entry: dict[str, Any]) -> None:
        """Append one exchange at once: a kill loses none that was paid for."""
        self.entries[entry["key"]] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
