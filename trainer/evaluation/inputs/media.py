"""Finding the media of examples in a folder laid out as the official download."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer.evaluation.task import Example, Task

SUFFIXES = {
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"),
    *(".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".npy"),
}


@dataclass(frozen=True)
class Media:
    """The media files of one task: relative path without suffix, and bare stem, to file."""

    by_path: dict[str, Path]
    by_stem: dict[str, list[Path]]

    def find(self, name: str) -> Path | None:
        """The file of one example: by path with or without suffix, else by a stem that is unique.

        A stem in two folders (CAER numbers its clips from 1 in every folder) finds nothing.
        """
        for key in (name, str(PurePosixPath(name).with_suffix(""))):
            if key in self.by_path:
                return self.by_path[key]
        stems = {PurePosixPath(name).name, PurePosixPath(name).stem}
        found = {path for stem in stems for path in self.by_stem.get(stem, [])}
        return found.pop() if len(found) == 1 and "/" not in name else None


def index_media(root: Path, task: Task) -> Media:
    """Index `root/<task.media>` where that is a folder, else `root` itself."""
    folder = root / task.media
    folder = folder if folder.is_dir() else root
    by_path: dict[str, Path] = {}
    by_stem: dict[str, list[Path]] = {}
    for directory, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = Path(directory) / name
            if path.suffix.lower() in SUFFIXES:
                relative = path.relative_to(folder).as_posix()
                by_path[relative] = path
                by_path.setdefault(relative[: -len(path.suffix)], path)
                by_stem.setdefault(path.stem, []).append(path)
    return Media(by_path, by_stem)


def missing_media(media: Media, examples: Iterable[Example]) -> list[str]:
    """The media names that the folder lacks, each once, in order."""
    names = dict.fromkeys(example.media for example in examples if example.media is not None)
    return [name for name in names if media.find(name) is None]
