"""A folder of media files as the user or a downloader left it: which file is a post's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dataset_builder.decode.content_type import sniff_file
from dataset_builder.errors import BuildError
from dataset_builder.fetch.store import INDEX, FetchStore
from dataset_builder.ledger.reasons import NAMING

# What programs call a file of an id when nobody tells them otherwise, best known first
DEFAULT_NAMES = (
    re.compile(r"t3_([0-9a-z]{1,10})[._ -]"),  # Reddit's full name
    re.compile(r".*\[([\w-]+)\](?:\.[\w-]+)+$", re.DOTALL),  # yt-dlp: Title [ID].mp4
    re.compile(r".*-([\w-]{11})(?:\.[\w-]+)+$", re.DOTALL),  # youtube-dl, gallery-dl: Title-ID.mp4
    re.compile(r"([0-9a-z]{1,10})[ _-]"),  # gallery-dl: ID Title.jpg; RipMe: ID-Title.jpg
)
UNFINISHED = re.compile(r"\.(?:part(?:-Frag\d+)?|ytdl|aria2|crdownload|tmp)$|\.temp\.\w+$", re.I)
# what downloaders write beside a medium; another content than the name says still counts
BESIDE = frozenset({
    ".json", ".description", ".txt", ".vtt", ".srt", ".ass", ".lrc", ".ttml", ".srv1", ".srv2",
    ".srv3", ".json3", ".xml", ".html", ".url", ".webloc", ".desktop", ".log", ".csv", ".md",
})  # fmt: skip
SOUND = frozenset({".m4a", ".mka", ".weba"})  # containers that tell sound by the name alone
NAMES_SHOWN = 3


class MediaFolder:
    """Files of a folder by the ids in their names, or of a store of `blift fetch` by id."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BuildError(f"--media {folder}: not a folder; give a folder of files or none")
        self.folder = folder
        self.is_store = (folder / INDEX).is_file()
        store = FetchStore(folder)
        self._reasons = store.reasons()
        self._stored = store.paths() if self.is_store else {}
        # id -> (how well the name says it, file)
        self._by_id: dict[str, list[tuple[int, str]]] = {}
        if not self.is_store:
            for path in _files(folder):
                for at, name in enumerate(ids_of(path.name)):
                    self._by_id.setdefault(name, []).append((at, str(path)))

    def why_not(self, *names: str | None) -> tuple[str, str] | None:
        """Why fetching the item failed, where the store knows."""
        known = (
            self._reasons[name] for name in names if name is not None and name in self._reasons
        )
        return next(known, None)

    def find(self, media_type: str, *names: str | None) -> Path | None:
        """The file for any of `names` that fits best: by its content, then by how it is named.

        Thumbnails, subtitles and unfinished downloads beside it do not stand for it. A file that
        is not what is wanted is given where there is no better: examining it says what it is.
        """
        if self.is_store:
            return next((self._stored[n] for n in names if n and n in self._stored), None)
        best: tuple[tuple[int, ...], str] | None = None
        for place, name in enumerate(names):
            for at, path in self._by_id.get(name or "", ()):
                rank = _rank(Path(path), media_type)
                if rank is not None:
                    one = ((rank[0], place, at, *rank[1:]), path)
                    best = one if best is None else min(best, one)
        return None if best is None else Path(best[1])

    def nothing_of(self, wanted: list[str]) -> str:
        """What to say where no post has a file."""
        names = [path.name for path in islice(_files(self.folder), NAMES_SHOWN)]
        found = ", ".join(repr(name) for name in names) or "no file at all"
        return (
            f"--media {self.folder}: no file in it belongs to a post; looked for names with "
            f"{', '.join(wanted)}; found {found}. {NAMING}; --media none builds without media"
        )


def ids_of(name: str) -> Iterator[str]:
    """Ids that a file of this name may belong to, the likeliest first."""
    yield name.split(".")[0]
    for pattern in DEFAULT_NAMES:
        found = pattern.match(name)
        if found is not None:
            yield found[1]


def _files(folder: Path) -> Iterator[Path]:
    """Files to choose from, in the order of their paths."""
    for path in sorted(folder.rglob("*")):
        hidden = path.name.startswith(".") or UNFINISHED.search(path.name)
        if not hidden and path.is_file():
            yield path


def _rank(path: Path, media_type: str) -> tuple[int, int, int, int] | None:
    """How badly a file serves for a medium; None for what lies beside one.

    Of several of one kind: the one of fewest endings (`ID.mp4` before `ID.f137.mp4`), pictures
    before sound, the largest video, the first name.
    """
    try:
        content = sniff_file(path)
    except OSError:
        content = None  # examining it says why
    suffix = path.suffix.lower()
    if content is None:
        return None if suffix in BESIDE else (2, 0, 0, 0)
    size = path.stat().st_size if content.kind == "video" else 0
    wrong = int(content.kind != media_type)
    return wrong, path.name.count("."), int(suffix in SOUND), -size
