"""First bytes and pickles: a file is what its suffix says, all of it."""

import io
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from release.gates.gate import Refusal, Subject
from release.shards import DamagedShard, read_content, read_members

TEXT = (".md", ".txt", ".py", ".jinja", ".json", ".jsonl", ".yaml", ".csv", ".css", ".html", ".svg")
MAGIC = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".webp": (b"RIFF",),
    ".wav": (b"RIFF",),
    ".webm": (b"\x1a\x45\xdf\xa3",),
    ".mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    ".parquet": (b"PAR1",),
}
POINTER = b"version https://git-lfs.github.com/spec/"
ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-zip",
    b"Rar!": "rar",
    b"\x93NUMPY": "numpy array",
    b"\x89HDF": "HDF5",
    b"\x7fELF": "ELF program",
    b"MZ": "Windows program",
}
HEAD = 1 << 16
CALLS = {"INST", "REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX"}


def kinds_are_true(subject: Subject) -> Iterator[Refusal]:
    """Every file begins, and texts go on, as its suffix says."""
    for path in subject.files:
        with (subject.folder / path).open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(POINTER):
            yield Refusal(path, "a pointer file in place of the content", "run `git lfs pull`")
        elif not head:
            yield Refusal(path, "empty", "delete it, or stage again")
        elif problem := _kind_problem(subject.folder / path, head):
            yield Refusal(path, problem, "delete it, or save it in the form its name says")


def _kind_problem(path: Path, head: bytes) -> str | None:
    suffix = path.suffix.lower()
    found = archive_kind(head)
    if found:
        return f"holds a {found} under the suffix {suffix or '(none)'}"
    if suffix in TEXT or not suffix:
        return _text_problem(path)
    if suffix == ".mp4" and head[4:8] != b"ftyp":
        return "is no mp4"
    if suffix in MAGIC and not head.startswith(MAGIC[suffix]):
        return f"does not begin as a {suffix} file does"
    return _sentencepiece_problem(path) if suffix == ".model" else None


def archive_kind(head: bytes) -> str | None:
    """The archive or program that these first bytes begin, if any."""
    return next((kind for magic, kind in ARCHIVES.items() if head.startswith(magic)), None)


def _text_problem(path: Path) -> str | None:
    """Texts are read whole: bytes hidden far behind a harmless beginning would leave as well."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is no UTF-8 text (byte {error.start})"
    if "\0" in text:
        return f"holds a NUL byte at character {text.index(chr(0))}"
    hidden = next((c for c in text if ord(c) < 32 and c not in "\t\n\r\f"), None)
    if hidden and path.suffix not in (".json", ".jsonl"):
        return f"holds the control character {hidden!r}"
    bidirectional = next(
        (c for c in text if c in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"), None
    )
    if bidirectional and path.suffix in (".py", ".jinja", ".yaml", ".txt"):
        return f"holds {bidirectional!r}, which shows code in another order than it runs"
    return None


def _sentencepiece_problem(path: Path) -> str | None:
    try:
        import sentencepiece

        sentencepiece.SentencePieceProcessor(model_file=str(path))
    except ImportError:
        return "cannot be checked without sentencepiece (pip install sentencepiece)"
    except (RuntimeError, OSError) as error:
        return f"is no sentencepiece model ({str(error).splitlines()[0]})"
    return None


def no_pickles(subject: Subject) -> Iterator[Refusal]:
    """No pickle under any name, on its own or inside a shard; picklescan is a second opinion."""
    remedy = "save weights as safetensors and everything else as JSON"
    for path in subject.files:
        whole = subject.folder / path
        if path.endswith(".tar"):
            yield from _pickled_members(whole, path, remedy)
            continue
        with whole.open("rb") as file:
            if is_pickle(file):
                yield Refusal(path, "a pickle, which runs code when it is loaded", remedy)
            elif second_opinion(whole):
                yield Refusal(path, "a pickle, says picklescan", remedy)


def _pickled_members(path: Path, name: str, remedy: str) -> Iterator[Refusal]:
    with path.open("rb") as file:
        try:
            for member in read_members(file):
                data = read_content(file, member)
                if is_pickle(io.BytesIO(data)):
                    yield Refusal(name, "a pickle in a shard", remedy, member.name)
                elif archive_kind(data):
                    cause = f"a {archive_kind(data)} in a shard"
                    yield Refusal(name, cause, "build the shard again", member.name)
        except DamagedShard as error:
            yield Refusal(name, str(error), "build or download it again")


def is_pickle(file: IO[bytes]) -> bool:
    """Whether these bytes are a pickle: protocol 2 and later by their start, older ones by parsing.

    A text can parse as a harmless old pickle by accident; only one that reaches its end, names
    something to import and calls it is taken for one.
    """
    head = file.read(2)
    if len(head) == 2 and head[0] == 0x80 and head[1] <= 5:
        return True
    file.seek(0)
    named = called = False
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name in ("GLOBAL", "INST"):
                named = named or all(
                    part.isidentifier() for part in re.split(r"[ .]", str(argument))
                )
            named = named or opcode.name == "STACK_GLOBAL"
            called = called or opcode.name in CALLS
            if opcode.name == "STOP":
                return named and called
    except Exception:  # whatever genops stumbles over, an unpickler would too
        return False
    return False


def second_opinion(path: Path) -> bool:
    """What picklescan says; it knows archives and numpy files that were given other names."""
    import logging

    from picklescan.scanner import scan_file_path

    logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # it warns of every other file
    try:
        return scan_file_path(str(path)).infected_files > 0
    except Exception:  # it opens by suffix and raises on what only looks like an archive
        return False
