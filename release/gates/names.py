"""Names, links and sizes: what can be refused without reading a byte."""

import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from release.gates.gate import Refusal, Subject

# everything that may leave, by kind; a suffix that nobody thought of is refused
ALLOWED = {
    "dataset": (".tar", ".parquet", ".json", ".jsonl", ".md", ".png"),
    "model": (
        *(".safetensors", ".json", ".jinja", ".py", ".md", ".txt", ".model", ".yaml", ".csv"),
        ".png",
    ),
    "space": (
        *(".py", ".md", ".txt", ".css", ".json", ".yaml", ".csv", ".html", ".svg"),
        *(".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm", ".mp3", ".wav"),
    ),
}
BARE = ("LICENSE", "NOTICE")  # names without a suffix that may leave
HIDDEN = (".eval_results", ".gitattributes")
NEVER = {".git", ".cache", ".gitignore", ".env", "__pycache__", ".ipynb_checkpoints", ".DS_Store"}
LONGEST_NAME = 200
# the Hub's limits: entries of a folder, files of a repository, bytes of a file, files of a commit
FOLDER_ENTRIES = 10_000
REPOSITORY_FILES = 100_000
FILE_BYTES = 200 * 10**9
OPERATIONS = 500


def links_and_names(subject: Subject) -> Iterator[Refusal]:
    """Only regular files, under names that mean the same on every system."""
    folded: dict[str, str] = {}
    for path in subject.files:
        yield from _kind_of_entry(subject, path)
        yield from _name(subject.kind, path)
        key = unicodedata.normalize("NFKC", path).casefold()
        if key in folded:
            cause = f"differs from {folded[key]} in case or spelling only"
            yield Refusal(path, cause, "rename one: both are one file on other systems")
        folded[key] = path
    for folder in sorted(subject.folder.rglob("*")):
        if folder.is_dir() and not folder.is_symlink():
            name = folder.relative_to(subject.folder).as_posix()
            if folder.name in NEVER or (folder.name[0] == "." and folder.name not in HIDDEN):
                yield Refusal(name, "a hidden folder or cache", "delete it")
            elif not any(folder.iterdir()):
                yield Refusal(name, "an empty folder, which a Hub cannot hold", "delete it")


def _kind_of_entry(subject: Subject, path: str) -> Iterator[Refusal]:
    status = (subject.folder / path).lstat()
    if stat.S_ISLNK(status.st_mode):
        yield Refusal(path, "a symbolic link", "put the file itself there, or delete the link")
    elif not stat.S_ISREG(status.st_mode):
        yield Refusal(path, "no regular file (pipe, socket or device)", "delete it")
    elif status.st_nlink > 1:
        remedy = "copy the folder with `cp -r`, so that nothing outside is sent"
        yield Refusal(path, f"a hard link: {status.st_nlink} names share its bytes", remedy)
    elif status.st_mode & 0o111:
        yield Refusal(path, f"executable (mode {status.st_mode & 0o777:o})", "chmod 644 it")


def _name(kind: str, path: str) -> Iterator[Refusal]:
    parts = PurePosixPath(path).parts
    hidden = [p for p in parts if p in NEVER or (p.startswith(".") and p not in HIDDEN)]
    if hidden:
        yield Refusal(path, f"{hidden[0]} never leaves", "delete it")
    elif unicodedata.normalize("NFC", path) != path:
        yield Refusal(path, "its name is not in Unicode form NFC", "rename it")
    elif any(not c.isprintable() or c in '\\:*?"<>|' for c in path):
        yield Refusal(path, "its name holds a character some systems refuse", "rename it")
    elif any(part != part.strip() or part.endswith(".") for part in parts):
        yield Refusal(path, "its name begins or ends with a blank or ends with a dot", "rename it")
    elif any(len(part.encode()) > LONGEST_NAME for part in parts):
        yield Refusal(path, f"its name is longer than {LONGEST_NAME} bytes", "shorten it")
    suffix = PurePosixPath(path).suffix
    if parts[-1] not in (*BARE, *HIDDEN) and suffix not in ALLOWED[kind]:
        allowed = " ".join(ALLOWED[kind])
        yield Refusal(path, f"{suffix or 'no suffix'} does not leave with a {kind}",
                      f"delete it (allowed: {allowed})")  # fmt: skip


def within_limits(subject: Subject) -> Iterator[Refusal]:
    """Nothing the Hub would refuse or give up on after hours of sending."""
    if not subject.files:
        yield Refusal(".", "the folder is empty", "stage something into it")
    if len(subject.files) > REPOSITORY_FILES:
        cause = f"{len(subject.files)} files; a repository takes {REPOSITORY_FILES}"
        yield Refusal(".", cause, "make larger shards (shards.max_mb)")
    entries = Counter(PurePosixPath(path).parent.as_posix() for path in subject.files)
    for folder, count in sorted(entries.items()):
        if count >= FOLDER_ENTRIES:
            cause = f"{count} files in one folder; the Hub takes {FOLDER_ENTRIES - 1}"
            yield Refusal(folder, cause, "make larger shards (shards.max_mb)")
    for path in subject.files:
        size = (subject.folder / path).lstat().st_size
        if size > FILE_BYTES:
            cause = f"{size:,} bytes; the Hub takes {FILE_BYTES:,}"
            yield Refusal(path, cause, "make smaller shards (shards.max_mb, max_shard_size)")
