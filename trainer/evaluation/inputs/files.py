"""Reading annotation files as they are: checksum first, then the format the authors chose."""

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.evaluation.task import File

SUMS = "SHA256SUMS"
SYNTHETIC_MARK = "# synthetic"
HASH_BLOCK = 1 << 20


class AnnotationProblem(ValueError):
    """An annotation file is missing, is not the one expected, or cannot be read."""


def read_bytes(root: Path, file: File) -> bytes:
    """The bytes of one annotation file; AnnotationProblem when absent or with another checksum."""
    path = root / file.path
    if not path.is_file():
        raise AnnotationProblem(
            f"{path} is not there; get it from {file.url or 'its authors'} and keep its name and "
            "folder (`python -m trainer.evaluation check` lists what is missing)"
        )
    expected = expected_sha256(root, file)
    if expected is not None and (found := sha256(path)) != expected:
        raise AnnotationProblem(
            f"{path} has sha256 {found}, expected {expected}: it is not the file this task was "
            "written for; fetch the official one again"
        )
    return path.read_bytes()


def expected_sha256(root: Path, file: File) -> str | None:
    """The checksum a file must have: the declared one, or the fixture's in a fixture folder."""
    sums = fixture_sums(root)
    return sums.get(file.path, file.sha256) if sums else file.sha256


@lru_cache(maxsize=8)
def fixture_sums(root: Path) -> dict[str, str]:
    """Checksums of a folder of synthetic six-item files; {} for a folder of real ones."""
    path = root / SUMS
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    if not lines or not lines[0].startswith(SYNTHETIC_MARK):
        return {}
    pairs = (line.split(maxsplit=1) for line in lines[1:] if line.strip())
    return {name: digest for digest, name in pairs}


def sha256(path: Path) -> str:
    """SHA-256 of a file, remembered while its size and time stay the same."""
    state = path.stat()
    return _sha256(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=512)
def _sha256(path: Path, size: int, mtime: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_text(root: Path, file: File, encoding: str = "utf-8-sig") -> str:
    """The text of a file; a byte order mark is no part of it. AnnotationProblem if undecodable."""
    data = read_bytes(root, file)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise AnnotationProblem(f"{root / file.path} is not {encoding}: {error}") from error


def read_json(root: Path, file: File) -> Any:
    """The value of a JSON file, gzipped or not."""
    data = read_bytes(root, file)
    if file.path.endswith(".gz"):
        data = gzip.decompress(data)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise AnnotationProblem(f"{root / file.path} is not JSON: {error}") from error


def read_table(
    root: Path, file: File, *, delimiter: str = ",", quote: str = '"'
) -> list[dict[str, str]]:
    """The rows of a delimited file with a header; quotes as stated, blanks kept."""
    text = read_text(root, file)
    return parse_table(text, delimiter=delimiter, quote=quote)


def parse_table(text: str, *, delimiter: str = ",", quote: str = '"') -> list[dict[str, str]]:
    """`read_table` of a text."""
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    return [dict(row) for row in rows]


def read_columns(root: Path, file: File) -> Iterator[list[str]]:
    """The white-space separated fields of every non-empty line."""
    for line in read_text(root, file).splitlines():
        if fields := line.split():
            yield fields


def read_zipped_table(root: Path, file: File) -> list[dict[str, str]]:
    """The rows of the one csv inside a zip."""
    with zipfile.ZipFile(io.BytesIO(read_bytes(root, file))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise AnnotationProblem(f"{root / file.path} holds {names}: expected one csv")
        return parse_table(archive.read(names[0]).decode("utf-8-sig"))


def read_sheet(root: Path, file: File) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of the first sheet of a workbook."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(read_bytes(root, file)), read_only=True)
    rows = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    return [str(name) for name in rows[0]], rows[1:]


def need_columns(rows: Sequence[dict[str, Any]], names: Sequence[str], where: str) -> None:
    """AnnotationProblem naming the columns that a table lacks."""
    missing = [name for name in names if not rows or name not in rows[0]]
    if missing:
        raise AnnotationProblem(
            f"{where}: no column {missing}; found {list(rows[0]) if rows else []}"
        )
