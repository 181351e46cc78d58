"""A folder of media files as the user has it: which file is a post's."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.errors import BuildError
from dataset_builder.fetch.store import INDEX, FetchStore


class MediaFolder:
    """Files of a folder by name without extension, or of a store of `blift fetch` by id."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BuildError(f"--media {folder}: not a folder; give a folder of files or none")
        store = FetchStore(folder)
        self._reasons = store.reasons()
        self._by_stem: dict[str, Path] = {}
        if (folder / INDEX).is_file():
            self._by_stem = store.paths()
            return
        for path in sorted(folder.rglob("*"), reverse=True):  # the first name in order wins
            if path.is_file() and not path.name.startswith("."):
                self._by_stem[path.name.split(".")[0]] = path

    def why_not(self, *names: str | None) -> tuple[str, str] | None:
        """Why fetching the item failed, where the store knows."""
        known = (
            self._reasons[name] for name in names if name is not None and name in self._reasons
        )
        return next(known, None)

    def find(self, *names: str | None) -> Path | None:
        """The file of the first of `names` that has one."""
        for name in names:
            if name and name in self._by_stem:
                return self._by_stem[name]
        return None
