"""The store `blift fetch` fills: files under their hash, an index that says what became of each."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from dataset_builder.work.whole_files import write_bytes

INDEX = "index.jsonl"
FILES = "files"
PARTIAL = "partial"
# outcomes that another try may change
PASSING = frozenset({"too_slow", "cut_off", "server_error", "no_downloader"})


@dataclass(frozen=True)
class Fetched:
    """What became of one item; `path` (inside the store) where it is there, else `reason`."""

    id: str
    url: str
    path: str | None
    sha256: str | None
    bytes: int | None
    reason: str | None
    value: str | None

    @property
    def final(self) -> bool:
        """Whether a later run need not try again."""
        return self.reason not in PASSING

    @classmethod
    def failed(cls, item: str, url: str, reason: str, value: str) -> Self:
        return cls(item, url, None, None, None, reason, value)


class FetchStore:
    """Files by content under `folder`/files; the index is appended line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def entries(self) -> dict[str, Fetched]:
        """The last entry of every id; a line torn by a crash is ignored."""
        found: dict[str, Fetched] = {}
        path = self.folder / INDEX
        if not path.is_file():
            return found
        for line in path.read_text("utf-8").splitlines():
            try:
                entry = Fetched(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[entry.id] = entry
        return found

    def add(self, entry: Fetched) -> None:
        """Append one outcome, safely on disk when this returns."""
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / INDEX).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def partial(self, item: str) -> Path:
        """Where an item grows until it is whole."""
        path = self.folder / PARTIAL / f"{item}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def drop_partial(self, item: str) -> None:
        """Forget what came of an item that will not be tried again."""
        for path in (self.partial(item), self.partial(item).with_suffix(".etag")):
            path.unlink(missing_ok=True)

    def keep(self, partial: Path, sha256: str) -> str:
        """Move a whole file to its place; returns that, inside the store."""
        name = f"{FILES}/{sha256[:2]}/{sha256}"
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
        return name

    def paths(self) -> dict[str, Path]:
        """Files by item id."""
        return {i: self.folder / e.path for i, e in self.entries().items() if e.path is not None}

    def reasons(self) -> Mapping[str, tuple[str, str]]:
        """Why an item has no file."""
        return {
            i: (e.reason, e.value or "")
            for i, e in self.entries().items()
            if e.path is None and e.reason is not None
        }

    def forget(self, items: set[str], media: set[str]) -> int:
        """Remove items and files from store and index; returns how many files went."""
        entries = self.entries()
        gone = {e.path for e in entries.values() if e.path and (e.id in items or e.sha256 in media)}
        left = [e for e in entries.values() if e.id not in items and e.sha256 not in media]
        used = {entry.path for entry in left}
        for path in gone - used:
            (self.folder / path).unlink(missing_ok=True)
        text = "".join(json.dumps(asdict(entry)) + "\n" for entry in left)
        write_bytes(self.folder / INDEX, text.encode())
        return len(gone - used)


@dataclass(frozen=True)
class Wanted:
    """One item to fetch: the sample id and the address of its media."""

    id: str
    url: str
